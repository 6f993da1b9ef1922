//! C13: no lost wake-up. Who waits for a list is given a value within a moment of one being there.
//!
//! In plain words: no worker sits idle before a list that has work.
//!
//! Source: Birrell, "An introduction to programming with threads" (1989). A value is there for
//! certain from the acknowledgement of its push or move until the operation is sent that took it,
//! or the audit read it. Nobody may have waited all of [`LIMIT_US`] within that time. Whoever is
//! given a value for which he waited must have it as soon. Both count only while nothing is wrong
//! with the cluster: from [`SETTLED_US`] after the last fault, lost quorum or change of leader on.
//! So that a cluster which is merely slow is not accused, somebody else must have written
//! meanwhile, and have been answered. And a wait counts only if no machine lost its power after it
//! was sent: a client that waits in silence on such a machine hears of nothing, and waits on. Which
//! machine he waited at is not known, so any machine's loss excuses him; the result says how many
//! were excused.
//!
//! Not checked: in which order those who wait are served; values of which no later answer tells what
//! became of them; and those that moves of unknown outcome may have taken away for a while.

use std::collections::BTreeMap;

use super::calm::{in_force, is_calm};
use super::lists::Value;
use super::quorum_loss::{QuorumLoss, quorum_losses};
use super::result::Judge;
use super::view::{View, certain, may_have_effect};
use super::words::{self, seconds};
use squall_fault::FaultKind;
use squall_history::lists::{latest_us, taking};
use squall_history::{
    Action, EventKind, FaultEvent, FaultStatus, Operation, OperationClass, Outcome, Phase,
};

/// Far more than a round trip takes, and a lost packet or three, where the longest election
/// timeout does not say that more is usual.
const LIMIT_US: u64 = 2_000_000;
/// Clients have found a new leader by then, or by two of the longest election timeouts.
const SETTLED_US: u64 = 1_000_000;

/// A value that is in a list for certain.
struct There {
    value: usize,
    from_us: u64,
    until_us: u64,
    /// The operation that put it there.
    put: usize,
    /// The waiting operation that it was given to; only its own wait is counted then.
    given: Option<usize>,
}

pub(super) fn check(view: &View, judge: &mut Judge) {
    let in_force = in_force(view);
    let losses = quorum_losses(view);
    let timeout_us = view.lease_us().unwrap_or(0);
    let limit_us = LIMIT_US.max(2 * timeout_us);
    let settled_us = SETTLED_US.max(2 * timeout_us);
    let there = there(view);
    let asked_again = asked_again(view);
    let dark = power_losses(view);
    for (index, wait) in view.operations.iter().enumerate() {
        let (Some(taking), Some(returned_us)) = (taking(wait.action), wait.returned_us) else {
            continue;
        };
        if taking.wait_ms == 0 || !may_have_effect(wait) {
            continue;
        }
        let again_us = asked_again.get(&wait.op).copied().unwrap_or(0);
        let since_us = wait.invoked_us.max(again_us);
        if wait.outcome.is_some_and(Outcome::is_acknowledged)
            && is_calm(view, &in_force, (returned_us, returned_us))
        {
            judge.count_checked();
        }
        let is_for = |there: &&There| there.given.is_none_or(|given| given == index);
        let there = there.get(taking.list).into_iter().flatten();
        let mut is_excused = false;
        for there in there.filter(is_for) {
            let until_us = there.until_us.min(returned_us);
            let calm_us = view.calm_since_us(until_us).saturating_add(settled_us);
            let from_us = there.from_us.max(since_us).max(calm_us);
            let span = (from_us, until_us);
            let is_unheard = |at_us: &u64| (since_us..until_us).contains(at_us);
            let is_lost = |loss: &QuorumLoss| loss.from_us <= until_us && loss.until_us >= from_us;
            if until_us.saturating_sub(from_us) <= limit_us
                || losses.iter().any(is_lost)
                || !is_calm(view, &in_force, span)
            {
                continue;
            }
            let Some(other) = served(view, wait, span) else {
                continue;
            };
            if dark.iter().any(is_unheard) {
                is_excused = true;
                continue;
            }
            let (value, _) = view
                .lists
                .values
                .get_index(there.value)
                .expect("it has one");
            let put = &view.operations[there.put];
            let taken = there.given.map(|_| "was given it only then");
            judge.violation(
                format!(
                    "a client waited for {} from {} to {}, while value {value} was there; it {}",
                    taking.list,
                    seconds(from_us),
                    seconds(until_us),
                    taken.unwrap_or("was given none"),
                ),
                [put, wait, other].map(words::operation),
            );
            is_excused = false;
            break;
        }
        if is_excused {
            judge.excuse("excused: a machine had lost its power meanwhile");
        }
    }
}

