//! Handing leadership over: on request, and when the leader stops.

use std::cell::Cell;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::Notify;

use super::write::ENDED;
use super::{Node, NodeError};
use crate::raft::{NodeId, RaftWorld, node_name};
use crate::world;
use crate::world::point::Point;

/// A successor may be this many entries behind: it fetches them before it takes over.
const LARGEST_LAG: u64 = 1_000;
/// Rest between two looks at who leads.
const LOOK: Duration = Duration::from_millis(1);

/// After a hand-over the node sends clients to its successor for so long before it stops: who
/// asks more often than this is never cut off in the middle of a command.
const FAREWELL: Duration = Duration::from_millis(300);

/// The hand-over of a leader that stops.
#[derive(Default)]
pub(super) struct HandOver {
    /// Whether commands wait until a successor leads.
    is_under_way: Cell<bool>,
    /// Entries that are proposed and not answered.
    proposed: Cell<usize>,
    changed: Notify,
}

/// An entry that is proposed and not answered, until this is dropped.
pub(super) struct Proposing<'a>(&'a HandOver);

impl HandOver {
    pub(super) fn propose(&self) -> Proposing<'_> {
        self.proposed.set(self.proposed.get() + 1);
        Proposing(self)
    }

    fn set_under_way(&self, is_under_way: bool) {
        self.is_under_way.set(is_under_way);
        self.changed.notify_waiters();
    }
}

impl Drop for Proposing<'_> {
    fn drop(&mut self) {
        self.0.proposed.set(self.0.proposed.get() - 1);
        self.0.changed.notify_waiters();
    }
}

impl<W: RaftWorld> Node<W> {
    /// Hands leadership to the voter `id`; done when that node leads, which may be at once.
    ///
    /// # Errors
    /// This node does not lead, `id` has no vote, has not answered for an election timeout
    /// or lags, or somebody else took over, or nobody within two election timeouts.
    pub async fn transfer_leader(&self, id: NodeId) -> Result<(), NodeError> {
        self.must_lead()?;
        if id == self.id() {
            return Ok(());
        }
        if !self.voters().contains(&id) {
            return Err(NodeError::Invalid(format!("{} has no vote", node_name(id))));
        }
        self.must_be_able_to_lead(id)?;
        self.begin_transfer(id).await?;
        let limit = Duration::from_millis(2 * self.inner.options.raft.election_max_ms);
        let deadline = W::now() + limit;
        loop {
            if let Some(leader) = self.new_leader() {
                if leader == id {
                    return Ok(());
                }
                let (leader, id) = (node_name(leader), node_name(id));
                return Err(NodeError::NotNow(format!("{leader} leads, not {id}")));
            }
            if W::now() >= deadline {
                let id = node_name(id);
                return Err(NodeError::Unknown(format!("{id} has not taken over")));
            }
            W::sleep(LOOK).await;
        }
    }

    /// Hands leadership to whoever can best take it, and waits for an election timeout at
    /// most. What was proposed is answered before; commands that come meanwhile wait, and are
    /// sent to the successor. Does nothing on a node that leads nobody.
    pub(super) async fn hand_over(&self) {
        let limit = Duration::from_millis(self.inner.options.raft.election_max_ms);
        let deadline = W::now() + limit;
        let Some(successor) = self.best_successor() else {
            return;
        };
        let hand_over = &self.inner.hand_over;
        hand_over.set_under_way(true);
        let idle = self.await_hand_over(|hand_over| hand_over.proposed.get() == 0);
        let _ = world::timeout_at::<W, _>(deadline, idle).await;
        W::pass(Point::TransferBefore).await;
        if self.begin_transfer(successor).await.is_ok() {
            while self.new_leader().is_none() && W::now() < deadline {
                W::sleep(LOOK).await;
            }
        }
        hand_over.set_under_way(false);
        if self.new_leader().is_some() {
            W::sleep(FAREWELL).await;
        }
    }

    /// Where to go instead, once a hand-over is done.
    pub(super) async fn await_redirect(&self) -> NodeError {
        self.await_hand_over(|hand_over| !hand_over.is_under_way.get())
            .await;
        self.redirect()
    }

    async fn await_hand_over(&self, is_met: impl Fn(&HandOver) -> bool) {
        let hand_over = &self.inner.hand_over;
        loop {
            let changed = hand_over.changed.notified();
            if is_met(hand_over) {
                return;
            }
            changed.await;
        }
    }

    fn must_be_able_to_lead(&self, id: NodeId) -> Result<(), NodeError> {
        let name = node_name(id);
        if !self.answers_lately(id) {
            return Err(NodeError::NotNow(format!("{name} does not answer now")));
        }
        let matched = self.progress(id).and_then(|progress| progress.matched);
        let lag = self.inner.log.last_index() - matched.unwrap_or(0);
        if lag > LARGEST_LAG {
            return Err(NodeError::NotNow(format!("{name} is {lag} entries behind")));
        }
        Ok(())
    }

    async fn begin_transfer(&self, id: NodeId) -> Result<(), NodeError> {
        let begun = self.inner.raft.trigger().transfer_leader(id).await;
        begun.map_err(|_| NodeError::NotNow(ENDED.into()))
    }

    /// Who leads, once this node does not.
    fn new_leader(&self) -> Option<NodeId> {
        let metrics = self.inner.raft.server_metrics();
        let leader = metrics.borrow_watched().current_leader;
        leader.filter(|leader| *leader != self.id())
    }

    /// The voter whose log reaches furthest, of those that have answered lately if any has;
    /// `None` if this node leads nobody.
    fn best_successor(&self) -> Option<NodeId> {
        if self.inner.machine.leading_term() == 0 {
            return None;
        }
        let lately = Duration::from_millis(self.inner.options.raft.election_min_ms);
        let rank = |id: &NodeId| {
            let progress = self.progress(*id).unwrap_or_default();
            let answers = progress.asked_at.is_some_and(|at| W::now() - at < lately);
            (answers, progress.matched)
        };
        let others = self.voters().into_iter().filter(|id| *id != self.id());
        others.max_by_key(rank)
    }
}
