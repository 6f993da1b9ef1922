//! There was enough to judge: every service that was used was acknowledged something, and
//! was asked something while faults were being injected.
//!
//! Source: this harness's own rule that a run with too little load is inconclusive, never
//! a pass; compare TigerBeetle's VOPR, which refuses a run that made no progress. Too
//! little load is `Unknown`, since nothing was broken. Not checked: rates (those are
//! objectives), and services that the history does not mention.

use super::result::Judge;
use super::view::View;
use squall_history::{Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for service in view.services() {
        let name = service.name();
        let of_service = || {
            view.operations
                .iter()
                .filter(move |o| o.action.service() == service && o.action.is_remote())
        };
        let acknowledged = of_service()
            .filter(|o| o.outcome.is_some_and(Outcome::is_acknowledged))
            .inspect(|_| judge.count_checked())
            .count();
        if acknowledged == 0 {
            judge.unknown(format!("no {name} operation was ever acknowledged"));
        } else if !of_service().any(|o| view.in_phase(o, Phase::Chaos)) {
            judge.unknown(format!("no {name} operation was sent in the chaos phase"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;

    #[test]
    fn no_operations_at_all() {
        cannot_tell(check, &Run::new().end(), "no acknowledged operations");
    }

    #[test]
    fn a_service_that_never_answered() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("queue-1", publish("q", "m1"), unknown());
        cannot_tell(
            check,
            &run.end(),
            "no queue operation was ever acknowledged",
        );
    }

    #[test]
    fn load_that_stops_before_the_faults() {
        let mut run = Run::bare();
        run.phase(squall_history::Phase::Warmup);
        run.call("cache-1", set("k", "a"), stored(5));
        run.phase(squall_history::Phase::Chaos);
        cannot_tell(check, &run.end(), "in the chaos phase");
    }

    #[test]
    fn one_failed_operation_is_no_lack_of_load() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), failed("no leader"));
        run.call("cache-1", set("k", "b"), stored(5));
        passes(check, &run.end());
    }
}
