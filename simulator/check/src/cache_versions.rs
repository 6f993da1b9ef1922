//! Linearizability of one cache key in nearly linear time, by its versions.
//!
//! Every write gets a version larger than all before it, and every read names the version
//! it saw, so the order of the writes is given and only has to be compared with real time.
//!
//! Source: Gibbons & Korach, "Testing shared memories" (1997): with the order of writes
//! given, a register is checked in O(n log n). The rules, with v the version of a call:
//!
//! 1. If a returned before b was invoked, then v(a) <= v(b), and v(a) < v(b) if b is a
//!    write. (Sufficient too: sort by version, a write before its reads.)
//! 2. A read of version v carries the value that was written at v.
//! 3. A successful compare-and-set follows directly on the version that it expected; a
//!    refused one has a place at some other version.
//!
//! A write of unknown outcome has the version under which it was read; one that was never
//! read may as well never have happened. Where that is not so (rule 3 cannot be met
//! without it), and for keys with deletes and increments, the answer is
//! [`Answer::NotApplicable`] and the general search decides.

use std::collections::BTreeMap;

use super::log_order::Answer;
use super::view::{RunningMax, end, may_have_effect};
use squall_history::{Action, Operation, Outcome};

/// Judges one key by its operations (positions in the list).
pub(super) fn judge(operations: &[Operation], key_operations: &[usize]) -> Answer {
    match Key::new(operations, key_operations).and_then(|key| key.judge()) {
        Ok(()) => Answer::Linearizable,
        Err(answer) => answer,
    }
}

/// A read or an effective write, with its version.
#[derive(Clone, Copy)]
struct Access {
    index: usize,
    version: u64,
    is_write: bool,
}

struct Key<'v, 'a> {
    operations: &'v [Operation<'a>],
    accesses: Vec<Access>,
    /// Version to the operation that wrote it.
    writes: BTreeMap<u64, usize>,
    /// Refused compare-and-sets with the version they expected.
    mismatches: Vec<(usize, u64)>,
    /// The first write of unknown outcome that nobody read.
    unseen: Option<usize>,
}

