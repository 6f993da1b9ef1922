//! One queue: where each message is, who may have it next, and the counters.
//!
//! A message is ready, delayed or in flight. Among ready ones the larger priority goes
//! first, then the smaller id, so what is redelivered takes its old place. The first message
//! of a group holds back the rest of the group until it is settled, in whichever of
//! the three places it is; that keeps a group in publish order across redeliveries, and a
//! held-back message, though ready by its own account, is not in the `ready` index.
//!
//! Ids count all messages ever taken in, so the conservation equation of the counters,
//! `published = ready + in flight + delayed + acked + dead-lettered + purged`, can be checked
//! against an independent count. Receipts are a counter of their own: one for each delivery,
//! never reused, void once the message returned.
//!
//! This file does not move dead letters to their queue; it hands them to [`super::Queues`].

use super::dedup::Producers;
use super::index::Index;
use super::message::{Content, Message, Place};
use crate::planted::{self, Bug};
use crate::state::Moment;
use crate::state::command::{
    Delivery, MessageId, NewMessage, QueueInfo, QueueSettings, Receipt, Refusal,
};
use crate::state::limits::{LARGEST_RECEIVE_BYTES, LONGEST_NAME_BYTES};
use crate::state::snapshot::{DecodeError, LARGEST_COUNTER, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a queue takes beside its name, settings and messages.
const QUEUE_BYTES: u64 = 400;
/// Ends the default name of a queue of dead letters.
const DEAD: &str = ".dead";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    name: String,
    settings: QueueSettings,
    /// Id of the message taken in last; ids start at 1.
    last_id: MessageId,
    /// Receipt given last; receipts start at 1.
    last_receipt: Receipt,
    acked: u64,
    dead_lettered: u64,
    purged: u64,
    messages: BTreeMap<MessageId, Message>,
    producers: Producers,
    /// Memory that the messages take, by our account.
    #[serde(skip)]
    message_bytes: u64,
    #[serde(skip)]
    index: Index,
    /// Whether a message became deliverable since this was last asked.
    #[serde(skip)]
    gained: bool,
}

