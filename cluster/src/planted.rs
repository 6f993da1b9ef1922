//! Planted bugs: mistakes that real systems shipped, each behind its own name.
//!
//! They prove that Squall's checks can fail. Without the crate feature `planted`,
//! [`active`] is the constant `false` and the compiler removes every one of them. With the
//! feature, at most one is active at a time on a thread, chosen by [`activate`].

/// A mistake, named as in the catalogue of planted bugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// ML-09: a lock is released without checking who holds it.
    ReleaseUnchecked,
    /// MC-01: a linearizable get is served from the leader's memory without confirming that
    /// it still leads.
    ReadUnconfirmed,
    /// MR-01: "flushed" is reported after the write, not after the sync.
    FlushUnsynced,
    /// DET-01: the leader stamps entries with the machine's clock instead of the world's: a
    /// source of nondeterminism, for `--verify` to find.
    StampFromMachineClock,
}

impl Bug {
    pub const ALL: [Bug; 4] = [
        Bug::ReleaseUnchecked,
        Bug::ReadUnconfirmed,
        Bug::FlushUnsynced,
        Bug::StampFromMachineClock,
    ];

    /// The catalogue's id.
    pub fn id(self) -> &'static str {
        match self {
            Bug::ReleaseUnchecked => "ML-09",
            Bug::ReadUnconfirmed => "MC-01",
            Bug::FlushUnsynced => "MR-01",
            Bug::StampFromMachineClock => "DET-01",
        }
    }

    pub fn from_id(id: &str) -> Option<Bug> {
        Self::ALL.into_iter().find(|bug| bug.id() == id)
    }
}

/// Whether planted bugs are compiled into this build at all.
pub const COMPILED_IN: bool = cfg!(feature = "planted");

#[cfg(feature = "planted")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Activates one bug, or none, on this thread.
#[cfg(feature = "planted")]
pub fn activate(bug: Option<Bug>) {
    ACTIVE.set(bug);
}

/// Whether `bug` is to be made.
#[inline(always)]
pub fn active(bug: Bug) -> bool {
    #[cfg(feature = "planted")]
    return ACTIVE.get() == Some(bug);
    #[cfg(not(feature = "planted"))]
    {
        let _ = bug;
        false
    }
}
