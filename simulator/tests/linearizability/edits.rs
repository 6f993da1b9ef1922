//! A good history, edited: nothing that was acknowledged can be changed unseen.
//!
//! A run of all three services is recorded in simulation, in which all went well. Then, a
//! thousand times, one thing is changed and the history is judged by all checks of a run and
//! by linearizability on every service. Each edit must be seen, except those that leave a
//! history which an honest service could have produced. These are invisible, rightly:
//!
//! - Removing a whole operation that left no trace: a read, a write that nobody read and
//!   nobody was refused by, a receive that found nothing, a refused operation.
//! - Removing only the last answer of a client: its outcome is then unknown, which is always
//!   possible. (Removing an earlier one leaves a client that asks while it waits: seen.)
//! - Another version for a write that nobody read, between the same neighbours: log indexes
//!   that a key skips belong to other keys, and versions are compared key by key.
//! - Another version for the only read of a write that was not answered, likewise.
//! - A later answer, or an earlier question: more freedom than before. So are an answer or a
//!   question moved past events of others with which it stays possible.
//! - Another count of deliveries for a message that was delivered once: it may have been
//!   received by someone who was never answered.
//! - An acknowledgement of a message answered that its receipt was void, if its visibility had
//!   passed by then: the message may be in the hands of someone who was never answered.
//! - A check of a fenced resource refused instead of accepted: a refusal harms nobody.
//! - A release or a keep-alive answered "not held": the session may have ended by itself.
//! - Another number for a session that did nothing else.
//! - The answers of two operations exchanged if they overlapped.
//!
//! The last kinds are not drawn here; the others are, and must be seen wherever the list
//! does not excuse them. The same list is in `docs/checks.md`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall::check::external::{Limits, Model, judge_history};
use squall::check::{Verdict, check_all};
use squall::history::{Action, EventKind, History, Operation, Outcome, operations};

use crate::files::good;

const EDITS: usize = 1_000;

/// Something changed, and how.
struct Edit {
    kind: &'static str,
    what: String,
    history: History,
}

fn is_seen(history: &History) -> bool {
    let checks = check_all(history);
    let holds = |verdict| matches!(verdict, Verdict::Pass | Verdict::NotJudged);
    if checks.iter().any(|check| !holds(check.verdict)) {
        return true;
    }
    [Model::Register, Model::Lock, Model::Queue]
        .iter()
        .any(|&model| {
            judge_history(history, model, &Limits::default())
                .map_or(true, |judged| judged.verdict != Verdict::Pass)
        })
}

/// The good history and its operations, as edits look at them.
struct Good<'a> {
    history: &'a History,
    operations: Vec<Operation<'a>>,
    rng: ChaCha8Rng,
}