impl Queue {
    /// An empty queue, whose receipts go on behind `last_receipt`.
    pub(super) fn new(name: &str, last_receipt: Receipt) -> Self {
        Self {
            name: name.to_owned(),
            last_receipt,
            ..Self::default()
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many messages there are, wherever they are.
    pub(super) fn depth(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(super) fn last_receipt(&self) -> Receipt {
        self.last_receipt
    }

    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        let target = self.settings.dead_letter.as_ref().map_or(0, String::len);
        let names = (2 * self.name.len() + target) as u64;
        QUEUE_BYTES + names + self.message_bytes + self.producers.bytes()
    }

    /// Where dead letters go. The default has the queue's name, cut where it would be longer
    /// than a name may be.
    pub(super) fn dead_letter_name(&self, level: u32) -> String {
        if let Some(configured) = &self.settings.dead_letter {
            return configured.clone();
        }
        let mut end = self.name.len();
        if level > 0 {
            end = end.min(LONGEST_NAME_BYTES - DEAD.len());
        }
        while !self.name.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{DEAD}", &self.name[..end])
    }

    pub(super) fn configure(&mut self, settings: QueueSettings) {
        self.settings = settings;
    }

    /// How many more messages may be taken in; the refusal if none may.
    pub(super) fn room(&self) -> Result<u64, Refusal> {
        let (depth, limit) = (self.depth(), self.settings.max_depth);
        match limit {
            0 => Ok(u64::MAX),
            _ if depth >= limit => Err(Refusal::QueueFull { depth, limit }),
            _ => Ok(limit - depth),
        }
    }

    /// Takes in all messages or none. A repeat gets the id of the first.
    pub(super) fn publish(
        &mut self,
        now: Moment,
        messages: &[NewMessage],
    ) -> Result<Vec<MessageId>, Refusal> {
        let ids = self.assign_ids(messages)?;
        let last_id = ids.iter().copied().fold(self.last_id, MessageId::max);
        let depth = self.depth();
        let limit = self.settings.max_depth;
        let mut fits = depth + (last_id - self.last_id) <= limit;
        if planted::active(Bug::BatchNotCounted) || planted::active(Bug::BatchCutShort) {
            fits = depth < limit;
        }
        if limit > 0 && last_id > self.last_id && !fits {
            return Err(Refusal::QueueFull { depth, limit });
        }
        for (message, &id) in messages.iter().zip(&ids) {
            if id <= self.last_id {
                continue; // A repeat of an earlier message or of one in this batch.
            }
            if planted::active(Bug::BatchCutShort) && self.room().is_err() {
                break;
            }
            let content = Content {
                payload: message.payload.clone(),
                priority: message.priority,
                group: message.group.clone(),
            };
            self.add(now, content, message.delay_ms);
            if let Some((producer, sequence)) = &message.dedup {
                self.producers.remember(producer, *sequence, id);
            }
        }
        Ok(ids)
    }

    /// Takes in one message, whatever the depth.
    pub(super) fn add(&mut self, now: Moment, content: Content, delay_ms: u64) {
        self.last_id += 1;
        let id = self.last_id;
        if let Some(group) = &content.group {
            self.index.join_group(group, id);
        }
        self.message_bytes += content.bytes();
        let message = Message {
            content,
            deliveries: 0,
            place: Place::Ready,
        };
        self.messages.insert(id, message);
        self.put_back(now, id, delay_ms);
    }

    /// Hands out up to `count` messages, and none after [`LARGEST_RECEIVE_BYTES`] of payload.
    pub(super) fn receive(
        &mut self,
        now: Moment,
        count: u32,
        visibility_ms: Option<u64>,
    ) -> Vec<Delivery> {
        let visibility_ms = visibility_ms.unwrap_or(self.settings.visibility_ms);
        let until_ms = now.served_after(visibility_ms);
        let mut deliveries = Vec::new();
        let mut bytes = 0;
        for _ in 0..count {
            if now.level > 0 && bytes >= LARGEST_RECEIVE_BYTES {
                break;
            }
            let Some(id) = self.take_ready() else {
                break;
            };
            self.last_receipt += 1;
            let mut receipt = self.last_receipt;
            if planted::active(Bug::AckById) {
                receipt = id;
                self.last_receipt = self.last_receipt.max(id);
            }
            let message = message_mut(&mut self.messages, id);
            message.deliveries = message.deliveries.saturating_add(1);
            message.place = Place::InFlight { receipt, until_ms };
            self.index.in_flight.insert(receipt, id);
            self.index.deadlines.insert((until_ms, id));
            bytes += message.content.payload.len();
            deliveries.push(Delivery {
                id,
                receipt,
                deliveries: message.deliveries,
                payload: message.content.payload.clone(),
            });
            if planted::active(Bug::GroupNotHeldBack) {
                let group = message.content.group.clone();
                self.pass_on(group.as_deref());
            }
        }
        deliveries
    }

    /// Takes the next message out of the index of deliverable ones.
    fn take_ready(&mut self) -> Option<MessageId> {
        if planted::active(Bug::HashOrderRedelivery) {
            // What came back is kept in a hash map, whose order differs from node to node.
            let returned = |&&(_, id): &&(u8, MessageId)| self.messages[&id].deliveries > 0;
            let hash = planted::random();
            let first = self.index.ready.iter().filter(returned);
            let first = first
                .min_by_key(|(_, id)| (id ^ hash).wrapping_mul(hash | 1))
                .copied();
            if let Some(first) = first {
                self.index.ready.remove(&first);
                return Some(first.1);
            }
        }
        self.index.ready.pop_first().map(|(_, id)| id)
    }

    /// Removes the messages of those receipts that are still valid; returns how many.
    pub(super) fn ack(&mut self, receipts: &[Receipt]) -> u32 {
        let mut settled = 0;
        for &receipt in receipts {
            if let Some(id) = self.void_receipt(receipt) {
                self.remove(id);
                self.acked += 1;
                settled += 1;
            }
        }
        settled
    }

    /// Returns the message of a receipt. `None` if the receipt is not valid, else the message
    /// itself where it became a dead letter.
    pub(super) fn nack(
        &mut self,
        now: Moment,
        receipt: Receipt,
        delay_ms: u64,
    ) -> Option<Option<Message>> {
        let id = self.void_receipt(receipt)?;
        Some(self.give_back(now, id, delay_ms))
    }

    /// Hides the message of a receipt for `visibility_ms` from now; false if not valid.
    pub(super) fn extend(&mut self, now: Moment, receipt: Receipt, visibility_ms: u64) -> bool {
        let Some(id) = self.void_receipt(receipt) else {
            return false;
        };
        let until_ms = now.served_after(visibility_ms);
        message_mut(&mut self.messages, id).place = Place::InFlight { receipt, until_ms };
        self.index.in_flight.insert(receipt, id);
        self.index.deadlines.insert((until_ms, id));
        true
    }

    /// Drops every message; returns how many there were. Receipts become void.
    pub(super) fn purge(&mut self) -> u64 {
        let dropped = self.messages.len() as u64;
        self.messages.clear();
        self.message_bytes = 0;
        self.index = Index::default();
        self.purged += dropped;
        dropped
    }

    /// Takes out up to `count` deliverable messages, as if they had been received and
    /// acknowledged.
    pub(super) fn take_out(&mut self, count: u64) -> Vec<Content> {
        let mut taken = Vec::new();
        while (taken.len() as u64) < count
            && let Some(id) = self.take_ready()
        {
            taken.push(self.remove(id).content);
            self.acked += 1;
        }
        taken
    }

    /// Returns what is hidden or delayed no longer; what became a dead letter is handed out.
    pub(super) fn run_due(&mut self, now: Moment) -> Vec<Message> {
        let mut letters = Vec::new();
        while let Some(&(deadline_ms, id)) = self.index.deadlines.first() {
            if deadline_ms > now.served_ms {
                break;
            }
            match self.messages[&id].place {
                Place::InFlight { receipt, .. } => {
                    self.void_receipt(receipt);
                    if planted::active(Bug::LetterCopied) && self.is_spent(id) {
                        letters.push(self.messages[&id].clone());
                        self.put_back(now, id, 0);
                        continue;
                    }
                    letters.extend(self.give_back(now, id, 0));
                }
                Place::Delayed { .. } | Place::Ready => {
                    self.index.deadlines.pop_first();
                    self.put_back(now, id, 0);
                }
            }
        }
        letters
    }

    pub(super) fn first_deadline(&self) -> Option<u64> {
        let first = self.index.deadlines.first();
        first.map(|&(deadline_ms, _)| deadline_ms)
    }

    /// Whether a message became deliverable since the last call.
    pub(super) fn take_gained(&mut self) -> bool {
        std::mem::take(&mut self.gained)
    }

    /// Whether a receive would find a message.
    pub(super) fn has_deliverable(&self) -> bool {
        !self.index.ready.is_empty()
    }

    pub(super) fn info(&self) -> QueueInfo {
        let in_flight = self.index.in_flight.len() as u64;
        let delayed = self.index.deadlines.len() as u64 - in_flight;
        QueueInfo {
            ready: self.messages.len() as u64 - in_flight - delayed,
            in_flight,
            delayed,
            published: self.last_id,
            acked: self.acked,
            dead_lettered: self.dead_lettered,
            purged: self.purged,
        }
    }

    /// Rebuilds the index of a decoded queue, and refuses what no log can have produced.
    pub(super) fn reindex(&mut self) -> Result<(), DecodeError> {
        let last = self.messages.last_key_value();
        ensure(
            last.is_none_or(|(&id, _)| id <= self.last_id),
            "a message beyond the last one",
        )?;
        ensure(
            self.last_id.max(self.last_receipt) <= LARGEST_COUNTER,
            "an implausibly large message id or receipt",
        )?;
        let gone = [self.acked, self.dead_lettered, self.purged];
        let accounted = gone
            .into_iter()
            .try_fold(self.messages.len() as u64, u64::checked_add);
        ensure(
            accounted == Some(self.last_id) || planted::active(Bug::HiddenNotInSnapshot),
            "counters that do not add up",
        )?;
        self.producers.reindex(self.last_id)?;
        for (&id, message) in &self.messages {
            self.message_bytes += message.content.bytes();
            self.index.insert(id, message, self.last_receipt)?;
        }
        Ok(())
    }

    #[cfg(feature = "planted")]
    pub(super) fn forget_timers(&mut self) {
        for (&id, message) in &mut self.messages {
            if let Place::InFlight { until_ms, .. } = &mut message.place {
                self.index.deadlines.remove(&(*until_ms, id));
                *until_ms = u64::MAX;
                self.index.deadlines.insert((*until_ms, id));
            }
        }
    }

    /// The mistake of MQ-21: what is in flight counts as delivered anew.
    #[cfg(feature = "planted")]
    pub(super) fn count_again(&mut self) {
        for id in self.index.in_flight.values() {
            message_mut(&mut self.messages, *id).deliveries += 1;
        }
    }

    #[cfg(feature = "planted")]
    pub(super) fn forget_producers(&mut self) {
        self.producers = Producers::default();
    }

    #[cfg(feature = "planted")]
    pub(super) fn forget_hidden(&mut self) {
        self.messages
            .retain(|_, message| message.place == Place::Ready);
    }

    /// The id of each message: that of the first for a repeat, else the next free one.
    fn assign_ids(&self, messages: &[NewMessage]) -> Result<Vec<MessageId>, Refusal> {
        let mut last_id = self.last_id;
        let mut in_batch = BTreeMap::new();
        let mut ids = Vec::with_capacity(messages.len());
        for message in messages {
            let mut known = None;
            if let Some((producer, sequence)) = &message.dedup {
                known = match in_batch.get(&(producer, sequence)) {
                    Some(&id) => Some(id),
                    None => self.producers.find(producer, *sequence)?,
                };
            }
            let id = known.unwrap_or(last_id + 1);
            last_id = last_id.max(id);
            if let Some((producer, sequence)) = &message.dedup {
                in_batch.insert((producer, sequence), id);
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// Makes a receipt invalid; the message it was for is in no index until it is placed.
    fn void_receipt(&mut self, receipt: Receipt) -> Option<MessageId> {
        let id = self.index.in_flight.remove(&receipt)?;
        if let Place::InFlight { until_ms, .. } = self.messages[&id].place {
            self.index.deadlines.remove(&(until_ms, id));
        }
        Some(id)
    }

    /// Ends a delivery without success: the message returns, or leaves as a dead letter.
    fn give_back(&mut self, now: Moment, id: MessageId, delay_ms: u64) -> Option<Message> {
        if self.is_spent(id) {
            self.dead_lettered += 1;
            return Some(self.remove(id));
        }
        if planted::active(Bug::GroupNotHeldBack)
            && let Some(group) = self.messages[&id].content.group.clone()
        {
            self.index.join_group(&group, id);
        }
        self.put_back(now, id, delay_ms);
        None
    }

    /// Whether the message has been delivered as often as it may be.
    fn is_spent(&self, id: MessageId) -> bool {
        let limit = self.settings.max_deliveries;
        limit > 0 && self.messages[&id].deliveries >= limit
    }

    /// Places a message that is in no index: delayed, or ready.
    fn put_back(&mut self, now: Moment, id: MessageId, delay_ms: u64) {
        let message = message_mut(&mut self.messages, id);
        if delay_ms > 0 {
            let until_ms = now.served_after(delay_ms);
            message.place = Place::Delayed { until_ms };
            self.index.deadlines.insert((until_ms, id));
        } else {
            message.place = Place::Ready;
            self.gained |= self.index.offer(id, message);
        }
    }

    /// Takes a message out for good, and lets the next of its group come forward.
    fn remove(&mut self, id: MessageId) -> Message {
        let message = self
            .messages
            .remove(&id)
            .expect("a settled message is in the queue");
        self.message_bytes -= message.content.bytes();
        if !planted::active(Bug::GroupNotHeldBack) {
            self.pass_on(message.content.group.as_deref());
        }
        message
    }

    /// Lets the next of a group come forward.
    fn pass_on(&mut self, group: Option<&str>) {
        if let Some(next) = group.and_then(|group| self.index.leave_group(group)) {
            self.gained |= self.index.offer(next, &self.messages[&next]);
        }
    }
}

/// A message that an index names.
fn message_mut(messages: &mut BTreeMap<MessageId, Message>, id: MessageId) -> &mut Message {
    messages
        .get_mut(&id)
        .expect("an index names a message of the queue")
}
