//! One cache key as a sequential object, for the linearizability search.
//!
//! The key holds a value and a version; every write gets a version larger than all before
//! (it is a log index), a delete leaves nothing. After a write of unknown outcome the
//! version is not known until someone reads it, only that it is larger than before. TTL
//! and eviction are left out: no scenario that is judged so uses them.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::linearizability::Specification;

pub(super) struct CacheKey<'a> {
    /// Versions that were given out for certain, rising. An order in which a write jumps
    /// over one of them is hopeless, and saying so at once keeps the search short.
    versions: Vec<u64>,
    values: PhantomData<&'a str>,
}

/// A call with its answer; `None` where the outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyCall<'a> {
    Read {
        value: Option<&'a str>,
        version: u64,
    },
    Write {
        value: &'a str,
        version: Option<u64>,
    },
    /// Compare-and-set that succeeded, or may have.
    Swap {
        expected: u64,
        value: &'a str,
        version: Option<u64>,
    },
    /// Compare-and-set that was answered with a mismatch.
    Mismatch {
        expected: u64,
    },
    Delete,
    Add {
        by: i64,
        /// The sum and its version.
        answer: Option<(i64, u64)>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyState<'a> {
    value: Option<Cow<'a, str>>,
    /// Of the value; `None` while unknown, 0 when absent.
    version: Option<u64>,
    /// No version given out so far is larger.
    floor: u64,
}

impl<'a> CacheKey<'a> {
    pub(super) fn new<'c>(calls: impl Iterator<Item = &'c KeyCall<'a>>) -> Self
    where
        'a: 'c,
    {
        let mut versions: Vec<u64> = calls.filter_map(KeyCall::version_given).collect();
        versions.sort_unstable();
        Self {
            versions,
            values: PhantomData,
        }
    }

    /// The smallest version known to be given out after `floor`.
    fn next_version(&self, floor: u64) -> Option<u64> {
        let count = self.versions.partition_point(|&version| version <= floor);
        self.versions.get(count).copied()
    }

    /// After a write of `value`; a known version must be the next one.
    fn written(
        &self,
        state: &KeyState<'a>,
        value: Cow<'a, str>,
        version: Option<u64>,
    ) -> Option<KeyState<'a>> {
        if version.is_some() && version != self.next_version(state.floor) {
            return None;
        }
        Some(KeyState {
            value: Some(value),
            version,
            floor: version.unwrap_or(state.floor),
        })
    }

    /// `state` with its version known to be `version`, if it can be.
    fn at(&self, state: &KeyState<'a>, version: u64) -> Option<KeyState<'a>> {
        let possible = match state.version {
            Some(own) => own == version,
            None => {
                let next = self.next_version(state.floor);
                version > state.floor && next.is_none_or(|next| version < next)
            }
        };
        possible.then(|| KeyState {
            value: state.value.clone(),
            version: Some(version),
            floor: state.floor.max(version),
        })
    }

    fn add(
        &self,
        state: &KeyState<'a>,
        by: i64,
        answer: Option<(i64, u64)>,
    ) -> Option<KeyState<'a>> {
        let now: i64 = state.value.as_deref().unwrap_or("0").parse().ok()?;
        let sum = now.checked_add(by)?;
        if answer.is_some_and(|(stored, _)| stored != sum) {
            return None;
        }
        let version = answer.map(|(_, version)| version);
        self.written(state, Cow::Owned(sum.to_string()), version)
    }
}

impl<'a> Specification for CacheKey<'a> {
    type Operation = KeyCall<'a>;
    type State = KeyState<'a>;

