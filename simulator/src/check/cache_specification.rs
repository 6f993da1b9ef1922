//! One cache key as a sequential object, for the linearizability search.
//!
//! The key holds a value and a version; every write gets a version larger than all before
//! (it is a log index), a delete leaves nothing. After a write of unknown outcome the
//! version is not known until someone reads it, only that it is larger than before. TTL
//! and eviction are left out: no scenario that is judged so uses them.

use std::borrow::Cow;

use super::linearizability::Specification;

pub(super) struct CacheKey;

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
    /// Compare-and-set that was told of a mismatch.
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

impl<'a> KeyState<'a> {
    fn absent(floor: u64) -> Self {
        Self {
            value: None,
            version: Some(0),
            floor,
        }
    }

    /// After a write of `value`, whose version must rise if it is known.
    fn written(&self, value: Cow<'a, str>, version: Option<u64>) -> Option<Self> {
        if version.is_some_and(|version| version <= self.floor) {
            return None;
        }
        Some(Self {
            value: Some(value),
            version,
            floor: version.unwrap_or(self.floor),
        })
    }

    /// The state known to be at `version`, if it can be.
    fn at(&self, version: u64) -> Option<Self> {
        let known = Self {
            version: Some(version),
            floor: version.max(self.floor),
            value: self.value.clone(),
        };
        match self.version {
            Some(own) => (own == version).then_some(known),
            None => (version > self.floor).then_some(known),
        }
    }
}

/// The specification works on borrowed values, so its lifetime is that of the history.
pub(super) struct KeySpecification<'a>(std::marker::PhantomData<&'a str>);
