//! Takes values from lists for clients that wait for them: in the order in which they came.
//!
//! Waits are known to the leader alone, and cost the log nothing: a pop is proposed when there
//! is something to pop for whoever is first in line, as this node knows it, and the log decides.
//! The end of a wait is answered once the node has proved that it still leads.
//!
//! A client that goes away leaves the line. Where its pop was on its way, what that took is put
//! back at the end that it came from, which is an attempt: it is lost if this node leads no more.
//!
//! Under a sequence, whoever asks again must hear of what was taken for him, even if there is
//! nothing now: a pop from no list at all is answered from the record, and is none otherwise.

use std::time::Duration;

use bytes::Bytes;
use openraft::ReadPolicy;
use tokio::sync::oneshot;

use super::work::Stages;
use super::write::Proposed;
use super::{Node, NodeError};
use crate::planted::{self, Bug};
use crate::protocol::FOREVER_MS;
use crate::raft::RaftWorld;
use crate::raft::lines::Place;
use crate::state::command::{Command, End, Kind, ListCommand, Once, Popped, Refusal, Reply};
use crate::world;
use crate::world::point::Point;

/// A client in line, until it has what it waits for, or gives up.
struct InLine<'a, W: RaftWorld> {
    node: &'a Node<W>,
    place: Place,
}

impl<W: RaftWorld> Drop for InLine<'_, W> {
    fn drop(&mut self) {
        let machine = &self.node.inner.machine;
        machine.lines().leave(&self.place);
        if planted::active(Bug::NextNotCalled) {
            return;
        }
        // Whoever was behind it may be the first now.
        for key in self.place.keys() {
            let length = machine.state().list_length(key);
            machine.lines().call(key, length);
        }
    }
}

impl<W: RaftWorld> InLine<'_, W> {
    /// Those of the keys with more values than clients before this one.
    fn turns(&self) -> Vec<Bytes> {
        let machine = &self.node.inner.machine;
        let keys = self.place.keys().iter();
        let has_turn = |key: &&Bytes| {
            let length = machine.state().list_length(key);
            machine.lines().is_among(&self.place, key, length)
        };
        keys.filter(has_turn).cloned().collect()
    }

    /// Whether the first of the keys that is there holds something else than a list: as in Redis,
    /// that is an error for a client that comes, and not for one that waits already.
    fn is_mistaken(&self) -> bool {
        let state = self.node.inner.machine.state();
        let mut kinds = self.place.keys().iter().map(|key| state.kind_of(key));
        kinds.find_map(|kind| kind) == Some(Kind::Text)
    }
}

impl<W: RaftWorld> Node<W> {
    /// Waits until it is the client's turn to take something, for `wait_ms` at most.
    pub(super) async fn take_in_turn(
        &self,
        once: Option<Once>,
        command: &ListCommand,
        wait_ms: u64,
        stages: &mut Stages,
    ) -> Result<Reply, NodeError> {
        let deadline = match wait_ms {
            FOREVER_MS => None,
            wait_ms => Some(W::now() + Duration::from_millis(wait_ms)),
        };
        let place = self.inner.machine.lines().join(waited_for(command));
        let line = InLine { node: self, place };
        // Who came into line after the last call of this term would not hear of its end.
        self.await_ready().await?;
        if let Some(recorded) = self.recorded(once, command, stages).await? {
            return Ok(recorded);
        }
        if line.is_mistaken() {
            let proposed = self.take(once, command.clone()).await?;
            stages.add(proposed.stages);
            if proposed.reply != Reply::Popped(None) {
                return Ok(proposed.reply);
            }
        }
        loop {
            let turns = line.turns();
            if !turns.is_empty() {
                W::pass(Point::ListBeforeTake).await;
                let proposed = self.take(once, only_from(command, turns)).await?;
                stages.add(proposed.stages);
                if proposed.reply != Reply::Popped(None) {
                    return Ok(proposed.reply);
                }
                // Somebody who does not wait was faster.
                continue;
            }
            let begun = W::now();
            let called = line.place.called();
            let is_called = match deadline {
                None => {
                    called.await;
                    true
                }
                Some(deadline) => world::timeout_at::<W, _>(deadline, called).await.is_ok(),
            };
            stages.waited += W::now() - begun;
            // Another term may have begun, or this node may lead no more.
            self.await_ready().await?;
            if !is_called && line.turns().is_empty() {
                if once.is_none() {
                    self.confirm(ReadPolicy::ReadIndex).await?;
                } else if let Some(recorded) = self.recorded(once, command, stages).await? {
                    return Ok(recorded);
                }
                if line.turns().is_empty() {
                    return Ok(Reply::Popped(None));
                }
            }
        }
    }

