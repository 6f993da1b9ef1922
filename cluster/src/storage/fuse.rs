//! Refuses all work after the first failure.
//!
//! After a failed write or sync nobody knows which bytes are durable, and the operating
//! system may report the next sync as a success although it dropped the data (Rebello et
//! al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). The only safe
//! continuation is to open the storage again. A future dropped half-way leaves the same
//! doubt, so the fuse is blown *before* the work and mended after it.

use std::io;

/// Blown from [`Fuse::arm`] until [`Fuse::mend`]; a failure in between leaves it blown.
#[derive(Debug)]
pub(super) struct Fuse {
    guards: &'static str,
    blown: bool,
}

impl Fuse {
    pub(super) fn new(guards: &'static str) -> Fuse {
        Fuse {
            guards,
            blown: false,
        }
    }

    /// Fails if earlier work failed or was abandoned.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.blown {
            let guards = self.guards;
            return Err(io::Error::other(format!(
                "the {guards} failed earlier and must be opened again before it is used"
            )));
        }
        Ok(())
    }

    pub(super) fn arm(&mut self) -> io::Result<()> {
        self.check()?;
        self.blown = true;
        Ok(())
    }

    pub(super) fn mend(&mut self) {
        self.blown = false;
    }
}
