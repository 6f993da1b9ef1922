//! Planted bugs of a node, beside the code that does the right thing.
//!
//! Compiled only with the feature `planted`. Each is what somebody in a hurry would write:
//! answering from memory what only the log can know. The bugs of the state machine, the log
//! store and reads stand where the right thing is done.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use openraft::LinearizerOption;

use super::work::Stages;
use super::write::Proposed;
use super::{Node, NodeError};
use crate::planted::{self, Bug};
use crate::protocol::ReadMode;
use crate::raft::RaftWorld;
use crate::state::command::{
    CacheCommand, Command, End, ListCommand, NewMessage, Once, Popped, Query, QueueCommand, Reply,
    SetCondition,
};
use crate::world::Instant;

/// How often a leader looks whether its own log has the entry.
const LOOK: Duration = Duration::from_micros(100);

/// A queue, a producer and its sequence.
type Published = (String, String, u64);

/// What the mistakes remember.
#[derive(Default)]
pub(super) struct Memory {
    /// MC-05: until when this node believes to have the lease.
    lease_until: Cell<Instant>,
    /// MQ-01: publishes of each queue that are acknowledged and not applied.
    under_way: RefCell<BTreeMap<String, u64>>,
    /// MQ-08: what was published, and its id once that is known.
    published: RefCell<BTreeMap<Published, Option<u64>>>,
    /// MC-24: values of lists that were given to clients, and whose pops are not applied.
    given: RefCell<Vec<(Bytes, Bytes)>>,
}

impl<W: RaftWorld> Node<W> {
    /// MC-05: whether the lease obtained last is thought to hold, whoever leads by now.
    pub(super) fn has_kept_lease(&self) -> bool {
        planted::active(Bug::LeaseKeptOnTransfer)
            && W::now() < self.inner.mistakes.lease_until.get()
    }

    pub(super) fn keep_lease(&self) {
        let lease = self.lease();
        self.inner.mistakes.lease_until.set(W::now() + lease);
    }

    /// MP-01: every write is held back for five milliseconds before it is proposed.
    pub(super) async fn dawdle(&self) {
        if planted::active(Bug::SlowWrites) {
            W::sleep(Duration::from_millis(5)).await;
        }
    }

    /// MQ-03: publishes the dead letters that were deleted in earlier entries.
    pub(super) async fn publish_dead_letters(&self) {
        if !planted::active(Bug::DeadLetterApart) {
            return;
        }
        for (queue, message) in self.inner.machine.take_dead_letters() {
            if self.is_leading() {
                let messages = vec![message];
                let publish = QueueCommand::Publish { queue, messages };
                // A failure goes unnoticed, as does everything after the deletion.
                let _ = self.propose(None, Command::Queue(publish)).await;
            }
        }
    }

    /// MC-22: each of several keys is a read of its own.
    pub(super) async fn read_apart(
        &self,
        mode: ReadMode,
        queries: &[Query],
    ) -> Option<Result<Vec<Reply>, NodeError>> {
        let [Query::Get { keys }] = queries else {
            return None;
        };
        if keys.len() < 2 || !planted::active(Bug::KeysReadApart) {
            return None;
        }
        let mut values = Vec::new();
        for key in keys {
            let keys = vec![key.clone()];
            match Box::pin(self.read(mode, &[Query::Get { keys }])).await {
                Ok(replies) => values.extend(replies.into_iter().flat_map(|reply| match reply {
                    Reply::Values(values) => values,
                    _ => Vec::new(),
                })),
                Err(e) => return Some(Err(e)),
            }
        }
        Some(Ok(vec![Reply::Values(values)]))
    }

    /// MC-18: the read index, without waiting until it is applied; otherwise the policy back.
    pub(super) async fn read_index_alone(
        &self,
        policy: LinearizerOption,
    ) -> Result<u64, LinearizerOption> {
        if !planted::active(Bug::ReadIndexNotAwaited) {
            return Err(policy);
        }
        let obtained = self.inner.raft.get_read_linearizer(policy.clone()).await;
        let obtained = obtained.map_err(|_| policy)?;
        Ok(obtained.read_log_id().index())
    }

    /// MC-20: the end of a lifetime is read from this node's wall clock.
    pub(super) fn mistaken_lifetime(&self, mut command: Command) -> Command {
        if let Command::Cache(CacheCommand::Set {
            ttl_ms: Some(ttl_ms),
            ..
        }) = &mut command
            && planted::active(Bug::DeadlineFromWallClock)
        {
            let ends_ms = W::wall_clock_ms() + *ttl_ms;
            *ttl_ms = ends_ms.saturating_sub(self.log_time_ms()).max(1);
        }
        command
    }

    /// MC-24: the next value that this node has in the list, which it proposes to pop.
    pub(super) fn pop_unconfirmed(
        &self,
        once: Option<Once>,
        command: &ListCommand,
    ) -> Option<Proposed> {
        let ListCommand::Pop { keys, end, .. } = command else {
            return None;
        };
        let key = keys
            .first()
            .filter(|_| planted::active(Bug::PopUnconfirmed));
        let key = key?.clone();
        let (first, last) = (0, -1);
        let whole = Query::ListRange {
            key: key.clone(),
            first,
            last,
        };
        let Reply::Elements(mut values) = self.inner.machine.state().read(&whole) else {
            return None;
        };
        if *end == End::Right {
            values.reverse();
        }
        let given = &self.inner.mistakes.given;
        let is_left = |value: &Bytes| !given.borrow().contains(&(key.clone(), value.clone()));
        let value = values.into_iter().find(is_left)?;
        given.borrow_mut().push((key.clone(), value.clone()));
        let (node, command) = (self.clone(), command.clone());
        let reply = Reply::Popped(Some(Popped {
            key: key.clone(),
            values: vec![value.clone()],
        }));
        W::spawn(async move {
            // A failure goes unnoticed: the client has its value.
            let _ = node.propose(once, Command::List(command)).await;
            let mut given = node.inner.mistakes.given.borrow_mut();
            given.retain(|one| *one != (key.clone(), value.clone()));
        });
        Some(Proposed {
            index: 0,
            reply,
            stages: Stages::default(),
        })
    }

