//! Operations and messages as rows, of the stretches that are chosen.

use std::collections::BTreeSet;

use super::parties::Parties;
use super::texts::Texts;
use super::windows::{self, Chosen};
use super::{Recording, Shown};
use crate::backends::trace::{Fate, Message, time};
use crate::check::words::outcome;
use crate::history::{Operation, Outcome};
use crate::report::duration;
use crate::report::html::player::Player;
use crate::trace::words::holds;

/// What the rows of each slice take in the page.
pub(super) fn costs(base: &Player, seen: &Recording, parties: &Parties) -> Vec<usize> {
    let end = base.end;
    let mut all = Rows::new(seen, parties, Texts::of(&base.texts));
    let mut costs = vec![0; windows::count(end)];
    for operation in seen.trace.operations() {
        let row = all.operation(operation);
        costs[windows::slice_of(operation.invoked_us as i64, end)] += size(&row);
    }
    for message in messages(seen) {
        let row = all.message(message);
        costs[windows::slice_of(message.sent_us, end)] += row.as_deref().map_or(0, size);
    }
    costs
}

/// Adds the rows of the chosen stretches, their texts, and what is left out.
pub(super) fn add(
    player: &mut Player,
    seen: &Recording,
    parties: &Parties,
    shown: Shown,
    chosen: &Chosen,
) {
    let end = player.end;
    let mut rows = Rows::new(seen, parties, Texts::of(&player.texts));
    let operations = seen.trace.operations().filter(|operation| {
        let returned_us = operation.returned_us.map_or(end, |at_us| at_us as i64);
        chosen.has(operation.invoked_us as i64, returned_us)
    });
    player.operations = operations
        .map(|operation| rows.operation(operation))
        .collect();
    let of_window = messages(seen)
        .filter(|message| chosen.has(message.sent_us, message.ended_us().unwrap_or(end)));
    player.messages = of_window
        .filter_map(|message| rows.message(message))
        .collect();
    player.texts = rows.texts.all;
    player.windows = chosen.windows(seen.known(end));
    let left_out = left_out(seen, &player.windows, shown, end);
    player.notes.extend(left_out);
}

/// Those of the run itself: before it, the cluster is being formed.
fn messages<'a>(seen: &Recording<'_, 'a>) -> impl Iterator<Item = &'a Message> + use<'a> {
    let messages = seen.trace.traced.messages.iter();
    messages.filter(|message| message.sent_us >= 0)
}

/// What is not shown, for the reader of the page.
fn left_out(seen: &Recording, windows: &[(i64, i64)], shown: Shown, end: i64) -> Vec<String> {
    let mut notes = Vec::new();
    let covered: i64 = windows.iter().map(|(from, to)| to - from).sum();
    let what = match seen.messages.is_some() {
        true => "Messages and operations",
        false => "Operations",
    };
    let order = match shown {
        Shown::Notable => {
            ", what matters first: around what broke, changes of leaders, faults and outages"
        }
        Shown::Window(_) | Shown::All => "",
    };
    if covered < end {
        notes.push(format!(
            "{what} are shown of {} of {} (see the line “recorded”){order}.",
            duration(covered.max(0) as u64),
            duration(end as u64)
        ));
    }
    if let Some(kept_until_us) = seen.trace.traced.kept_until_us() {
        notes.push(format!(
            "{} messages after {} were too many to be recorded.",
            seen.trace.traced.dropped,
            time(kept_until_us)
        ));
    }
    notes
}

/// Makes rows; each is counted from the one before.
struct Rows<'s, 't, 'a> {
    seen: &'s Recording<'t, 'a>,
    parties: &'s Parties,
    texts: Texts,
    /// Time and number of the operation before.
    operation: (i64, i64),
    /// Time and number of the message before.
    message: (i64, i64),
    /// Numbers of messages that have a row.
    numbers: BTreeSet<u64>,
}

impl<'s, 't, 'a> Rows<'s, 't, 'a> {
    fn new(seen: &'s Recording<'t, 'a>, parties: &'s Parties, texts: Texts) -> Self {
        Self {
            seen,
            parties,
            texts,
            operation: (0, 0),
            message: (0, 0),
            numbers: BTreeSet::new(),
        }
    }

    fn operation(&mut self, operation: &Operation) -> Vec<i64> {
        let (at, op) = (operation.invoked_us as i64, operation.op as i64);
        let took = operation.returned_us.map_or(-1, |us| us as i64 - at);
        let class = match operation.outcome {
            Some(Outcome::Failed { .. }) => 1,
            Some(Outcome::Unknown { .. }) | None => 2,
            Some(_) => 0,
        };
        let client = self.parties.client(operation.client);
        let client = client.expect("every client of the history has a place") as i64;
        let (asked, numbers) = self.texts.numbered(&operation.action.to_string());
        let mut row = vec![
            at - self.operation.0,
            took,
            client,
            op - self.operation.1,
            class,
            asked as i64,
            numbers.len() as i64,
        ];
        row.extend(numbers);
        match operation.outcome {
            Some(answer) => {
                let (answer, numbers) = self.texts.numbered(&outcome(answer));
                row.push(answer as i64);
                row.extend(numbers);
            }
            None => row.push(-1),
        }
        self.operation = (at, op);
        row
    }

    /// `None` for a party that the run does not have.
    fn message(&mut self, message: &Message) -> Option<Vec<i64>> {
        let trace = self.seen.trace;
        let from = self.parties.end(trace, message.from, message.op)?;
        let to = self.parties.end(trace, message.to, message.op)?;
        let (at, number) = (message.sent_us, message.number as i64);
        let (ended_us, lost) = match message.fate {
            Fate::UnderWay => (None, 0),
            Fate::Arrived { at_us, .. } => (Some(at_us), 0),
            Fate::Lost { at_us, why } => (Some(at_us), self.texts.whole(why.words()) as i64 + 1),
        };
        let held = match message.held.is_empty() {
            true => 0,
            false => self.texts.whole(&holds(&message.held)) as i64 + 1,
        };
        let (text, numbers) = self.texts.numbered(&message.content.to_string());
        let answers = message.answers.filter(|asked| self.numbers.contains(asked));
        let mut row = vec![
            at - self.message.0,
            from,
            to,
            ended_us.map_or(-1, |at_us| at_us - at),
            text as i64,
            message.bytes as i64,
            number - self.message.1,
            answers.map_or(0, |asked| number - asked as i64),
            message.op.map_or(0, |op| op as i64 + 1),
            held,
            lost,
        ];
        row.extend(numbers);
        self.message = (at, number);
        self.numbers.insert(message.number);
        Some(row)
    }
}

/// What a row takes in the page.
fn size(row: &[i64]) -> usize {
    let digits = |number: &i64| {
        let sign = usize::from(*number < 0);
        let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
        sign + digits + 1
    };
    row.iter().map(digits).sum::<usize>() + 2
}
