//! Writes: from a command to the reply of the entry that carried it.
//!
//! Errors are of two kinds, and the difference is what clients live by: a definite error
//! says that the command had no effect and may be sent elsewhere; an indefinite one says
//! that it may have been, or may yet be, executed.

use std::time::Duration;

use openraft::error::{ClientWriteError, RaftError};

use super::Node;
use super::work::Stages;
use crate::protocol::{
    CLUSTER_DOWN, FOREVER_MS, MAX_REQUEST_BYTES, moved, out_of_memory, try_again, unknown_outcome,
};
use crate::raft::wire::MAX_FRAME_BYTES;
use crate::raft::{Proposal, RaftWorld, TypeConfig};
use crate::state::LONGEST_MS;
use crate::state::command::{Command, LockCommand, Once, QueueCommand, Refusal, Reply, Request};
use crate::world::point::Point;
use crate::world::{self, Instant};

/// A node gives up on a write after this long; the outcome is then unknown.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long a fresh leader makes a client wait for its `NewLeader` entry.
const READY_LIMIT: Duration = Duration::from_secs(2);

/// Largest entry that is proposed. One that no frame can carry to the others, or that no batch of
/// the log takes, would be the end of every leader in turn.
const LARGEST_PROPOSAL: usize = MAX_REQUEST_BYTES + (16 << 20);
const _: () = assert!(
    LARGEST_PROPOSAL + (1 << 20) <= MAX_FRAME_BYTES,
    "a frame carries it"
);

/// What Raft says of an entry that it was given.
pub(super) type ProposalError<W> = RaftError<TypeConfig<W>, ClientWriteError<TypeConfig<W>>>;
/// All that a client hears of Raft's end on this node. Errors of Raft are for its log.
pub(super) const ENDED: &str = "this node has stopped; why is in its log";

/// What became of a proposal.
pub(super) struct Proposed {
    /// Of its entry.
    pub(super) index: u64,
    pub(super) reply: Reply,
    pub(super) stages: Stages,
}

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
    /// Definite: there is no memory for what makes the state grow.
    #[error("{0}")]
    OutOfMemory(String),
}

impl NodeError {
    /// Why a proposal was not answered, where nothing is known of another leader to ask.
    pub(super) fn of_proposal<W: RaftWorld>(error: &ProposalError<W>) -> Self {
        match error {
            // What became of the entry may be another leader's to say.
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
                Self::Unknown("another leader took over".into())
            }
            RaftError::APIError(_) => Self::Invalid("not proposed".into()),
            RaftError::Fatal(_) => Self::Unknown(ENDED.into()),
        }
    }

    /// The text of the RESP error; `slot` is that of the command's key.
    pub(super) fn to_resp(&self, slot: u16) -> String {
        match self {
            NodeError::NotLeader(address) => moved(slot, address),
            NodeError::NoLeader => CLUSTER_DOWN.into(),
            NodeError::NotNow(why) => try_again(why),
            NodeError::Unknown(why) => unknown_outcome(why),
            NodeError::Invalid(why) => format!("ERR {why}"),
            NodeError::OutOfMemory(why) => out_of_memory(why),
        }
    }
}

