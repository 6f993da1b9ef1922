//! Exit codes, documented once and the same for every command.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::backends::BackendError;
use crate::history::jsonl::HistoryError;
use crate::run::RunError;
use crate::run_dir::RunDirError;
use crate::scenario::ScenarioError;

/// How the process ends when no run's verdict decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did what it was asked to; of a run, all is well.
    Pass = 0,
    /// A promise to clients was broken, or two runs of a seed differ.
    Violation = 1,
    /// Recovery or another objective was missed.
    ObjectiveMissed = 2,
    /// Too little happened to tell.
    Inconclusive = 3,
    /// Bad usage or scenario.
    Usage = 64,
    /// The harness failed, not the cluster.
    Harness = 70,
    /// As a shell reports a program that was interrupted.
    Interrupted = 130,
}

/// For `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  pass
   1  safety violation, or two runs of a seed that differ
   2  recovery or an objective missed
   3  inconclusive: too little happened to tell
  64  bad usage or scenario
  70  harness failure
 130  interrupted; a sweep or search, which ends cleanly at a first Ctrl-C, by a second one";

/// A command that could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// What the process says to its caller.
    pub exit: Exit,
    /// For people, on standard error.
    pub message: String,
}

impl Failure {
    /// The command makes no sense as it was given.
    pub fn usage(message: impl ToString) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// The harness failed, which says nothing about the cluster.
    pub fn harness(message: impl ToString) -> Self {
        Self {
            exit: Exit::Harness,
            message: message.to_string(),
        }
    }

    /// A run in real time was interrupted, and what it had made is removed.
    pub(super) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            message: BackendError::Interrupted.to_string(),
        }
    }

    /// What the disk says of a file.
    pub(super) fn at(path: &Path, error: &io::Error) -> Self {
        Self::harness(format!("{}: {error}", path.display()))
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Failure::usage(error)
    }
}

impl From<RunDirError> for Failure {
    fn from(error: RunDirError) -> Self {
        match error {
            RunDirError::Io { .. }
            | RunDirError::History {
                source: HistoryError::Write(_) | HistoryError::Read { .. },
                ..
            } => Failure::harness(error),
            _ => Failure::usage(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Scenario(error) => error.into(),
            RunError::Refused(why) => Failure::usage(why),
            RunError::Backend(BackendError::Interrupted) => Failure::interrupted(),
            RunError::Backend(error) => Failure::harness(error),
        }
    }
}

/// What is made beside a verdict, or why it is not: a failure or a panic is none of the run's.
pub(super) fn unharmed<T>(make: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(made) => made.map_err(|failure| failure.message),
        Err(_) => Err("squall panicked while it made it, as said above; the verdict stands".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_run_is_no_failure_of_the_harness() {
        let exit = |error: BackendError| Failure::from(RunError::Backend(error)).exit;
        assert_eq!(exit(BackendError::Interrupted), Exit::Interrupted);
        let no_leader = io::Error::other("no leader");
        let failed = BackendError::failed(crate::backends::DEFAULT.info, no_leader);
        assert_eq!(exit(failed), Exit::Harness);
    }

    /// A disk that fills up is no mistake of whoever typed the command; a history that
    /// somebody has damaged is none of the machine's.
    #[test]
    fn what_the_disk_refuses_is_the_machines_fault() {
        let exit = |source: HistoryError| {
            let path = "run/history.jsonl".into();
            Failure::from(RunDirError::History { path, source }).exit
        };
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(exit(HistoryError::Write(full())), Exit::Harness);
        let read = HistoryError::Read {
            line: 7,
            source: full(),
        };
        assert_eq!(exit(read), Exit::Harness);
        assert_eq!(exit(HistoryError::Empty), Exit::Usage);
        assert_eq!(exit(HistoryError::Truncated { line: 7 }), Exit::Usage);
    }

    #[test]
    fn a_page_that_cannot_be_made_is_a_warning_and_no_more() {
        let failed = unharmed(|| Err::<(), _>(Failure::usage("no room")));
        assert_eq!(failed, Err("no room".to_owned()));
        let panicked = unharmed::<()>(|| panic!("the replay broke"));
        let why = panicked.expect_err("it panicked");
        assert!(why.contains("the verdict stands"), "{why}");
        assert_eq!(unharmed(|| Ok(7)), Ok(7));
    }
}
