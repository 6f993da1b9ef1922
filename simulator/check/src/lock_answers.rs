//! L8: a wait that is over is answered, also to a client that asks again. While nothing is wrong
//! with the cluster, an acquire is answered as soon as it is granted or its time is up.
//!
//! In plain words: whoever comes back and asks what became of its wait is not left standing.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.3: what a request is
//! answered when it is sent again is how it ended, and for a wait that is known only later.
//! Judged are acquires that were given up [`GRACE_US`] or more after their wait had to be over,
//! without a fault in force, a lost quorum or a leader that took over from [`SETTLED_US`] before they were sent
//! until then. So that a cluster which is merely slow is not accused, somebody else must have
//! asked for a lock after the wait was over, and have been answered meanwhile.
//!
//! Not checked: acquires whose client did not listen, or gave up before.

use super::calm::{in_force, is_calm};
use super::quorum_loss::{QuorumLoss, quorum_losses};
use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Action, Operation, Outcome};

/// Far more than an answer takes, where the longest election timeout does not say that more is
/// usual.
const GRACE_US: u64 = 400_000;
/// Clients have found a new leader by then, or by two of the longest election timeouts.
const SETTLED_US: u64 = 1_000_000;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let in_force = in_force(view);
    let losses = quorum_losses(view);
    let timeout_us = view.lease_us().unwrap_or(0);
    let grace_us = GRACE_US.max(timeout_us);
    let settled_us = SETTLED_US.max(2 * timeout_us);
    for acquire in &view.operations {
        let (Action::Acquire { wait_ms, .. }, Some(outcome), Some(returned_us)) =
            (acquire.action, acquire.outcome, acquire.returned_us)
        else {
            continue;
        };
        if *wait_ms == 0 || outcome.is_unheard() {
            continue;
        }
        if !matches!(outcome, Outcome::Unknown { .. }) {
            judge.count_checked();
            continue;
        }
        let wait_us = wait_ms.saturating_mul(1_000);
        let wait_us = view.longest_us(acquire.invoked_us, returned_us, wait_us);
        let over_us = acquire.invoked_us.saturating_add(wait_us);
        let from_us = acquire.invoked_us.saturating_sub(settled_us);
        let is_lost = |loss: &QuorumLoss| loss.from_us <= returned_us && loss.until_us >= from_us;
        if returned_us < over_us.saturating_add(grace_us)
            || losses.iter().any(is_lost)
            || !is_calm(view, &in_force, (from_us, returned_us))
        {
            continue;
        }
        let others = view.operations.iter().filter(|other| {
            let is_after = other.invoked_us > over_us && other.return_pos < acquire.return_pos;
            is_after && other.client != acquire.client && is_grant_or_refusal(other)
        });
        let Some(other) = others.min_by_key(|other| other.return_pos) else {
            continue;
        };
        judge.count_checked();
        judge.violation(
            "a wait was over, and its client was not answered, while others were".into(),
            [acquire, other].map(words::operation),
        );
    }
}

fn is_grant_or_refusal(operation: &Operation) -> bool {
    let is_acquire = matches!(operation.action, Action::Acquire { .. });
    is_acquire && operation.outcome.is_some_and(Outcome::is_answer)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::FaultStatus;
    use squall_history::Outcome::{self, NotGranted};

    /// One asks and hears nothing, though its wait was over half a second ago.
    fn left_standing(run: &mut Run, outcome: Outcome) {
        run.at(2_000);
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(2_600).call("lock-3", acquire("a", 3), NotGranted);
        run.at(3_000).returns(wait, outcome);
    }

    #[test]
    fn a_wait_that_ended_without_an_answer_fails() {
        let mut run = Run::new();
        left_standing(&mut run, unknown());
        fails(check, &run.end(), "its client was not answered");
    }

    #[test]
    fn a_wait_that_is_answered() {
        let mut run = Run::new();
        left_standing(&mut run, NotGranted);
        passes(check, &run.end());
    }

    /// A leader may have died, and a client that does not listen gets no answer.
    #[test]
    fn no_answer_for_a_reason() {
        let mut run = Run::new();
        run.at(900).fault("kill", "node-1", FaultStatus::Installed);
        left_standing(&mut run, unknown());
        not_judged(check, &run.end(), "no waits");
        let mut run = Run::new();
        run.at(1_500)
            .fault("kill", "node-1", FaultStatus::Installed);
        run.at(1_600).fault("kill", "node-1", FaultStatus::Healed);
        left_standing(&mut run, unknown());
        not_judged(check, &run.end(), "no waits");
        let mut run = Run::new();
        left_standing(&mut run, Outcome::not_awaited());
        not_judged(check, &run.end(), "no waits");
    }

    /// Nobody else was answered either, or the client gave up too soon.
    #[test]
    fn nobody_is_answered_or_it_was_not_over_for_long() {
        let mut run = Run::new();
        run.at(2_000);
        let wait = run.invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(3_000).returns(wait, unknown());
        let wait = run.at(4_000).invoke("lock-2", acquire_waiting("a", 2, 500));
        run.at(4_600).call("lock-3", acquire("a", 3), NotGranted);
        run.at(4_700).returns(wait, unknown());
        not_judged(check, &run.end(), "no waits");
    }
}