impl<W: RaftWorld> Node<W> {
    /// Executes a client's command; dropping the future ends a wait of it, and so is what to do
    /// when the client has gone. `poll_ms` is how long a receive that finds nothing waits
    /// for a message, and a pop for a value.
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
        let is_of_list = matches!(command, Command::List(_));
        if poll_ms > LONGEST_MS && !(is_of_list && poll_ms == FOREVER_MS) {
            return Ok(Reply::Refused(Refusal::OutOfRange));
        }
        self.must_keep_up().await?;
        self.must_have_space(&command)?;
        self.must_be_known(&command).await?;
        let mut stages = Stages {
            held: W::now() - arrived,
            ..Stages::default()
        };
        let reply = match &command {
            Command::List(command) if poll_ms > 0 => {
                (self.take_in_turn(once, command, poll_ms, &mut stages)).await?
            }
            _ => (self.execute(once, &command, poll_ms, &mut stages)).await?,
        };
        W::pass(Point::WriteBeforeAnswer).await;
        self.inner
            .work
            .note_write(&command, W::now() - arrived, stages);
        self.tell_work();
        Ok(reply)
    }

    /// Proposes a command, and again as long as it waits for messages of a queue.
    async fn execute(
        &self,
        once: Option<Once>,
        command: &Command,
        poll_ms: u64,
        stages: &mut Stages,
    ) -> Result<Reply, NodeError> {
        let deadline = W::now() + Duration::from_millis(poll_ms);
        let _next = PassOn {
            node: self,
            command,
        };
        loop {
            let proposed = self.propose_timed(once, command.clone()).await?;
            stages.add(proposed.stages);
            let begun = W::now();
            match proposed.reply {
                Reply::Waiting { waiter } => {
                    // What a sequence is answered with must be how its wait really ended.
                    let is_own = waiter == proposed.index || once.is_some();
                    let reply = self.await_wake(waiter, wait_ms(command), is_own).await?;
                    stages.waited += W::now() - begun;
                    return Ok(reply);
                }
                Reply::Messages(messages) if messages.is_empty() && begun < deadline => {
                    let found = self.await_message(command, deadline).await?;
                    stages.waited += W::now() - begun;
                    if !found {
                        return Ok(Reply::Messages(messages));
                    }
                }
                reply => return Ok(reply),
            }
        }
    }

    /// Proposes one command and waits for its entry to be applied here.
    pub(super) async fn propose(
        &self,
        once: Option<Once>,
        command: Command,
    ) -> Result<Reply, NodeError> {
        let proposed = self.propose_timed(once, command).await;
        proposed.map(|proposed| proposed.reply)
    }

    pub(super) async fn propose_timed(
        &self,
        once: Option<Once>,
        command: Command,
    ) -> Result<Proposed, NodeError> {
        #[cfg(feature = "planted")]
        let command = self.mistaken_lifetime(command);
        #[cfg(feature = "planted")]
        if let Some(moved) = self.move_in_two(once, &command).await {
            return moved;
        }
        let request = Request {
            time_ms: self.log_time_ms(),
            once,
            command,
        };
        let proposed = W::now();
        let _proposing = self.inner.hand_over.propose();
        let proposal = Proposal::encode(&request);
        if proposal.0.len() > LARGEST_PROPOSAL {
            return Err(NodeError::Invalid(format!(
                "the command takes {} bytes in the log, and may take {LARGEST_PROPOSAL}",
                proposal.0.len()
            )));
        }
        let _waits = self.inner.backlog.begin(proposed, proposal.0.len());
        let write = self.inner.raft.client_write(proposal);
        match world::timeout::<W, _>(WRITE_LIMIT, write).await {
            Err(_) => Err(NodeError::Unknown("no quorum answered in time".into())),
            Ok(Ok(response)) => {
                let index = response.log_id.index;
                let moments = self.inner.log.moments(index);
                Ok(Proposed {
                    index,
                    reply: response.data.0,
                    stages: Stages::of(proposed, moments, W::now()),
                })
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                Err(self.await_redirect().await)
            }
            Ok(Err(e)) => Err(NodeError::of_proposal(&e)),
        }
    }

    /// The answer that a waiting acquire gets from a later entry. One that found an earlier
    /// wait of its session in the line waits with it, but no longer than it had asked.
    async fn await_wake(
        &self,
        waiter: u64,
        wait_ms: u64,
        is_own: bool,
    ) -> Result<Reply, NodeError> {
        let mut limit = Duration::from_millis(wait_ms);
        if is_own {
            // The leader expires the wait in log time; this is for one that cannot.
            limit += WRITE_LIMIT;
        }
        let wake = self.inner.machine.wait_for(waiter);
        match world::timeout::<W, _>(limit, wake).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(NodeError::Unknown(
                "leadership was lost while waiting for the lock".into(),
            )),
            Err(_) if !is_own => Ok(Reply::NotGranted),
            Err(_) => Err(NodeError::Unknown("no quorum answered in time".into())),
        }
    }

    /// Waits until the queue of the receive has a message to hand out, as far as this node
    /// knows; false if it has none at the deadline. Whoever is woken takes it from there:
    /// for each message one, in the order in which they began to wait.
    async fn await_message(&self, command: &Command, deadline: Instant) -> Result<bool, NodeError> {
        let Command::Queue(QueueCommand::Receive { queue, .. }) = command else {
            return Ok(false);
        };
        let ready = self.inner.machine.queue_ready(queue);
        while !self.inner.machine.state().has_deliverable(queue) {
            let woken = world::timeout_at::<W, _>(deadline, ready.notified()).await;
            // Another term may have begun, or this node may lead no more.
            self.await_ready().await?;
            if woken.is_err() {
                return Ok(self.inner.machine.state().has_deliverable(queue));
            }
        }
        Ok(true)
    }

    /// Refuses what makes the state grow while the disk is nearly full or the memory used up.
    /// The log would grow with everything, but what frees space must get through.
    fn must_have_space(&self, command: &Command) -> Result<(), NodeError> {
        if !command.grows() {
            return Ok(());
        }
        if let Some(free) = self.inner.lacks_space.get() {
            return Err(NodeError::NotNow(format!(
                "the disk is nearly full: {} MiB are free. Reads, deletions and \
                 acknowledgements are served; make space on the disk of this node",
                free >> 20
            )));
        }
        match self.memory_above_limit() {
            None => Ok(()),
            Some(memory) => {
                self.inner.counters.note_out_of_memory();
                Err(NodeError::OutOfMemory(memory.to_string()))
            }
        }
    }

    /// Whether writes may share an entry: not while some may be refused for want of space, with
    /// which the others would be, nor while a member does not know such entries.
    pub(super) fn takes_transactions(&self) -> bool {
        let is_short =
            self.inner.lacks_space.get().is_some() || self.memory_above_limit().is_some();
        !is_short && (self.level() > 0 || self.older_member().is_none())
    }

    /// Waits until this node, as leader, may serve writes.
    pub(super) async fn await_ready(&self) -> Result<(), NodeError> {
        let deadline = W::now() + READY_LIMIT;
        loop {
            let applied = self.inner.machine.applied_some();
            if self.inner.machine.leading_term() == 0 || self.inner.stopping.get() {
                return Err(self.await_redirect().await);
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

/// When a receive ends, however it does, what it left is for the next that waits.
struct PassOn<'a, W: RaftWorld> {
    node: &'a Node<W>,
    command: &'a Command,
}

impl<W: RaftWorld> Drop for PassOn<'_, W> {
    fn drop(&mut self) {
        let machine = &self.node.inner.machine;
        if let Command::Queue(QueueCommand::Receive { queue, .. }) = self.command
            && machine.state().has_deliverable(queue)
        {
            machine.wake_one(queue);
        }
    }
}

fn wait_ms(command: &Command) -> u64 {
    match command {
        Command::Lock(LockCommand::Acquire { wait_ms, .. }) => *wait_ms,
        _ => 0,
    }
}
