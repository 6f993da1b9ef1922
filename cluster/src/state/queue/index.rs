//! Indexes the messages of one queue: deliverable, in flight, due, by group.
//!
//! Nothing here is primary: it is not in the snapshot, and a decoded queue rebuilds it from
//! its messages. The tests hold the rebuilt index against the one kept up to date.

use super::message::{Message, Place};
use crate::state::command::{MessageId, Receipt};
use crate::state::snapshot::{DecodeError, ensure};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What follows from the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Deliverable messages: inverted priority, then id.
    pub(super) ready: BTreeSet<(u8, MessageId)>,
    pub(super) in_flight: BTreeMap<Receipt, MessageId>,
    /// (deadline, id) of what is delayed or in flight.
    pub(super) deadlines: BTreeSet<(u64, MessageId)>,
    /// The messages of each group, in publish order.
    groups: BTreeMap<String, VecDeque<MessageId>>,
}

impl Index {
    /// Makes a message deliverable if it is ready and first of its group.
    pub(super) fn offer(&mut self, id: MessageId, message: &Message) -> bool {
        let is_deliverable = message.place == Place::Ready && self.is_first(id, message);
        if is_deliverable {
            self.ready.insert((u8::MAX - message.content.priority, id));
        }
        is_deliverable
    }

    pub(super) fn join_group(&mut self, group: &str, id: MessageId) {
        if let Some(members) = self.groups.get_mut(group) {
            members.push_back(id);
        } else {
            self.groups.insert(group.to_owned(), VecDeque::from([id]));
        }
    }

    /// Takes out the first of a group, the only one that can be settled; returns the next.
    pub(super) fn leave_group(&mut self, group: &str) -> Option<MessageId> {
        let members = self.groups.get_mut(group)?;
        members.pop_front();
        let next = members.front().copied();
        if next.is_none() {
            self.groups.remove(group);
        }
        next
    }

    /// Adds a decoded message; messages come in order of id.
    pub(super) fn insert(
        &mut self,
        id: MessageId,
        message: &Message,
        last_receipt: Receipt,
    ) -> Result<(), DecodeError> {
        if let Some(group) = &message.content.group {
            self.join_group(group, id);
        }
        match message.place {
            Place::Ready => {
                self.offer(id, message);
            }
            Place::Delayed { until_ms } => {
                self.deadlines.insert((until_ms, id));
            }
            Place::InFlight { receipt, until_ms } => {
                let is_first = self.is_first(id, message);
                ensure(is_first, "two of a group in flight, or out of order")?;
                ensure(receipt <= last_receipt, "a receipt beyond the last one")?;
                self.deadlines.insert((until_ms, id));
                let before = self.in_flight.insert(receipt, id);
                ensure(before.is_none(), "two messages with one receipt")?;
            }
        }
        Ok(())
    }

    /// Whether nothing of the message's group comes before it.
    fn is_first(&self, id: MessageId, message: &Message) -> bool {
        let group = message.content.group.as_ref();
        group.is_none_or(|group| self.groups[group].front() == Some(&id))
    }
}
