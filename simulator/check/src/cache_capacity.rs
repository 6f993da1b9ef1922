//! C6: the cache never holds more keys than its capacity.
//!
//! In plain words: a bounded cache is bounded.
//!
//! Source: `maxmemory` of Redis, counted in keys. Clients ask for the size (`DBSIZE`) while
//! more keys are in use than fit; the capacity is part of the question.
//!
//! Not checked: which key is evicted; that all replicas agree on it is `state_agreement`.

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Action, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for operation in &view.operations {
        let (Action::CacheSize { capacity }, Some(Outcome::Size { entries })) =
            (operation.action, operation.outcome)
        else {
            continue;
        };
        judge.count_checked();
        if entries > capacity {
            judge.violation(
                format!("the cache holds {entries} keys, its capacity is {capacity}"),
                [words::operation(operation)],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Action::CacheSize, Outcome::Size};

    #[test]
    fn one_too_many() {
        let mut run = Run::new();
        run.call("cache-1", CacheSize { capacity: 10 }, Size { entries: 11 });
        fails(check, &run.end(), "holds 11 keys, its capacity is 10");
    }

    #[test]
    fn exactly_full() {
        let mut run = Run::new();
        run.call("cache-1", CacheSize { capacity: 10 }, Size { entries: 10 });
        run.call("cache-1", CacheSize { capacity: 10 }, unknown());
        passes(check, &run.end());
    }
}
