//! Lists queues, locks and sessions by name, some at a time.
//!
//! A walk goes from name to name, so whatever is there from its beginning to its end comes
//! exactly once, and what comes or goes meanwhile may or may not be seen.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::State;
use super::command::{Listing, Refusal, Reply, Row};
use super::glob::{Effort, Exhausted};
use super::walk::Walk;

impl State {
    pub(super) fn list(
        &self,
        of: Listing,
        walk: Walk<'_, Option<&[u8]>>,
        effort: &mut Effort,
    ) -> Reply {
        // Whatever is not UTF-8, or no number, is behind no name.
        let from = walk.from;
        let name = from.map(|after| std::str::from_utf8(after).unwrap_or_default());
        let listed = match of {
            Listing::Queues => take(self.queues.list(name), walk, effort, |_| true),
            Listing::Locks { held } => take(self.locks.list(name), walk, effort, |row| {
                !held || row.figures[0] > 0
            }),
            Listing::Sessions => {
                let after = name.map(|name| name.parse().unwrap_or(0));
                take(
                    self.sessions.list(self.clock_ms, after),
                    walk,
                    effort,
                    |_| true,
                )
            }
        };
        listed.unwrap_or(Reply::Refused(Refusal::TooMuchWork))
    }
}

/// Looks at as many rows as the walk, and gives those that fit.
fn take<F>(
    rows: impl Iterator<Item = Row>,
    walk: Walk<'_, F>,
    effort: &mut Effort,
    fits: impl Fn(&Row) -> bool,
) -> Result<Reply, Exhausted> {
    let mut all = rows.peekable();
    let (mut rows, mut last) = (Vec::new(), None);
    for _ in 0..walk.count {
        let Some(row) = all.next() else {
            break;
        };
        last = Some(row.name.clone());
        if fits(&row) && walk.wants(&row.name, effort)? {
            rows.push(row);
        }
    }
    Ok(Reply::Listed {
        after: last.filter(|_| all.peek().is_some()),
        rows,
    })
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
