//! The queue service: all queues by name, and what passes between them.
//!
//! A queue comes into being with its first `Publish` or `Configure`, or as the target of a
//! dead letter, and stays until it is deleted. One queue is in [`messages`]; this file finds it,
//! checks ranges, wakes it when it is due, and moves dead letters in the same entry in which
//! they are taken out, so that a message is always in exactly one place.
//!
//! Dead letters are never refused: the depth limit of their target does not apply to them,
//! because the only alternative would be to lose them.
//!
//! Long polls are the node's business: [`super::Applied::ready_queues`] tells when to retry.

mod dedup;
mod index;
mod message;
mod messages;

use super::command::{
    NewMessage, QueueCommand, QueueInfo, QueueSettings, Receipt, Refusal, Reply, Row,
};
use super::limits::{LARGEST_BATCH, LONGEST_MS};
use super::snapshot::{DecodeError, LARGEST_COUNTER, ensure};
use super::{Effects, Moment};
#[cfg(feature = "planted")]
use crate::planted::{self, Bug};
use message::Message;
use messages::Queue;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// All queues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queues {
    /// The number of a queue is its place here. The order is part of the replicated state: it
    /// decides which of two queues due at once goes first. It is the order of creation until a
    /// queue is deleted, whose place the last one takes.
    queues: Vec<Queue>,
    /// Name to number, an index over `queues`.
    #[serde(skip)]
    numbers: BTreeMap<String, usize>,
    /// (first deadline, number) of each queue that has a deadline, an index over `queues`.
    #[serde(skip)]
    deadlines: BTreeSet<(u64, usize)>,
    /// The largest receipt that a deleted queue gave: a new queue goes on from there, so that no
    /// receipt of an old one is ever valid for a message of a new one. In the snapshot it stands
    /// behind the level.
    #[serde(skip)]
    receipt_floor: Receipt,
    /// Memory taken, by our account: the sum over `queues`.
    #[serde(skip)]
    bytes: u64,
    /// The mistake of MQ-03: dead letters on their way, each with its target's name.
    #[cfg(feature = "planted")]
    #[serde(skip)]
    outbox: Vec<(String, NewMessage)>,
}

impl Queues {
    pub(super) fn apply(
        &mut self,
        now: Moment,
        command: &QueueCommand,
        effects: &mut Effects,
    ) -> Reply {
        if !is_in_range(command) {
            return Reply::Refused(Refusal::OutOfRange);
        }
        match command {
            QueueCommand::Configure { queue, settings } => self.configure(queue, settings),
            QueueCommand::Publish { queue, messages } => {
                self.publish(now, queue, messages, effects)
            }
            QueueCommand::Receive {
                queue,
                count,
                visibility_ms,
            } => {
                let received = self.change(queue, effects, |queue| {
                    queue.receive(now, *count, *visibility_ms)
                });
                Reply::Messages(received.unwrap_or_default())
            }
            QueueCommand::Ack { queue, receipts } => {
                let settled = self.change(queue, effects, |queue| queue.ack(receipts));
                Reply::Settled(settled.unwrap_or_default())
            }
            QueueCommand::Nack {
                queue,
                receipt,
                delay_ms,
            } => self.nack(now, queue, *receipt, *delay_ms, effects),
            QueueCommand::Extend {
                queue,
                receipt,
                visibility_ms,
            } => {
                let extended = self.change(queue, effects, |queue| {
                    queue.extend(now, *receipt, *visibility_ms)
                });
                Reply::Settled(extended.unwrap_or_default().into())
            }
            QueueCommand::Purge { queue } => {
                let purged = self.change(queue, effects, Queue::purge);
                Reply::Purged(purged.unwrap_or_default())
            }
            QueueCommand::Delete { queue, if_empty } => {
                let deleted = self.delete(queue, *if_empty);
                deleted.map_or_else(Reply::Refused, Reply::Purged)
            }
            QueueCommand::Redrive { from, to, count } => {
                let moved = self.redrive(now, from, to, (*count).into(), effects);
                moved.map_or_else(Reply::Refused, Reply::Size)
            }
        }
    }

    /// Returns what was hidden or delayed until now: queue by queue, the one with the
    /// earliest deadline first.
    pub(super) fn run_due(&mut self, now: Moment, effects: &mut Effects) {
        while let Some(&(deadline_ms, number)) = self.deadlines.first() {
            if deadline_ms > now.served_ms {
                break;
            }
            let letters = self.change_numbered(number, effects, |queue| queue.run_due(now));
            self.bury(now, number, letters, effects);
        }
    }