impl<'v, 'a> Key<'v, 'a> {
    /// Sorts the operations and matches reads with writes (rule 2).
    fn new(operations: &'v [Operation<'a>], key_operations: &[usize]) -> Result<Self, Answer> {
        let mut key = Self {
            operations,
            accesses: Vec::with_capacity(key_operations.len()),
            writes: BTreeMap::new(),
            mismatches: Vec::new(),
            unseen: None,
        };
        let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
        for &index in key_operations {
            key.sort(index, &mut unknown)?;
        }
        for position in 0..key.accesses.len() {
            let access = key.accesses[position];
            if !access.is_write {
                key.match_read(access, &mut unknown)?;
            }
        }
        key.unseen = unknown.into_values().min();
        Ok(key)
    }

    fn operation(&self, index: usize) -> &'v Operation<'a> {
        &self.operations[index]
    }

    fn sort(&mut self, index: usize, unknown: &mut BTreeMap<&'a str, usize>) -> Result<(), Answer> {
        let operation = self.operation(index);
        match (operation.action, operation.outcome) {
            (Action::Delete { .. } | Action::Increment { .. }, _) if may_have_effect(operation) => {
                return Err(Answer::NotApplicable);
            }
            (Action::CompareAndSet { version, .. }, Some(Outcome::Mismatch)) => {
                self.mismatches.push((index, *version));
            }
            (_, Some(Outcome::Stored { version })) => self.write(*version, index)?,
            (_, Some(Outcome::Value { value, version })) => self.accesses.push(Access {
                index,
                version: value.as_ref().map_or(0, |_| *version),
                is_write: false,
            }),
            (Action::Set { value, .. } | Action::CompareAndSet { value, .. }, _)
                if may_have_effect(operation) =>
            {
                unknown.insert(value, index);
            }
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, version: u64, index: usize) -> Result<(), Answer> {
        if let Some(other) = self.writes.insert(version, index) {
            let what = format!("version {version} was given to two writes");
            return Err(Answer::Violation(what, vec![other, index]));
        }
        self.accesses.push(Access {
            index,
            version,
            is_write: true,
        });
        Ok(())
    }

    fn match_read(
        &mut self,
        read: Access,
        unknown: &mut BTreeMap<&'a str, usize>,
    ) -> Result<(), Answer> {
        let Some(Outcome::Value {
            value: Some(value), ..
        }) = self.operation(read.index).outcome
        else {
            return Ok(());
        };
        match self.writes.get(&read.version) {
            Some(&write) if written(self.operation(write)) == Some(value) => Ok(()),
            Some(&write) => {
                let what = format!("version {} was written with another value", read.version);
                Err(Answer::Violation(what, vec![write, read.index]))
            }
            None => match unknown.remove(value.as_str()) {
                Some(write) => self.write(read.version, write),
                None => {
                    let what = format!(
                        "value {value} was never written at version {}",
                        read.version
                    );
                    Err(Answer::Violation(what, vec![read.index]))
                }
            },
        }
    }

    fn judge(mut self) -> Result<(), Answer> {
        self.accesses.sort_unstable_by_key(|access| {
            end(self
                .operations
                .get(access.index)
                .expect("accesses are operations"))
        });
        self.compare_with_real_time()?;
        self.place_mismatches()?;
        self.compare_swaps()
    }

    /// Rule 1.
    fn compare_with_real_time(&self) -> Result<(), Answer> {
        let known = self
            .accesses
            .iter()
            .map(|a| (end(self.operation(a.index)), a.version, a.index));
        let largest = RunningMax::new(known.collect());
        for access in &self.accesses {
            let invoked = self.operation(access.index).invoke_pos;
            let Some((before, earlier)) = largest.before(invoked) else {
                continue;
            };
            let what = match access.is_write {
                true if before >= access.version => "was written",
                false if before > access.version => "was read",
                _ => continue,
            };
            let what = match access.version {
                0 => format!("the key was absent after version {before} had been seen"),
                version => format!("version {version} {what} after version {before} had been seen"),
            };
            return Err(Answer::Violation(what, vec![earlier, access.index]));
        }
        Ok(())
    }

    /// Rule 3, refused: gives each the smallest version it may have met, in order of
    /// return, so that later ones see the choices of earlier ones.
    fn place_mismatches(&mut self) -> Result<(), Answer> {
        if self.mismatches.is_empty() {
            return Ok(());
        }
        let ceilings = self.ceilings();
        self.mismatches
            .sort_by_key(|&(index, _)| end(&self.operations[index]));
        let mut largest = RunningMax::default();
        let mut known = self.accesses.iter().peekable();
        for &(index, expected) in &self.mismatches {
            let operation = self.operation(index);
            let returned = end(operation);
            while let Some(access) = known.next_if(|a| end(self.operation(a.index)) < returned) {
                largest.push(
                    end(self.operation(access.index)),
                    access.version,
                    access.index,
                );
            }
            let floor = largest
                .before(operation.invoke_pos)
                .map_or(0, |(version, _)| version);
            let after = ceilings.partition_point(|&(invoked, ..)| invoked < returned);
            let ceiling = ceilings
                .get(after)
                .map_or(u64::MAX, |&(_, version)| version);
            let versions = [floor]
                .into_iter()
                .chain(self.writes.range(floor + 1..).map(|w| *w.0));
            let met = versions
                .take_while(|&v| v <= ceiling)
                .find(|&v| v != expected);
            match met {
                Some(version) => largest.push(returned, version, index),
                None if self.unseen.is_some() => return Err(Answer::NotApplicable),
                None => {
                    let what =
                        format!("version {expected} was there all the time, yet did not match");
                    let write = self.writes.get(&expected).copied();
                    return Err(Answer::Violation(
                        what,
                        write.into_iter().chain([index]).collect(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// By position of invocation: the largest version that a call may have met which
    /// returned before all calls from there on.
    fn ceilings(&self) -> Vec<(usize, u64)> {
        let mut ceilings: Vec<(usize, u64)> = self
            .accesses
            .iter()
            .map(|a| {
                let below = a.version - u64::from(a.is_write);
                (self.operation(a.index).invoke_pos, below)
            })
            .collect();
        ceilings.sort_unstable();
        let mut smallest = u64::MAX;
        for (_, ceiling) in ceilings.iter_mut().rev() {
            smallest = smallest.min(*ceiling);
            *ceiling = smallest;
        }
        ceilings
    }

    /// Rule 3, successful.
    fn compare_swaps(&self) -> Result<(), Answer> {
        let mut before = (0, None);
        for (&version, &index) in &self.writes {
            if let Action::CompareAndSet {
                version: expected, ..
            } = self.operation(index).action
                && *expected != before.0
            {
                if *expected > before.0 && self.unseen.is_some() {
                    return Err(Answer::NotApplicable);
                }
                let what = format!(
                    "compare-and-set expected version {expected}, but succeeded on version {}",
                    before.0
                );
                return Err(Answer::Violation(
                    what,
                    before.1.into_iter().chain([index]).collect(),
                ));
            }
            before = (version, Some(index));
        }
        Ok(())
    }
}

fn written<'a>(operation: &Operation<'a>) -> Option<&'a String> {
    match operation.action {
        Action::Set { value, .. } | Action::CompareAndSet { value, .. } => Some(value),
        _ => None,
    }
}
