//! C6: the cache never holds more keys than its capacity.
//!
//! In plain words: a bounded cache is bounded.
//!
//! Source: `maxmemory` of Redis, counted in keys. Clients ask for the size (`DBSIZE`); the
//! capacity is part of the question. A look shows something if more keys were written before
//! than fit.
//!
//! Not checked: which key is evicted; that all replicas agree on it is `state_agreement`.

use std::collections::BTreeSet;

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut written = BTreeSet::new();
    for operation in &view.operations {
        if let Some(key) = written_key(operation) {
            written.insert(key);
        }
        let (Action::CacheSize { capacity }, Some(Outcome::Size { entries })) =
            (operation.action, operation.outcome)
        else {
            continue;
        };
        if written.len() as u64 <= *capacity {
            judge.pass_over(|| "never more keys were written than fit".into());
            continue;
        }
        judge.count_checked();
        if entries > capacity {
            judge.violation(
                format!("the cache holds {entries} keys, its capacity is {capacity}"),
                [words::operation(operation)],
            );
        }
    }
}

/// The key that an acknowledged write put into the cache.
fn written_key<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    use Action::*;
    let (Set { key, .. }
    | SetVolatile { key, .. }
    | CompareAndSet { key, .. }
    | Increment { key, .. }) = operation.action
    else {
        return None;
    };
    use Outcome::{Counted, Stored};
    let is_stored = matches!(operation.outcome, Some(Stored { .. } | Counted { .. }));
    is_stored.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Action::CacheSize, Outcome, Outcome::Size};

    /// So many keys are written, and then counted.
    fn looked_at(written: u64, counted: Outcome) -> Run {
        let mut run = Run::new();
        for key in 0..written {
            run.call("cache-1", set(&format!("k{key}"), "a"), stored(5 + key));
        }
        run.call("cache-1", CacheSize { capacity: 10 }, counted);
        run
    }

    #[test]
    fn one_too_many() {
        let mut run = looked_at(11, Size { entries: 11 });
        fails(check, &run.end(), "holds 11 keys, its capacity is 10");
    }

    #[test]
    fn exactly_full() {
        passes(check, &looked_at(11, Size { entries: 10 }).end());
        not_judged(
            check,
            &looked_at(11, unknown()).end(),
            "no looks at a cache",
        );
    }

    #[test]
    fn a_cache_that_was_never_full_shows_nothing() {
        let mut run = looked_at(10, Size { entries: 10 });
        not_judged(check, &run.end(), "never more keys were written than fit");
    }
}