/// A write of somebody else that was sent and answered in this time.
fn served<'v, 'a>(
    view: &'v View<'a>,
    wait: &Operation,
    (from_us, until_us): (u64, u64),
) -> Option<&'v Operation<'a>> {
    view.operations.iter().find(|other| {
        let is_within = other.invoked_us >= from_us && other.returned_us < Some(until_us);
        let is_write = other.action.info().class == OperationClass::Write;
        let is_served = other.outcome.is_some_and(Outcome::is_acknowledged);
        is_within && is_write && is_served && other.client != wait.client
    })
}

/// When machines lost their power. Connections to one are half open then: nothing tells their
/// clients, who have nothing to send that would be refused.
fn power_losses(view: &View) -> Vec<u64> {
    let is_dark = |fault: &FaultEvent| {
        fault.status == FaultStatus::Installed
            && matches!(fault.kind, FaultKind::PowerLoss | FaultKind::TornTail)
    };
    let faults = view.faults().filter(|(_, _, fault)| is_dark(fault));
    faults.map(|(_, at_us, _)| at_us).collect()
}

/// When each operation that was sent again was sent last.
fn asked_again(view: &View) -> BTreeMap<u64, u64> {
    let events = view.history.events.iter();
    let again = events.filter_map(|event| match event.kind {
        EventKind::Retry { op, .. } => Some((op, event.at_us)),
        _ => None,
    });
    again.collect()
}

/// By list, when which value was there.
fn there<'a>(view: &View<'a>) -> BTreeMap<&'a str, Vec<There>> {
    let mut all: BTreeMap<&str, Vec<There>> = BTreeMap::new();
    let unheard = unheard_moves(view);
    for (number, value) in view.lists.values.values().enumerate() {
        for (list, there) in stays(view, number, value) {
            if may_be_away(&unheard, list, &there) {
                continue;
            }
            all.entry(list).or_default().push(there);
        }
    }
    all
}

/// Moves of unknown outcome that may have taken a value from one list to another.
fn unheard_moves<'v, 'a>(view: &'v View<'a>) -> Vec<(&'v Operation<'a>, &'a str, &'a str)> {
    let operations = view.operations.iter();
    let unheard = operations.filter(|o| !certain(o) && may_have_effect(o));
    let moves = unheard.filter_map(|o| {
        let taking = taking(o.action)?;
        let (to, _) = taking.to?;
        (taking.list != to).then_some((o, taking.list, to))
    });
    moves.collect()
}

/// Whether a value may have been taken away meanwhile and brought back, and nobody heard of it.
fn may_be_away(unheard: &[(&Operation, &str, &str)], list: &str, there: &There) -> bool {
    let away = unheard.iter().any(|(o, from, _)| {
        *from == list && o.invoked_us < there.until_us && latest_us(o) >= there.from_us
    });
    let back = unheard
        .iter()
        .any(|(o, _, to)| *to == list && latest_us(o) >= there.from_us);
    away && back
}