impl<'a> Good<'a> {
    /// A random operation whose answer is accepted by `wanted`.
    fn pick(&mut self, wanted: impl Fn(&Operation, &Outcome) -> bool) -> Option<Operation<'a>> {
        let fits = |o: &&Operation<'a>| o.outcome.is_some_and(|outcome| wanted(o, outcome));
        let fitting: Vec<&Operation<'a>> = self.operations.iter().filter(fits).collect();
        match fitting.len() {
            0 => None,
            count => Some(fitting[self.rng.random_range(0..count)].clone()),
        }
    }

    fn answered(&self, operation: &Operation, outcome: Outcome) -> History {
        let mut history = self.history.clone();
        let position = operation.return_pos.expect("it was answered");
        history.events[position].kind = EventKind::Return {
            op: operation.op,
            outcome,
        };
        history
    }

    /// How many reads saw what this write wrote.
    fn reads_of(&self, key: &str, version: u64) -> usize {
        let saw = |o: &&Operation| match (o.action, o.outcome) {
            (Action::Get { key: of, .. }, Some(Outcome::Value { version: v, .. })) => {
                of == key && *v == version
            }
            _ => false,
        };
        self.operations.iter().filter(saw).count()
    }

    /// Another number, near or far.
    fn other(&mut self, number: u64) -> u64 {
        let near = self.rng.random_range(1..4);
        match self.rng.random_range(0..4) {
            0 => number + near,
            1 => number.checked_sub(near).unwrap_or(number + near),
            2 => number + 1_000_000,
            _ => 0,
        }
    }

    fn edit(&mut self, kind: usize) -> Option<Edit> {
        let (kind, operation, history) = match kind {
            0 => self.value_of_a_read()?,
            1 => self.version_of_a_read()?,
            2 => self.read_of_nothing()?,
            3 => self.version_of_a_write()?,
            4 => self.token()?,
            5 => self.message_id()?,
            6 => self.delivery()?,
            7 => self.without_an_answer()?,
            8 => self.without_a_write()?,
            9 => self.exchanged()?,
            10 => self.tail_cut()?,
            11 => self.refused_receipt()?,
            _ => self.event_moved()?,
        };
        Some(Edit {
            kind,
            what: format!("{operation:?}"),
            history,
        })
    }

    fn value_of_a_read(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let read =
            self.pick(|_, outcome| matches!(outcome, Outcome::Value { value: Some(_), .. }))?;
        let Some(Outcome::Value { version, value }) = read.outcome else {
            return None;
        };
        let written = self.pick(|o, _| matches!(o.action, Action::Set { .. }))?;
        let other = match written.action {
            Action::Set { value, .. } if self.rng.random() => value.clone(),
            _ => "nobody.1".into(),
        };
        (Some(&other) != value.as_ref()).then_some(())?;
        let outcome = Outcome::Value {
            value: Some(other),
            version: *version,
        };
        let history = self.answered(&read, outcome);
        Some(("value of a read", read, history))
    }

    fn version_of_a_read(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let read =
            self.pick(|_, outcome| matches!(outcome, Outcome::Value { value: Some(_), .. }))?;
        let (Action::Get { key, .. }, Some(Outcome::Value { version, value })) =
            (read.action, read.outcome)
        else {
            return None;
        };
        let is_known = self.operations.iter().any(|o| match (o.action, o.outcome) {
            (
                Action::Set { key: of, .. } | Action::CompareAndSet { key: of, .. },
                Some(Outcome::Stored { version: v }),
            ) => of == key && v == version,
            _ => false,
        });
        (is_known || self.reads_of(key, *version) > 1).then_some(())?;
        let outcome = Outcome::Value {
            value: value.clone(),
            version: self.other(*version),
        };
        let history = self.answered(&read, outcome);
        Some(("version of a read", read, history))
    }

    fn read_of_nothing(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let read =
            self.pick(|_, outcome| matches!(outcome, Outcome::Value { value: Some(_), .. }))?;
        let Action::Get { key, .. } = read.action else {
            return None;
        };
        let was_there = self.operations.iter().any(|o| {
            let was_set = matches!(
                (o.action, o.outcome),
                (Action::Set { key: of, .. }, Some(Outcome::Stored { .. })) if of == key
            );
            was_set
                && o.return_pos
                    .is_some_and(|returned| returned < read.invoke_pos)
        });
        was_there.then_some(())?;
        let outcome = Outcome::Value {
            value: None,
            version: 0,
        };
        let history = self.answered(&read, outcome);
        Some(("read of nothing", read, history))
    }

    fn version_of_a_write(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let write = self.pick(|_, outcome| matches!(outcome, Outcome::Stored { .. }))?;
        let (
            Action::Set { key, .. } | Action::CompareAndSet { key, .. },
            Some(Outcome::Stored { version }),
        ) = (write.action, write.outcome)
        else {
            return None;
        };
        (self.reads_of(key, *version) > 0).then_some(())?;
        let outcome = Outcome::Stored {
            version: self.other(*version),
        };
        let history = self.answered(&write, outcome);
        Some(("version of a write", write, history))
    }

    fn token(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let grant = self.pick(|_, outcome| matches!(outcome, Outcome::Granted { .. }))?;
        let Some(Outcome::Granted { token }) = grant.outcome else {
            return None;
        };
        let was_released = self.operations.iter().any(|o| {
            matches!(
                (o.action, o.outcome),
                (Action::Release { token: t, .. }, Some(Outcome::Released)) if t == token
            )
        });
        was_released.then_some(())?;
        let outcome = Outcome::Granted {
            token: self.other(*token),
        };
        let history = self.answered(&grant, outcome);
        Some(("token of a grant", grant, history))
    }

    fn message_id(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let publish = self.pick(|_, outcome| matches!(outcome, Outcome::Published { .. }))?;
        let Some(Outcome::Published { id }) = publish.outcome else {
            return None;
        };
        let id = self.other(*id);
        let history = self.answered(&publish, Outcome::Published { id });
        Some(("id of a message", publish, history))
    }

    fn delivery(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let receive = self.pick(
            |_, outcome| matches!(outcome, Outcome::Received { messages } if !messages.is_empty()),
        )?;
        let Some(Outcome::Received { messages }) = receive.outcome else {
            return None;
        };
        let mut messages = messages.clone();
        let place = self.rng.random_range(0..messages.len());
        match self.rng.random_range(0..4) {
            0 => messages[place].id = self.other(messages[place].id),
            1 => messages[place].value = "nobody.1".into(),
            2 => messages[place].receipt = self.other(messages[place].receipt),
            _ => drop(messages.remove(place)),
        }
        let history = self.answered(&receive, Outcome::Received { messages });
        Some(("delivery", receive, history))
    }

    fn without_an_answer(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let operation = self.pick(|_, outcome| outcome.is_acknowledged())?;
        let asks_later =
            |o: &Operation| o.client == operation.client && o.invoke_pos > operation.invoke_pos;
        self.operations.iter().any(asks_later).then_some(())?;
        let mut history = self.history.clone();
        let position = operation.return_pos.expect("it was answered");
        history.events.remove(position);
        Some(("missing answer", operation, history))
    }

    fn without_a_write(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let write = self.pick(|_, outcome| {
            matches!(
                outcome,
                Outcome::Stored { .. } | Outcome::Published { .. } | Outcome::Granted { .. }
            )
        })?;
        let left_a_trace = match (write.action, write.outcome) {
            (
                Action::Set { key, .. } | Action::CompareAndSet { key, .. },
                Some(Outcome::Stored { version }),
            ) => self.reads_of(key, *version) > 0,
            (Action::Acquire { .. }, Some(Outcome::Granted { token })) => {
                self.operations.iter().any(|o| {
                    matches!(
                        (o.action, o.outcome),
                        (Action::Release { token: t, .. }, Some(Outcome::Released)) if t == token
                    )
                })
            }
            (action, _) => matches!(action, Action::Publish { .. }),
        };
        left_a_trace.then_some(())?;
        let mut history = self.history.clone();
        let position = write.return_pos.expect("it was answered");
        history.events.remove(position);
        history.events.remove(write.invoke_pos);
        Some(("missing write", write, history))
    }

    /// The answers of two operations of a kind on one object, one after the other.
    fn exchanged(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let one = self.pick(|_, outcome| {
            !matches!(outcome, Outcome::Received { messages } if messages.is_empty())
                && matches!(
                    outcome,
                    Outcome::Stored { .. }
                        | Outcome::Value { .. }
                        | Outcome::Published { .. }
                        | Outcome::Granted { .. }
                        | Outcome::Received { .. }
                )
        })?;
        let outcome = one.outcome.expect("it was answered");
        let two = self.pick(|o, other| {
            let later = one
                .return_pos
                .is_some_and(|returned| returned < o.invoke_pos);
            let is_alike = std::mem::discriminant(other) == std::mem::discriminant(outcome);
            let empty = matches!(other, Outcome::Received { messages } if messages.is_empty());
            later
                && is_alike
                && other != outcome
                && object(o.action) == object(one.action)
                && !empty
        })?;
        let mut history = self.answered(&one, two.outcome.expect("it was answered").clone());
        let position = two.return_pos.expect("it was answered");
        history.events[position].kind = EventKind::Return {
            op: two.op,
            outcome: outcome.clone(),
        };
        Some(("exchanged answers", one, history))
    }

    /// The good run's visibility is far longer than the run.
    fn refused_receipt(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let ack = self.pick(|_, outcome| *outcome == Outcome::Settled { valid: true })?;
        let history = self.answered(&ack, Outcome::Settled { valid: false });
        Some(("refused receipt", ack, history))
    }

    fn tail_cut(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let kept = self.rng.random_range(0..self.history.events.len());
        let mut history = self.history.clone();
        history.events.truncate(kept);
        Some(("missing end", self.operations[0].clone(), history))
    }

    /// An answer before its question, or an event at another time than its neighbours.
    fn event_moved(&mut self) -> Option<(&'static str, Operation<'a>, History)> {
        let operation = self.pick(|_, outcome| outcome.is_acknowledged())?;
        let mut history = self.history.clone();
        let position = operation.return_pos.expect("it was answered");
        let answer = history.events.remove(position);
        let place = self.rng.random_range(0..=operation.invoke_pos);
        history.events.insert(place, answer);
        Some(("answer before its question", operation, history))
    }
}

