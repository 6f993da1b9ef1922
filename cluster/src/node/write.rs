//! Writes: from a command to the reply of the entry that carried it.
//!
//! Errors are of two kinds, and the difference is what clients live by: a definite error
//! says that the command had no effect and may be sent elsewhere; an indefinite one says
//! that it may have been, or may yet be, executed.

use std::time::Duration;

use openraft::error::{ClientWriteError, RaftError};

use super::Node;
use super::work::Stages;
use crate::protocol::{CLUSTER_DOWN, moved, try_again, unknown_outcome};
use crate::raft::{Proposal, RaftWorld};
use crate::state::command::{Command, LockCommand, Once, Reply, Request};
use crate::world;

/// A node gives up on a write after this long; the outcome is then unknown.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long a fresh leader makes a client wait for its `NewLeader` entry.
const READY_LIMIT: Duration = Duration::from_secs(2);

/// Why a node did not answer a call with a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Definite: another node leads; its client address.
    #[error("the leader is at {0}")]
    NotLeader(String),
    /// Definite: no leader is known here.
    #[error("{CLUSTER_DOWN}")]
    NoLeader,
    /// Definite: cannot be served now.
    #[error("{0}")]
    NotNow(String),
    /// Indefinite: it may have taken effect, or may yet.
    #[error("{0}")]
    Unknown(String),
    /// Definite: wrong in itself.
    #[error("{0}")]
    Invalid(String),
}

impl NodeError {
    /// The text of the RESP error; `slot` is that of the command's key.
    pub(super) fn to_resp(&self, slot: u16) -> String {
        match self {
            NodeError::NotLeader(address) => moved(slot, address),
            NodeError::NoLeader => CLUSTER_DOWN.into(),
            NodeError::NotNow(why) => try_again(why),
            NodeError::Unknown(why) => unknown_outcome(why),
            NodeError::Invalid(why) => format!("ERR {why}"),
        }
    }
}

impl<W: RaftWorld> Node<W> {
    /// Executes a client's command. `poll_ms` is how long a receive that finds nothing waits
    /// for a message.
    pub(super) async fn write(
        &self,
        once: Option<Once>,
        command: Command,
        poll_ms: u64,
    ) -> Result<Reply, NodeError> {
        let arrived = W::now();
        self.await_ready().await?;
        #[cfg(feature = "planted")]
        self.dawdle().await;
        #[cfg(feature = "planted")]
        if let Some(answer) = self.mistaken_answer(once, &command).await {
            return answer;
        }
        let deadline = W::now() + Duration::from_millis(poll_ms);
        let mut stages = Stages {
            held: W::now() - arrived,
            ..Stages::default()
        };
        let reply = loop {
            let ready = self.inner.machine.queue_ready();
            let (reply, of_entry) = self.propose_timed(once, command.clone()).await?;
            stages.add(of_entry);
            let begun = W::now();
            match reply {
                Reply::Waiting { waiter } => {
                    let reply = self.await_wake(waiter, wait_ms(&command)).await?;
                    stages.waited += W::now() - begun;
                    break reply;
                }
                Reply::Messages(messages) if messages.is_empty() && begun < deadline => {
                    // A timeout is no error: the last look decides.
                    let _ = world::timeout_at::<W, _>(deadline, ready).await;
                    stages.waited += W::now() - begun;
                }
                reply => break reply,
            }
        };
        self.inner
            .work
            .note_write(&command, W::now() - arrived, stages);
        self.tell_work();
        Ok(reply)
    }

    /// Proposes one command and waits for its entry to be applied here.
    pub(super) async fn propose(
        &self,
        once: Option<Once>,
        command: Command,
    ) -> Result<Reply, NodeError> {
        let timed = self.propose_timed(once, command).await;
        timed.map(|(reply, _)| reply)
    }

    async fn propose_timed(
        &self,
        once: Option<Once>,
        command: Command,
    ) -> Result<(Reply, Stages), NodeError> {
        let request = Request {
            time_ms: self.log_time_ms(),
            once,
            command,
        };
        let proposed = W::now();
        let write = self.inner.raft.client_write(Proposal::encode(&request));
        match world::timeout::<W, _>(WRITE_LIMIT, write).await {
            Err(_) => Err(NodeError::Unknown("no quorum answered in time".into())),
            Ok(Ok(response)) => {
                let moments = self.inner.log.moments(response.log_id.index);
                let stages = Stages::of(proposed, moments, W::now());
                Ok((response.data.0, stages))
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                Err(self.redirect())
            }
            Ok(Err(RaftError::APIError(e @ ClientWriteError::LogEntryDiscarded(_)))) => {
                Err(NodeError::Unknown(e.to_string()))
            }
            // Neither membership changes nor preconditions come this way.
            Ok(Err(RaftError::APIError(e))) => Err(NodeError::Invalid(e.to_string())),
            Ok(Err(RaftError::Fatal(e))) => Err(NodeError::Unknown(e.to_string())),
        }
    }

    /// The answer that a waiting acquire gets from a later entry.
    async fn await_wake(&self, waiter: u64, wait_ms: u64) -> Result<Reply, NodeError> {
        // The leader expires the wait in log time; this bound is for a leader that cannot.
        let limit = Duration::from_millis(wait_ms) + WRITE_LIMIT;
        let wake = self.inner.machine.wait_for(waiter);
        match world::timeout::<W, _>(limit, wake).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(NodeError::Unknown(
                "leadership was lost while waiting for the lock".into(),
            )),
            Err(_) => Err(NodeError::Unknown("no quorum answered in time".into())),
        }
    }

    /// Waits until this node, as leader, may serve writes.
    async fn await_ready(&self) -> Result<(), NodeError> {
        let deadline = W::now() + READY_LIMIT;
        loop {
            let applied = self.inner.machine.applied_some();
            if self.inner.machine.leading_term() == 0 || self.inner.stopping.get() {
                return Err(self.redirect());
            }
            if self.is_leading() {
                return Ok(());
            }
            let next_look = deadline.min(W::now() + Duration::from_millis(50));
            let _ = world::timeout_at::<W, _>(next_look, applied).await;
            if W::now() >= deadline {
                return Err(NodeError::NotNow("the new leader is not ready yet".into()));
            }
        }
    }

    /// Where to go instead.
    pub(super) fn redirect(&self) -> NodeError {
        let other = self.leader().filter(|(id, _)| *id != self.id());
        other.map_or(NodeError::NoLeader, |(_, address)| {
            NodeError::NotLeader(address)
        })
    }
}

fn wait_ms(command: &Command) -> u64 {
    match command {
        Command::Lock(LockCommand::Acquire { wait_ms, .. }) => *wait_ms,
        _ => 0,
    }
}