    /// What the log has to say of this sequence without taking anything: what it was answered
    /// with before, or that it cannot be executed.
    async fn recorded(
        &self,
        once: Option<Once>,
        command: &ListCommand,
        stages: &mut Stages,
    ) -> Result<Option<Reply>, NodeError> {
        let Some(asked) = once else {
            return Ok(None);
        };
        let nothing = ListCommand::Pop {
            keys: Vec::new(),
            end: End::Left,
            count: 1,
        };
        let proposed = self.propose_timed(once, Command::List(nothing)).await?;
        stages.add(proposed.stages);
        let state = self.inner.machine.state();
        let is_reused = state.is_reused(asked, &Command::List(command.clone()));
        if is_reused && !planted::active(Bug::MoveInTwo) {
            return Ok(Some(Reply::Refused(Refusal::SequenceReused)));
        }
        Ok(Some(proposed.reply).filter(|reply| *reply != Reply::Popped(None)))
    }

    /// Proposes a pop, to its end whatever becomes of the client.
    async fn take(&self, once: Option<Once>, command: ListCommand) -> Result<Proposed, NodeError> {
        #[cfg(feature = "planted")]
        if let Some(proposed) = self.pop_unconfirmed(once, &command) {
            return Ok(proposed);
        }
        let (sender, receiver) = oneshot::channel();
        let node = self.clone();
        W::spawn(async move {
            let sequence = once.filter(|_| !planted::active(Bug::SequenceDropped));
            let proposed = node
                .propose_timed(sequence, Command::List(command.clone()))
                .await;
            W::pass(Point::ListTaken).await;
            // Under a sequence the client can ask for it again.
            if let Err(Ok(proposed)) = sender.send(proposed)
                && once.is_none()
            {
                node.put_back(command, proposed.reply).await;
            }
        });
        let stopped = |_| Err(NodeError::Unknown("the node stops".into()));
        receiver.await.unwrap_or_else(stopped)
    }

    /// Puts back what a client does not get that has gone away.
    async fn put_back(&self, command: ListCommand, reply: Reply) {
        // What was moved to another list is there.
        let (ListCommand::Pop { end, .. }, Reply::Popped(Some(Popped { key, values }))) =
            (command, reply)
        else {
            return;
        };
        let command = ListCommand::Push {
            key,
            values: values.into_iter().rev().collect(),
            end,
            if_present: false,
        };
        match self.propose(None, Command::List(command)).await {
            Ok(Reply::Size(_)) => {}
            // It may have become longer meanwhile, or something else.
            Ok(reply) => tracing::warn!(
                "what a client that has gone had taken of a list is not put back: {reply:?}"
            ),
            Err(e) => tracing::warn!("a client that has gone had taken something of a list: {e}"),
        }
    }
}

/// The lists that a command takes from.
fn waited_for(command: &ListCommand) -> &[Bytes] {
    match command {
        ListCommand::Pop { keys, .. } => keys,
        ListCommand::Move { from, .. } => std::slice::from_ref(from),
        _ => &[],
    }
}

/// The command on those of its lists whose turn it is.
fn only_from(command: &ListCommand, turns: Vec<Bytes>) -> ListCommand {
    match command {
        ListCommand::Pop { end, count, .. } => ListCommand::Pop {
            keys: turns,
            end: *end,
            count: *count,
        },
        other => other.clone(),
    }
}
