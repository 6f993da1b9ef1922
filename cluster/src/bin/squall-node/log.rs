//! The log, on standard error.
//!
//! Whoever reads it may stall without stopping the node: see [`Outlet`].

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use squall_cluster::world::outlet::Outlet;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// How long the last lines may take to be written.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(1);

static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// `RUST_LOG` chooses what is logged: `LEVEL` or `TARGET=LEVEL,…`; warnings and errors unless it
/// says otherwise.
pub fn to_stderr() {
    let chosen = std::env::var("RUST_LOG").unwrap_or_default();
    let (targets, refused) = match chosen.parse::<Targets>() {
        Ok(targets) if !chosen.is_empty() => (targets, None),
        parsed => (Targets::new().with_default(LevelFilter::WARN), parsed.err()),
    };
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Lines)
        .with_ansi(io::stderr().is_terminal() && !no_color);
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
    if let Some(why) = refused {
        tracing::warn!("RUST_LOG={chosen} is ignored: {why}; expected LEVEL or TARGET=LEVEL,…");
    }
}

/// Waits until what was logged is written, though not for long.
pub fn flush() {
    if let Some(outlet) = OUTLET.get() {
        outlet.flush(LAST_LINES_LIMIT);
    }
}

/// Takes a line at a time.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let outlet = OUTLET.get_or_init(|| Outlet::new(Stderr { told: 0 }));
        // The thread that writes tells how many were lost, when it can write again.
        let _ = outlet.write(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, with a word about the lines that are missing.
struct Stderr {
    /// How many missing lines were told of.
    told: u64,
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = OUTLET.get().map_or(0, Outlet::lost);
        let mut stderr = io::stderr().lock();
        if lost > self.told {
            writeln!(
                stderr,
                "{} lines of the log were lost here: nobody read them",
                lost - self.told
            )?;
            self.told = lost;
        }
        stderr.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
