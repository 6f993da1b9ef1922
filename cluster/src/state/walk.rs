//! A step of a walk over keys or names: from where on, how many are looked at, and which are
//! wanted; and how much a read looks at.

use super::State;
use super::command::Query;
use super::glob::{Effort, Exhausted, matches_within};

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a, F> {
    /// A cursor, or the name before.
    pub(super) from: F,
    /// How many are looked at.
    pub(super) count: u64,
    pattern: Option<&'a [u8]>,
}

impl<'a, F> Walk<'a, F> {
    pub(super) fn of(from: F, count: u64, pattern: Option<&'a [u8]>) -> Self {
        Self {
            from,
            count,
            pattern,
        }
    }

    pub(super) fn wants(&self, name: &[u8], effort: &mut Effort) -> Result<bool, Exhausted> {
        match self.pattern {
            None => Ok(true),
            Some(pattern) => matches_within(pattern, name, effort),
        }
    }
}

impl State {
    /// How many keys, values, names or holders a read may have to look at.
    pub fn looked_at_to_read(&self, query: &Query) -> usize {
        match query {
            Query::Get { keys } => keys.len(),
            Query::Keys { .. } => usize::try_from(self.cache.stats().entries).unwrap_or(usize::MAX),
            Query::Scan { count, .. } | Query::ScanOf { count, .. } | Query::List { count, .. } => {
                usize::try_from(*count).unwrap_or(usize::MAX)
            }
            Query::Lock { name } => self.locks.claims_on(name),
            query => self.cache.looked_at_to_read(query),
        }
    }
}