/// What an operation is on, and which kind of operation it is.
fn object(action: &Action) -> (u8, &str) {
    match action {
        Action::Get { key, .. } => (0, key),
        Action::Set { key, .. } | Action::CompareAndSet { key, .. } => (1, key),
        Action::Publish { queue, .. } => (2, queue),
        Action::Receive { queue, .. } => (3, queue),
        Action::Acquire { name, .. } => (4, name),
        _ => (5, ""),
    }
}

#[test]
fn the_history_is_good_before_it_is_edited() {
    assert!(!is_seen(good()));
}

#[test]
fn every_edit_of_an_acknowledged_answer_is_seen() {
    let history = good();
    let mut good = Good {
        history,
        operations: operations(history),
        rng: ChaCha8Rng::seed_from_u64(1),
    };
    let mut missed = Vec::new();
    let mut kinds: std::collections::BTreeMap<&str, usize> = Default::default();
    let mut made = 0;
    while made < EDITS {
        let kind = good.rng.random_range(0..13);
        let Some(edit) = good.edit(kind) else {
            continue;
        };
        made += 1;
        *kinds.entry(edit.kind).or_default() += 1;
        if !is_seen(&edit.history) {
            missed.push(format!("{}: {}", edit.kind, edit.what));
        }
    }
    assert_eq!(kinds.len(), 13, "{kinds:?}");
    assert!(
        missed.is_empty(),
        "{} unseen:\n{}",
        missed.len(),
        missed.join("\n")
    );
}