    /// MC-26: a move is a pop, and then a push of what that took.
    pub(super) async fn move_in_two(
        &self,
        once: Option<Once>,
        command: &Command,
    ) -> Option<Result<Proposed, NodeError>> {
        let Command::List(ListCommand::Move {
            from,
            to,
            take,
            put,
        }) = command
        else {
            return None;
        };
        if !planted::active(Bug::MoveInTwo) {
            return None;
        }
        let pop = ListCommand::Pop {
            keys: vec![from.clone()],
            end: *take,
            count: 1,
        };
        let popped = Box::pin(self.propose_timed(once, Command::List(pop))).await;
        let Ok(Proposed {
            reply: Reply::Popped(Some(Popped { values, .. })),
            ..
        }) = &popped
        else {
            return Some(popped);
        };
        let push = ListCommand::Push {
            key: to.clone(),
            values: values.clone(),
            end: *put,
            if_present: false,
        };
        match Box::pin(self.propose(None, Command::List(push))).await {
            Ok(_) => Some(popped),
            Err(e) => Some(Err(e)),
        }
    }

    /// The answer of a bug that thinks it knows better than the log.
    pub(super) async fn mistaken_answer(
        &self,
        once: Option<Once>,
        command: &Command,
    ) -> Option<Result<Reply, NodeError>> {
        match command {
            Command::Cache(CacheCommand::Set {
                key,
                value,
                ttl_ms,
                keep_ttl,
                condition: SetCondition::IfVersion(expected),
            }) if planted::active(Bug::CompareThenSet) => {
                let keys = vec![key.clone()];
                let found = self.inner.machine.state().read(&Query::Get { keys });
                let version = match &found {
                    Reply::Values(values) => values[0].as_ref().map_or(0, |found| found.version),
                    _ => return None,
                };
                if version != *expected {
                    return Some(Ok(Reply::Stored { version: None }));
                }
                let set = CacheCommand::Set {
                    key: key.clone(),
                    value: value.clone(),
                    ttl_ms: *ttl_ms,
                    keep_ttl: *keep_ttl,
                    condition: SetCondition::Always,
                };
                Some(self.propose(once, Command::Cache(set)).await)
            }
            Command::Queue(QueueCommand::Publish { queue, messages }) => {
                if planted::active(Bug::AckBeforeCommit) {
                    return self
                        .publish_unconfirmed(once, command, queue, messages)
                        .await;
                }
                if planted::active(Bug::DedupBeforeCommit) {
                    return self
                        .publish_remembered(once, command, queue, messages)
                        .await;
                }
                None
            }
            _ => None,
        }
    }

    /// MQ-01: answers as soon as the leader's own log has the entry.
    async fn publish_unconfirmed(
        &self,
        once: Option<Once>,
        command: &Command,
        queue: &str,
        messages: &[NewMessage],
    ) -> Option<Result<Reply, NodeError>> {
        let count = messages.len() as u64;
        let first = self.next_id(queue);
        let before = self.inner.log.last_index();
        self.note_under_way(queue, |under_way| under_way + count);
        let (node, command, queue) = (self.clone(), command.clone(), queue.to_owned());
        W::spawn(async move {
            let _ = node.propose(once, command).await;
            node.note_under_way(&queue, |under_way| under_way - count);
        });
        while self.inner.log.last_index() == before {
            if self.inner.machine.leading_term() == 0 {
                return None;
            }
            W::sleep(LOOK).await;
        }
        let ids = (first..first + count).collect();
        Some(Ok(Reply::Published { ids }))
    }

    /// MQ-08: a sequence seen before is a duplicate, whatever became of it.
    async fn publish_remembered(
        &self,
        once: Option<Once>,
        command: &Command,
        queue: &str,
        messages: &[NewMessage],
    ) -> Option<Result<Reply, NodeError>> {
        let [message] = messages else { return None };
        let (producer, sequence) = message.dedup.clone()?;
        let key = (queue.to_owned(), producer, sequence);
        let known = self.inner.mistakes.published.borrow().get(&key).copied();
        if let Some(id) = known {
            let ids = vec![id.unwrap_or_else(|| self.next_id(queue))];
            return Some(Ok(Reply::Published { ids }));
        }
        let published = &self.inner.mistakes.published;
        published.borrow_mut().insert(key.clone(), None);
        let reply = self.propose(once, command.clone()).await;
        if let Ok(Reply::Published { ids }) = &reply {
            published.borrow_mut().insert(key, ids.first().copied());
        }
        Some(reply)
    }

    /// The id that the next message of a queue will probably get.
    fn next_id(&self, queue: &str) -> u64 {
        let name = queue.to_owned();
        let info = self
            .inner
            .machine
            .state()
            .read(&Query::Queue { queue: name });
        let published = match info {
            Reply::QueueInfo(Some(info)) => info.published,
            _ => 0,
        };
        let under_way = self.inner.mistakes.under_way.borrow();
        published + under_way.get(queue).copied().unwrap_or(0) + 1
    }

    fn note_under_way(&self, queue: &str, change: impl Fn(u64) -> u64) {
        let mut under_way = self.inner.mistakes.under_way.borrow_mut();
        let count = under_way.entry(queue.to_owned()).or_default();
        *count = change(*count);
    }
}
