//! Counts commands by name and result, and errors by code, for `INFO commandstats`, `INFO
//! errorstats` and the metrics.
//!
//! A command counts when its answer is written: `ok`; `failed`, if that is an error; or
//! `rejected`, if it was never begun. What `MULTI` gathers counts when it is queued.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::protocol::Spec;

/// Most codes of errors that are told apart; all that the node writes fit in.
const MOST_CODES: usize = 64;

/// A command by its place in the table; `None`: no such command.
pub(super) type Number = Option<usize>;

/// How often each command came to what, since the process started.
pub(super) struct CommandStats {
    /// By [`Spec::all`].
    counts: Box<[Counts]>,
    errors: RefCell<BTreeMap<Box<str>, u64>>,
}

#[derive(Default)]
struct Counts {
    ok: Cell<u64>,
    failed: Cell<u64>,
    rejected: Cell<u64>,
}

fn add_one(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

impl Default for CommandStats {
    fn default() -> Self {
        Self {
            counts: Spec::all().iter().map(|_| Counts::default()).collect(),
            errors: RefCell::default(),
        }
    }
}

impl CommandStats {
    /// It was not begun, for the reason that its client gets.
    pub(super) fn note_rejected(&self, command: Number, error: &str) {
        self.note_error(error);
        if let Some(at) = command {
            add_one(&self.counts[at].rejected);
        }
    }

    /// It was answered with these bytes.
    pub(super) fn note_answer(&self, command: Number, answer: &[u8]) {
        match answer.strip_prefix(b"-") {
            None => self.note_ok(command),
            Some(error) => self.note_failed(command, &String::from_utf8_lossy(error)),
        }
    }

    /// It was done, whether or not its client wants to know.
    pub(super) fn note_ok(&self, command: Number) {
        if let Some(at) = command {
            add_one(&self.counts[at].ok);
        }
    }

    /// It was begun, and ended in an error.
    pub(super) fn note_failed(&self, command: Number, error: &str) {
        self.note_error(error);
        if let Some(at) = command {
            add_one(&self.counts[at].failed);
        }
    }

    /// An error that belongs to no command, or to one that counts already.
    pub(super) fn note_error(&self, error: &str) {
        let code = error.split([' ', '\r']).next().unwrap_or_default();
        let mut errors = self.errors.borrow_mut();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < MOST_CODES {
            errors.insert(code.into(), 1);
        }
    }

    /// Name, result and count of each that is not 0.
    pub(super) fn by_result(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let counted = Spec::all().iter().zip(&self.counts);
        counted.flat_map(|(spec, counts)| {
            let results = [
                ("ok", counts.ok.get()),
                ("failed", counts.failed.get()),
                ("rejected", counts.rejected.get()),
            ];
            let results = results.into_iter().filter(|(_, count)| *count > 0);
            results.map(|(result, count)| (spec.name, result, count))
        })
    }

    /// Code and count of each error.
    pub(super) fn errors(&self) -> Vec<(Box<str>, u64)> {
        let errors = self.errors.borrow();
        let errors = errors.iter().map(|(code, count)| (code.clone(), *count));
        errors.collect()
    }

    /// Lines of `INFO commandstats`.
    pub(super) fn command_lines(&self) -> Vec<String> {
        let counted = Spec::all().iter().zip(&self.counts);
        let lines = counted.filter_map(|(spec, counts)| {
            let (failed, rejected) = (counts.failed.get(), counts.rejected.get());
            let calls = counts.ok.get() + failed;
            (calls + rejected > 0).then(|| {
                format!(
                    "cmdstat_{}:calls={calls},rejected_calls={rejected},failed_calls={failed}",
                    spec.name
                )
            })
        });
        lines.collect()
    }

    /// Lines of `INFO errorstats`.
    pub(super) fn error_lines(&self) -> Vec<String> {
        let errors = self.errors.borrow();
        let lines = errors
            .iter()
            .map(|(code, count)| format!("errorstat_{code}:count={count}"));
        lines.collect()
    }
}