/// The lists that a value was in, one after the other, as far as answers tell.
fn stays<'a>(view: &View<'a>, number: usize, value: &Value<'a>) -> Vec<(&'a str, There)> {
    let operations = &view.operations;
    let mut stays = Vec::new();
    let Some(push) = value.push else {
        return stays;
    };
    let Action::ListPush { list, .. } = operations[push].action else {
        unreachable!("only a push pushes")
    };
    let mut list: &str = list;
    let mut put = push;
    let mut next: Vec<usize> = value.moves.iter().chain(&value.takes).copied().collect();
    next.sort_by_key(|&index| operations[index].return_pos);
    let audited = value
        .seen
        .iter()
        .rev()
        .find(|(index, _)| view.in_phase(&operations[*index], Phase::Audit));
    for taker in next.into_iter().map(Some).chain([None]) {
        let from = &operations[put];
        let from_us = match (from.outcome, from.returned_us) {
            (Some(outcome), Some(at_us)) if outcome.is_acknowledged() => at_us,
            _ => return stays,
        };
        let stay = |until_us, given| There {
            value: number,
            from_us,
            until_us,
            put,
            given,
        };
        let Some(taker) = taker else {
            if let Some((read, _)) = audited.filter(|(_, other)| *other == list) {
                stays.push((list, stay(operations[*read].invoked_us, None)));
            }
            break;
        };
        let take = &operations[taker];
        if take.action.key() != Some(list) {
            return stays;
        }
        if take.invoked_us > from_us {
            stays.push((list, stay(take.invoked_us, None)));
        } else if let (true, Some(at_us)) = (take.action.wait_ms() > 0, take.returned_us) {
            stays.push((list, stay(at_us, Some(taker))));
        }
        if let Some((to, _)) = taking(take.action).and_then(|taking| taking.to) {
            list = to;
        }
        put = taker;
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{EventKind, FaultStatus, Outcome};

    /// One waits from 2 s on, a value comes at 2.5 s, another client writes, and at `ms` the
    /// first is answered.
    fn waited(run: &mut Run, ms: u64, answer: Outcome) {
        run.at(2_000);
        let wait = run.invoke("cache-worker-1", list_wait("l", 9_000));
        run.at(2_500)
            .call("cache-1", list_push("l", "a"), length(1));
        run.at(2_600).call("cache-2", set("k", "v"), stored(9));
        run.at(ms).returns(wait, answer);
    }

    #[test]
    fn a_worker_that_is_not_woken() {
        let mut run = Run::new();
        waited(&mut run, 6_000, popped("a"));
        fails(check, &run.end(), "was given it only then");
        let mut run = Run::new();
        waited(&mut run, 6_000, none_popped());
        run.call("cache-2", list_pop("l"), popped("a"));
        fails(check, &run.end(), "was given none");
        let mut run = Run::new();
        waited(&mut run, 6_000, unknown());
        run.audit().call("audit", list_range("l"), elements(&["a"]));
        fails(check, &run.end(), "was given none");
    }

    #[test]
    fn a_worker_that_is_woken() {
        let mut run = Run::new();
        waited(&mut run, 2_700, popped("a"));
        passes(check, &run.end());
    }

    /// The value may be gone by then, or be in another list; and who had hung up did not wait.
    #[test]
    fn nothing_was_there_or_nobody_waited() {
        let mut run = Run::new();
        run.at(2_000);
        let wait = run.invoke("cache-worker-1", list_wait("l", 9_000));
        run.at(2_500)
            .call("cache-1", list_push("l", "a"), length(1));
        run.call("cache-2", list_move("l", "m"), popped("a"));
        run.at(2_600).call("cache-2", set("k", "v"), stored(9));
        run.at(6_000).returns(wait, none_popped());
        run.call("cache-2", list_pop("m"), popped("a"));
        passes(check, &run.end());
        let mut run = Run::new();
        run.at(2_000);
        let wait = run.invoke("cache-worker-1", list_wait("l", 9_000));
        run.at(2_500)
            .call("cache-1", list_push("l", "a"), length(1));
        run.at(5_800).call("cache-2", set("k", "v"), stored(9));
        run.push(EventKind::retry(wait, unknown()));
        run.at(6_000).returns(wait, popped("a"));
        passes(check, &run.end());
    }

    /// It may have been in another list all the time that somebody waited.
    #[test]
    fn a_value_that_moves_without_an_answer_may_have_taken_away_and_back() {
        let moved = |moves: &[(u64, &str, &str)]| {
            let mut run = Run::new();
            run.at(1_000)
                .call("cache-1", list_push("l", "a"), length(1));
            let mut moves = moves.to_vec();
            moves.sort_unstable();
            let early = moves.iter().filter(|(ms, ..)| *ms < 2_000);
            for (ms, from, to) in early {
                run.at(*ms).call("cache-3", list_move(from, to), unknown());
            }
            run.at(2_000);
            let wait = run.invoke("cache-worker-1", list_wait("l", 4_000));
            run.at(2_600).call("cache-2", set("k", "v"), stored(9));
            run.at(6_000).returns(wait, none_popped());
            for (ms, from, to) in moves.iter().filter(|(ms, ..)| *ms > 2_000) {
                run.at(*ms).call("cache-3", list_move(from, to), unknown());
            }
            run.at(60_000).audit();
            run.call("audit", list_range("l"), elements(&["a"]));
            run.call("audit", list_range("m"), elements(&[]));
            run.end()
        };
        passes(check, &moved(&[(1_500, "l", "m"), (7_000, "m", "l")]));
        // None brings it back, or none takes it away in time.
        for moves in [
            &[(1_500, "l", "m")][..],
            &[(7_000, "m", "l")],
            &[(1_500, "m", "l")],
            &[(1_500, "l", "l")],
        ] {
            fails(check, &moved(moves), "was given none");
        }
    }

    /// A leader may have died meanwhile, or nobody else was served either.
    #[test]
    fn a_reason_to_wait() {
        let mut run = Run::new();
        run.at(1_500)
            .fault("kill", "node-1", FaultStatus::Installed);
        waited(&mut run, 6_000, popped("a"));
        not_judged(check, &run.end(), "no waits");
        let mut run = Run::new();
        run.at(2_000);
        let wait = run.invoke("cache-worker-1", list_wait("l", 9_000));
        run.at(2_500)
            .call("cache-1", list_push("l", "a"), length(1));
        run.at(6_000).returns(wait, popped("a"));
        passes(check, &run.end());
    }

    /// The machine that a client waits at may have lost its power, of which nobody tells him: that
    /// is over for the others long before he gives up (`chaos-points`, seed 168).
    #[test]
    fn a_worker_at_a_machine_without_power() {
        let lost = |kind: &str, is_asked_again: bool| {
            let mut run = Run::new();
            run.at(2_000);
            let wait = run.invoke("cache-worker-1", list_wait("l", 20_000));
            run.at(2_100).fault(kind, "node-1", FaultStatus::Installed);
            run.at(2_300).fault(kind, "node-1", FaultStatus::Healed);
            if is_asked_again {
                run.at(4_000).push(EventKind::retry(wait, unknown()));
            }
            run.at(6_000)
                .call("cache-1", list_push("l", "a"), length(1));
            run.at(6_100).call("cache-2", set("k", "v"), stored(9));
            run.at(14_000).returns(wait, unknown());
            run.audit().call("audit", list_range("l"), elements(&["a"]));
            run.end()
        };
        let excused = "no waits for lists; 1 excused: a machine had lost its power meanwhile";
        not_judged(check, &lost("power_loss", false), excused);
        fails(check, &lost("power_loss", true), "was given none");
        // Who is killed says good-bye by its kernel.
        fails(check, &lost("kill", false), "was given none");
    }
}