    /// Served time at which the first message is due.
    pub(super) fn first_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_ms, _)| deadline_ms)
    }

    pub(super) fn has_deliverable(&self, name: &str) -> bool {
        let number = self.numbers.get(name);
        number.is_some_and(|number| self.queues[*number].has_deliverable())
    }

    pub(super) fn info(&self, name: &str) -> Option<QueueInfo> {
        let number = *self.numbers.get(name)?;
        Some(self.queues[number].info())
    }

    /// Names behind `after`, in order, with the messages that are ready, in flight and delayed.
    pub(super) fn list(&self, after: Option<&str>) -> impl Iterator<Item = Row> {
        let names = super::listing::behind(&self.numbers, after);
        names.map(|(name, &number)| {
            let info = self.queues[number].info();
            Row {
                name: name.clone().into(),
                figures: vec![info.ready, info.in_flight, info.delayed],
            }
        })
    }

    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn receipt_floor(&self) -> Receipt {
        self.receipt_floor
    }

    /// Completes decoded queues by what stands elsewhere in the snapshot.
    pub(super) fn set_receipt_floor(&mut self, receipt: Receipt) -> Result<(), DecodeError> {
        ensure(receipt <= LARGEST_COUNTER, "an implausibly large receipt")?;
        self.receipt_floor = receipt;
        Ok(())
    }

    /// Rebuilds the indexes of decoded queues, and refuses what no log can have produced.
    pub(super) fn reindex(&mut self) -> Result<(), DecodeError> {
        for (number, queue) in self.queues.iter_mut().enumerate() {
            queue.reindex()?;
            self.bytes += queue.bytes();
            let before = self.numbers.insert(queue.name().to_owned(), number);
            ensure(before.is_none(), "two queues of one name")?;
            self.deadlines
                .extend(queue.first_deadline().map(|due_ms| (due_ms, number)));
        }
        Ok(())
    }

    fn configure(&mut self, name: &str, settings: &QueueSettings) -> Reply {
        let number = self.number_or_new(name);
        let settings = settings.clone();
        self.change_numbered(number, &mut Effects::default(), |queue| {
            queue.configure(settings);
        });
        Reply::Done
    }

    /// Deletes a queue with all that is in it and known of its producers; how many messages
    /// were in it. The last queue takes its place.
    fn delete(&mut self, name: &str, if_empty: bool) -> Result<u64, Refusal> {
        let number = *self.numbers.get(name).ok_or(Refusal::NoQueue)?;
        let messages = self.queues[number].depth();
        if if_empty && messages > 0 {
            return Err(Refusal::NotEmpty { messages });
        }
        let last = self.queues.len() - 1;
        for number in BTreeSet::from([number, last]) {
            let deadline_ms = self.queues[number].first_deadline();
            if let Some(deadline_ms) = deadline_ms {
                self.deadlines.remove(&(deadline_ms, number));
            }
        }
        let deleted = self.queues.swap_remove(number);
        self.numbers.remove(name);
        self.bytes -= deleted.bytes();
        self.receipt_floor = self.receipt_floor.max(deleted.last_receipt());
        if let Some(moved) = self.queues.get(number) {
            let place = self.numbers.get_mut(moved.name());
            *place.expect("every queue has a number") = number;
            let deadline_ms = moved.first_deadline();
            self.deadlines
                .extend(deadline_ms.map(|deadline_ms| (deadline_ms, number)));
        }
        Ok(messages)
    }

    /// Moves deliverable messages to another queue, as far as that has room; how many.
    fn redrive(
        &mut self,
        now: Moment,
        from: &str,
        to: &str,
        count: u64,
        effects: &mut Effects,
    ) -> Result<u64, Refusal> {
        let number_of = |name: &str| self.numbers.get(name).copied();
        let (from, to) = (number_of(from), number_of(to));
        let (from, to) = from.zip(to).ok_or(Refusal::NoQueue)?;
        let count = count.min(self.queues[to].room()?);
        let taken = self.change_numbered(from, effects, |queue| queue.take_out(count));
        let moved = taken.len() as u64;
        self.change_numbered(to, effects, |queue| {
            for content in taken {
                queue.add(now, content, 0);
            }
        });
        Ok(moved)
    }

    fn publish(
        &mut self,
        now: Moment,
        name: &str,
        messages: &[NewMessage],
        effects: &mut Effects,
    ) -> Reply {
        let number = self.number_or_new(name);
        let published = self.change_numbered(number, effects, |queue| queue.publish(now, messages));
        match published {
            Ok(ids) => Reply::Published { ids },
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    fn nack(
        &mut self,
        now: Moment,
        name: &str,
        receipt: u64,
        delay_ms: u64,
        effects: &mut Effects,
    ) -> Reply {
        let Some(&number) = self.numbers.get(name) else {
            return Reply::Settled(0);
        };
        let nacked =
            self.change_numbered(number, effects, |queue| queue.nack(now, receipt, delay_ms));
        let Some(letter) = nacked else {
            return Reply::Settled(0);
        };
        self.bury(now, number, letter, effects);
        Reply::Settled(1)
    }

    /// Publishes dead letters of queue `number` where its settings say.
    fn bury(
        &mut self,
        now: Moment,
        number: usize,
        letters: impl IntoIterator<Item = Message>,
        effects: &mut Effects,
    ) {
        let mut letters = letters.into_iter().peekable();
        if letters.peek().is_none() {
            return;
        }
        #[cfg(feature = "planted")]
        if planted::active(Bug::DeadLetterApart) {
            let target = self.queues[number].dead_letter_name(now.level);
            let letters = letters.map(|letter| (target.clone(), letter.content.into_new()));
            self.outbox.extend(letters);
            return;
        }
        let target = self.number_or_new(&self.queues[number].dead_letter_name(now.level));
        self.change_numbered(target, effects, |queue| {
            for letter in letters {
                queue.add(now, letter.content, 0);
            }
        });
    }

    #[cfg(feature = "planted")]
    pub(super) fn take_dead_letters(&mut self) -> Vec<(String, NewMessage)> {
        std::mem::take(&mut self.outbox)
    }

    /// The mistake of MQ-04: a new leader knows nothing of the visibility timers.
    #[cfg(feature = "planted")]
    pub(super) fn forget_timers(&mut self) {
        for number in 0..self.queues.len() {
            self.change_numbered(number, &mut Effects::default(), Queue::forget_timers);
        }
    }

    /// The mistake of MQ-21: a new leader delivers again, as it were, what is in flight.
    #[cfg(feature = "planted")]
    pub(super) fn count_again(&mut self) {
        self.queues.iter_mut().for_each(Queue::count_again);
    }

    /// The mistake of MQ-09: what was published is not written to the snapshot.
    #[cfg(feature = "planted")]
    pub(super) fn forget_producers(&mut self) {
        self.queues.iter_mut().for_each(Queue::forget_producers);
    }

    /// The mistake of MQ-20: only ready messages are written to the snapshot.
    #[cfg(feature = "planted")]
    pub(super) fn forget_hidden(&mut self) {
        self.queues.iter_mut().for_each(Queue::forget_hidden);
    }

    /// Changes the queue of that name, if there is one.
    fn change<R>(
        &mut self,
        name: &str,
        effects: &mut Effects,
        change: impl FnOnce(&mut Queue) -> R,
    ) -> Option<R> {
        let number = *self.numbers.get(name)?;
        Some(self.change_numbered(number, effects, change))
    }

    /// Changes a queue, and keeps the index of deadlines and the effects in step with it.
    fn change_numbered<R>(
        &mut self,
        number: usize,
        effects: &mut Effects,
        change: impl FnOnce(&mut Queue) -> R,
    ) -> R {
        let queue = &mut self.queues[number];
        let before = queue.first_deadline();
        self.bytes -= queue.bytes();
        let result = change(queue);
        self.bytes += queue.bytes();
        let after = queue.first_deadline();
        if queue.take_gained() {
            effects.ready_queues.push(queue.name().to_owned());
        }
        if before != after {
            if let Some(deadline_ms) = before {
                self.deadlines.remove(&(deadline_ms, number));
            }
            self.deadlines
                .extend(after.map(|deadline_ms| (deadline_ms, number)));
        }
        result
    }

    fn number_or_new(&mut self, name: &str) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.queues.len();
        let queue = Queue::new(name, self.receipt_floor);
        self.bytes += queue.bytes();
        self.queues.push(queue);
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

/// Whether all durations and counts of the command are in range.
fn is_in_range(command: &QueueCommand) -> bool {
    match command {
        QueueCommand::Configure { settings, .. } => settings.visibility_ms <= LONGEST_MS,
        QueueCommand::Publish { messages, .. } => {
            messages.len() <= LARGEST_BATCH
                && messages
                    .iter()
                    .all(|message| message.delay_ms <= LONGEST_MS)
        }
        QueueCommand::Receive {
            count,
            visibility_ms,
            ..
        } => {
            usize::try_from(*count).is_ok_and(|count| count <= LARGEST_BATCH)
                && visibility_ms.is_none_or(|visibility_ms| visibility_ms <= LONGEST_MS)
        }
        QueueCommand::Ack { receipts, .. } => receipts.len() <= LARGEST_BATCH,
        QueueCommand::Nack { delay_ms, .. } => *delay_ms <= LONGEST_MS,
        QueueCommand::Extend { visibility_ms, .. } => *visibility_ms <= LONGEST_MS,
        QueueCommand::Purge { .. } | QueueCommand::Delete { .. } => true,
        QueueCommand::Redrive { from, to, count } => {
            from != to && usize::try_from(*count).is_ok_and(|count| count <= LARGEST_BATCH)
        }
    }
}