    fn initial(&self) -> KeyState<'a> {
        KeyState {
            value: None,
            version: Some(0),
            floor: 0,
        }
    }

    fn apply(&self, state: &KeyState<'a>, call: &KeyCall<'a>) -> Option<KeyState<'a>> {
        match *call {
            KeyCall::Read { value, version } => {
                let state = self.at(state, if value.is_some() { version } else { 0 })?;
                (state.value.as_deref() == value).then_some(state)
            }
            KeyCall::Write { value, version } => self.written(state, value.into(), version),
            KeyCall::Swap {
                expected,
                value,
                version,
            } => self.written(&self.at(state, expected)?, value.into(), version),
            KeyCall::Mismatch { expected } => {
                // An unknown version above the floor may well be another one.
                let surely_equal = state.version == Some(expected);
                (!surely_equal).then(|| state.clone())
            }
            KeyCall::Delete => Some(KeyState {
                value: None,
                version: Some(0),
                floor: state.floor,
            }),
            KeyCall::Add { by, answer } => self.add(state, by, answer),
        }
    }

    fn is_read(&self, call: &KeyCall<'a>) -> bool {
        matches!(call, KeyCall::Read { .. } | KeyCall::Mismatch { .. })
    }

    fn state_bytes(&self, state: &KeyState<'a>) -> usize {
        match &state.value {
            Some(Cow::Owned(sum)) => sum.len(),
            Some(Cow::Borrowed(_)) | None => 0,
        }
    }
}

impl KeyCall<'_> {
    /// The version that this call, for certain, gave to its write.
    fn version_given(&self) -> Option<u64> {
        match self {
            KeyCall::Write { version, .. } | KeyCall::Swap { version, .. } => *version,
            KeyCall::Add { answer, .. } => answer.map(|(_, version)| version),
            KeyCall::Read { .. } | KeyCall::Mismatch { .. } | KeyCall::Delete => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state after `calls`, or the position of the first that does not fit.
    fn run<'a>(calls: &[KeyCall<'a>]) -> Result<KeyState<'a>, usize> {
        let key = CacheKey::new(calls.iter());
        let mut state = key.initial();
        for (position, call) in calls.iter().enumerate() {
            state = key.apply(&state, call).ok_or(position)?;
        }
        Ok(state)
    }

    fn write(value: &str, version: u64) -> KeyCall<'_> {
        let version = Some(version).filter(|&version| version > 0);
        KeyCall::Write { value, version }
    }

    fn read(value: &str, version: u64) -> KeyCall<'_> {
        let value = Some(value).filter(|value| !value.is_empty());
        KeyCall::Read { value, version }
    }

    #[test]
    fn versions_rise_even_over_a_delete() {
        assert!(run(&[write("a", 5), KeyCall::Delete, read("", 0), write("b", 6)]).is_ok());
        assert_eq!(
            run(&[write("a", 5), KeyCall::Delete, write("b", 4)]),
            Err(0)
        );
    }

    #[test]
    fn a_read_pins_the_version_of_an_unknown_write() {
        assert!(run(&[write("a", 5), write("b", 0), read("b", 7), read("b", 7)]).is_ok());
        assert_eq!(
            run(&[write("a", 5), write("b", 0), read("b", 7), read("b", 8)]),
            Err(3)
        );
        assert_eq!(run(&[write("a", 5), write("b", 0), read("b", 4)]), Err(2));
        assert_eq!(
            run(&[write("a", 5), write("b", 0), read("b", 9), write("c", 8)]),
            Err(2)
        );
    }

    #[test]
    fn compare_and_set_compares() {
        let swap = |expected| KeyCall::Swap {
            expected,
            value: "b",
            version: Some(9),
        };
        assert!(run(&[write("a", 5), swap(5)]).is_ok());
        assert_eq!(run(&[write("a", 5), swap(4)]), Err(1));
        assert_eq!(
            run(&[write("a", 5), KeyCall::Mismatch { expected: 5 }]),
            Err(1)
        );
    }

    #[test]
    fn counters_add_up() {
        let add = |by, sum, version| KeyCall::Add {
            by,
            answer: Some((sum, version)),
        };
        assert!(run(&[add(2, 2, 1), add(-3, -1, 2), read("-1", 2)]).is_ok());
        assert_eq!(run(&[add(2, 2, 1), add(2, 3, 2)]), Err(1));
    }
}
