//! Several commands in one entry of the log, with nothing between them.
//!
//! Nodes put the pipelined commands of a connection into one, and clients ask for it with
//! `MULTI`. A step that is refused does not undo the others, as in Redis.

use bytes::Bytes;

use super::command::{
    Delivery, Found, ListCommand, MessageId, Popped, Refusal, Reply, Step, StringCommand,
    Versioned, bytes_of,
};
use super::{Effects, Moment, State};

/// Most bytes of values, payloads and keys in one reply; those of a transaction count
/// together.
pub const LARGEST_REPLY: usize = 64 * 1024 * 1024;
/// Most values of lists that the steps of a transaction look at together, so that no entry takes
/// long.
const MOST_LOOKED_AT: usize = 16 * 1024 * 1024;

impl State {
    pub(super) fn execute_transaction(
        &mut self,
        now: Moment,
        watched: &[(Bytes, u64)],
        steps: &[Step],
        effects: &mut Effects,
    ) -> Reply {
        let is_unchanged = |(key, version): &(Bytes, u64)| self.cache.version(key) == *version;
        if !watched.iter().all(is_unchanged) {
            return Reply::Transaction(None);
        }
        let (mut bytes_left, mut looks_left) = (LARGEST_REPLY, MOST_LOOKED_AT);
        let replies = steps.iter().map(|step| {
            match looks_left.checked_sub(self.looked_at(step)) {
                Some(left) => looks_left = left,
                None => return Reply::Refused(Refusal::TooLarge),
            }
            if self.bytes_taken(step) > bytes_left {
                return Reply::Refused(Refusal::ReplyTooLarge);
            }
            match bytes_left.checked_sub(self.bytes_copied(step)) {
                Some(left) => bytes_left = left,
                None => return Reply::Refused(Refusal::TooLarge),
            }
            let reply = self.execute_step(now, step, effects);
            match bytes_left.checked_sub(reply.payload_bytes()) {
                Some(left) => bytes_left = left,
                None => return Reply::Refused(Refusal::ReplyTooLarge),
            }
            reply
        });
        Reply::Transaction(Some(replies.collect()))
    }

    /// How long the value is that the step changes and replies with: known before it is done,
    /// so that what cannot be replied with is not lost.
    fn bytes_taken(&self, step: &Step) -> usize {
        match step {
            Step::String(
                StringCommand::GetDelete { key }
                | StringCommand::GetExpire { key, .. }
                | StringCommand::Set {
                    key,
                    give_old: true,
                    ..
                },
            ) => {
                let text = self.cache.text(key).ok().flatten();
                text.map_or(0, |text| text.len())
            }
            Step::List(ListCommand::Pop { keys, end, count }) => {
                self.cache.bytes_popped(keys, *end, *count)
            }
            Step::List(ListCommand::Move { from, take, .. }) => {
                self.cache.bytes_popped([from], *take, 1)
            }
            _ => 0,
        }
    }

    /// What the copy of a list takes that the step makes: a few words of a client must not become
    /// gigabytes.
    fn bytes_copied(&self, step: &Step) -> usize {
        match step {
            Step::String(StringCommand::Copy { from, .. }) => self.cache.bytes_copied(from),
            _ => 0,
        }
    }

    /// How many values of lists the step may have to look at.
    fn looked_at(&self, step: &Step) -> usize {
        match step {
            Step::List(command) => self.cache.looked_at(command),
            Step::Read(query) => self.cache.looked_at_to_read(query),
            _ => 0,
        }
    }

    fn execute_step(&mut self, now: Moment, step: &Step, effects: &mut Effects) -> Reply {
        match step {
            Step::Queue(command) => self.queues.apply(now, command, effects),
            Step::Cache(command) => self.cache.apply(now, &self.limits, command, effects),
            Step::String(command) => (self.cache).apply_string(now, &self.limits, command, effects),
            Step::List(command) => (self.cache).apply_list(now, &self.limits, command, effects),
            Step::Read(query) => self.read(query),
        }
    }
}

impl Reply {
    /// What a recorded reply takes, by our account. Values are shared with the state while they
    /// are in it; counted they are here as well, since they stay here when they leave it.
    pub(super) fn bytes(&self) -> u64 {
        let items = match self {
            Reply::Messages(messages) => messages.len() * size_of::<Delivery>(),
            Reply::Published { ids } => ids.len() * size_of::<MessageId>(),
            Reply::Values(values) => values.len() * size_of::<Option<Versioned>>(),
            _ => 0,
        };
        (items + self.payload_bytes()) as u64
    }

    /// Bytes of the values, payloads and keys that the reply carries, and of the places of those
    /// of lists.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Reply::Messages(messages) => messages.iter().map(|m| m.payload.len()).sum(),
            Reply::Values(values) => values.iter().flatten().map(|v| v.value.len()).sum(),
            Reply::Text(text) => text.as_ref().map_or(0, Bytes::len),
            Reply::Keys(all) | Reply::Scanned { keys: all, .. } => all.iter().map(Bytes::len).sum(),
            Reply::Elements(all) => bytes_of(all),
            Reply::Positions(positions) => size_of_val(&positions[..]),
            Reply::Found(found) => {
                let texts = found.iter().flatten().filter_map(Found::text);
                texts.map(|text| text.value.len()).sum()
            }
            Reply::Popped(popped) => popped.as_ref().map_or(0, Popped::bytes),
            Reply::Listed { rows, .. } => rows.iter().map(|row| row.name.len()).sum(),
            Reply::Transaction(replies) => {
                let replies = replies.iter().flatten();
                replies.map(Reply::payload_bytes).sum()
            }
            _ => 0,
        }
    }
}
