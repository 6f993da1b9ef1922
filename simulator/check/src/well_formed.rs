//! The history itself is sound: operations are numbered upwards and answered at most
//! once, each client has one operation outstanding, answers fit the questions, the clock
//! does not go back, phases come in order, and nothing follows the end.
//!
//! Source: the well-formedness of histories in Herlihy & Wing, "Linearizability" (1990);
//! the rest is this harness's own contract (`history`). A break is the harness's
//! failure, never the cluster's, so it is `Unknown`, and the gate in `check_all` then
//! judges nothing. Not checked: whether the values make sense.

use indexmap::IndexMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::{Action, Event, EventKind, Outcome, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut reader = Reader::default();
    for event in &view.history.events {
        judge.count_checked();
        if let Err(why) = reader.read(event) {
            judge.unknown(format!(
                "the history is malformed at {}: {why}",
                seconds(event.at_us)
            ));
        }
    }
}

#[derive(Default)]
struct Reader<'a> {
    at_us: u64,
    last_op: Option<u64>,
    phase: Option<Phase>,
    /// By client; a linear scan of outstanding operations would be slow with a thousand.
    busy: IndexMap<&'a str, u64>,
    outstanding: IndexMap<u64, (&'a str, &'a Action)>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, event: &'a Event) -> Result<(), String> {
        if event.at_us < self.at_us {
            return Err("the clock goes back".into());
        }
        self.at_us = event.at_us;
        if self.phase == Some(Phase::End) {
            return Err("an event follows the end".into());
        }
        match &event.kind {
            EventKind::Phase { phase } => self.enter(*phase),
            EventKind::Invoke {
                op, client, action, ..
            } => self.invoke(*op, client, action),
            EventKind::Return { op, outcome } => self.answer(*op, outcome),
            EventKind::Retry { op, .. } => match self.outstanding.contains_key(op) {
                true => Ok(()),
                false => Err(format!("operation {op} is repeated but not outstanding")),
            },
            EventKind::Fault(_)
            | EventKind::Node { .. }
            | EventKind::Stream { .. }
            | EventKind::Load { .. }
            | EventKind::Harness { .. }
            | EventKind::Setup { .. }
            | EventKind::Majority { .. }
            | EventKind::Points { .. }
            | EventKind::Note { .. } => Ok(()),
        }
    }

    fn enter(&mut self, phase: Phase) -> Result<(), String> {
        let before = self.phase.replace(phase);
        if before >= Some(phase) {
            return Err(format!("phase {phase:?} begins after {before:?}"));
        }
        Ok(())
    }

    fn invoke(&mut self, op: u64, client: &'a str, action: &'a Action) -> Result<(), String> {
        let last = self.last_op.replace(op);
        if last >= Some(op) {
            return Err(format!("operation {op} does not rise above {last:?}"));
        }
        self.outstanding.insert(op, (client, action));
        match self.busy.insert(client, op) {
            Some(before) => Err(format!(
                "{client} begins operation {op} while {before} is outstanding"
            )),
            None => Ok(()),
        }
    }

    fn answer(&mut self, op: u64, outcome: &Outcome) -> Result<(), String> {
        let Some((client, action)) = self.outstanding.swap_remove(&op) else {
            return Err(format!("operation {op} is answered but not outstanding"));
        };
        self.busy.swap_remove(client);
        if action.is_answered_by(outcome) {
            Ok(())
        } else {
            Err(format!(
                "operation {op}: {outcome:?} does not answer {action:?}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[track_caller]
    fn malformed(run: &Run, why: &str) {
        cannot_tell(check, &run.cut(), why);
    }

    #[test]
    fn an_operation_may_stay_outstanding() {
        let mut run = Run::new();
        run.invoke("a", get("k"));
        run.call("b", get("k"), unknown());
        passes(check, &run.cut());
    }

    #[test]
    fn an_answer_to_no_question() {
        malformed(Run::new().returns(7, Outcome::Released), "not outstanding");
    }

    #[test]
    fn a_second_answer() {
        let mut run = Run::new();
        let op = run.invoke("a", get("k"));
        run.returns(op, absent()).returns(op, absent());
        malformed(&run, "not outstanding");
    }

    #[test]
    fn an_answer_to_another_question() {
        let mut run = Run::new();
        run.call("a", get("k"), Outcome::Released);
        malformed(&run, "does not answer");
    }

    #[test]
    fn a_retry_of_what_is_not_outstanding() {
        let mut run = Run::new();
        let op = run.invoke("a", increment("k", 1));
        run.push(EventKind::retry(op, Outcome::not_awaited()))
            .returns(op, counted(1, 5));
        passes(check, &run.cut());
        malformed(
            run.push(EventKind::retry(op, Outcome::not_awaited())),
            "not outstanding",
        );
    }

    #[test]
    fn two_operations_of_one_client_at_once() {
        let mut run = Run::new();
        run.invoke("a", get("k"));
        run.invoke("a", get("k"));
        malformed(&run, "while 1 is outstanding");
    }

    #[test]
    fn a_phase_that_comes_back_and_an_event_after_the_end() {
        let mut run = Run::new();
        malformed(run.phase(Phase::Warmup), "begins after");
        let mut run = Run::new();
        malformed(run.phase(Phase::End).phase(Phase::End), "follows the end");
    }
}
