//! Lists queues, locks and sessions by name, some at a time.
//!
//! A walk goes from name to name, so whatever is there from its beginning to its end comes
//! exactly once, and what comes or goes meanwhile may or may not be seen.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::State;
use super::command::{Listing, Reply, Row};
use super::glob;

impl State {
    pub(super) fn list(
        &self,
        of: Listing,
        after: Option<&[u8]>,
        count: u64,
        pattern: Option<&[u8]>,
    ) -> Reply {
        // Whatever is not UTF-8, or no number, is behind no name.
        let name = after.map(|after| std::str::from_utf8(after).unwrap_or_default());
        match of {
            Listing::Queues => take(self.queues.list(name), count, |row| fits(row, pattern)),
            Listing::Locks { held } => take(self.locks.list(name), count, |row| {
                (!held || row.figures[0] > 0) && fits(row, pattern)
            }),
            Listing::Sessions => {
                let after = name.map(|name| name.parse().unwrap_or(0));
                let sessions = self.sessions.list(self.clock_ms, after);
                take(sessions, count, |row| fits(row, pattern))
            }
        }
    }
}

fn fits(row: &Row, pattern: Option<&[u8]>) -> bool {
    pattern.is_none_or(|pattern| glob::matches(pattern, &row.name))
}

/// Looks at `count` rows, and gives those that fit.
fn take(rows: impl Iterator<Item = Row>, count: u64, fits: impl Fn(&Row) -> bool) -> Reply {
    let mut all = rows.peekable();
    let (mut rows, mut last) = (Vec::new(), None);
    for _ in 0..count {
        let Some(row) = all.next() else {
            break;
        };
        last = Some(row.name.clone());
        if fits(&row) {
            rows.push(row);
        }
    }
    Reply::Listed {
        after: last.filter(|_| all.peek().is_some()),
        rows,
    }
}

/// What stands in the map behind `after`, or from its beginning on.
pub(super) fn behind<'a, Q, K, V>(
    map: &'a BTreeMap<K, V>,
    after: Option<&Q>,
) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, Q, K, V>
where
    K: std::borrow::Borrow<Q> + Ord,
    Q: Ord + ?Sized,
{
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range::<Q, _>((from, Bound::Unbounded))
}
