//! Adds, removes and replaces members of the cluster.
//!
//! Changes are Raft's joint consensus, driven by the leader; other nodes answer with a
//! redirect like for any write. A node gets a vote only after it has answered and its log has
//! caught up, and a configuration comes into force only if a majority of it answers: a typing
//! error in an address must not cost the cluster its quorum. A change that its leader did not
//! live to finish is finished by the next one.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::error::{ClientWriteError, RaftError};
use openraft::impls::BasicNode;

use super::write::{ENDED, ProposalError};
use super::{Node, NodeError};
use crate::raft::state_machine::Membership;
use crate::raft::{NodeId, RaftWorld, node_name, once, peer_address};
use crate::world::{self, Instant};

/// A new member must catch up with the log within this time to become a voter, and what a
/// snapshot for it takes at the rate that is set, in whole seconds.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(60);
/// A new member must have answered anything at all within this time.
const FIRST_ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Rest between two looks at how far a new member is.
const LOOK: Duration = Duration::from_millis(20);

/// What a leader knows of another node's log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// Index up to which its log is known to match; `None` before the first match.
    pub(super) matched: Option<u64>,
    /// When the last call that it answered was sent; `None` before the first answer.
    pub(super) asked_at: Option<Instant>,
}

type Change = ChangeMembers<NodeId, BasicNode>;

impl<W: RaftWorld> Node<W> {
    /// Makes the node at `address` a voter, once it has answered and caught up.
    ///
    /// # Errors
    /// This node does not lead, a change is under way already, the node does not answer (it
    /// is then not added) or does not catch up (it then stays a learner).
    pub async fn add_member(&self, id: NodeId, address: &str) -> Result<(), NodeError> {
        self.add_learner(id, address).await?;
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])))
            .await
    }

    /// Takes the node's vote and its place in the cluster.
    ///
    /// # Errors
    /// This node does not lead, a change is under way already, `id` is no member, or too few
    /// of the others answer to do without it.
    pub async fn remove_member(&self, id: NodeId) -> Result<(), NodeError> {
        self.change(self.removal(id)?).await
    }

    /// Gives the vote of `old` to the node `new` at `address`, once that has caught up.
    ///
    /// # Errors
    /// As for [`Self::add_member`] and [`Self::remove_member`].
    pub(super) async fn replace_member(
        &self,
        old: NodeId,
        new: NodeId,
        address: &str,
    ) -> Result<(), NodeError> {
        if !self.voters().contains(&old) {
            self.must_lead()?;
            return Err(NodeError::Invalid(format!(
                "{} has no vote",
                node_name(old)
            )));
        }
        self.add_learner(new, address).await?;
        let mut voters = self.voters();
        voters.remove(&old);
        voters.insert(new);
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await
    }

    /// Leaves the joint configuration that a former leader has committed and not finished.
    pub(super) fn finish_change(&self) {
        let target = {
            let metrics = self.inner.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let configs = metrics.membership_config.membership().get_joint_config();
            match configs.as_slice() {
                [_, .., last] => last.clone(),
                _ => return,
            }
        };
        let raft = self.inner.raft.clone();
        W::spawn(async move {
            let voters = ChangeMembers::ReplaceAllVoters(target);
            if let Err(e) = raft.change_membership(voters, false).await {
                tracing::info!("the change of members stays unfinished: {e}");
            }
        });
    }

    /// The configuration that this node has applied, and so knows to be committed.
    pub fn membership(&self) -> Membership {
        self.inner.machine.membership()
    }

    /// Fails unless this node leads and belongs to the cluster. A leader that was removed goes
    /// on for a moment; openraft 0.10.0-alpha.37 panics (in a debug build) if it is asked for
    /// another change then.
    pub(super) fn must_lead(&self) -> Result<(), NodeError> {
        if self.address_of(self.id()).is_some() && self.inner.machine.leading_term() != 0 {
            Ok(())
        } else {
            Err(self.redirect())
        }
    }

    /// Voters of the newest configuration in the log, committed or not.
    pub(super) fn voters(&self) -> BTreeSet<NodeId> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().collect()
    }

    /// What this node, as leader, knows of another; `None` if it leads nobody or not `id`.
    pub(super) fn progress(&self, id: NodeId) -> Option<Progress> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let matched = metrics.replication.as_ref()?.get(&id)?;
        let asked_at = metrics.heartbeat.as_ref()?.get(&id).copied().flatten();
        Some(Progress {
            matched: matched.map(|log| log.index),
            asked_at: asked_at.map(|instant| instant.0),
        })
    }

    /// Whether the node has answered this leader within a lease; the leader itself always has.
    pub(super) fn answers_lately(&self, id: NodeId) -> bool {
        let asked_at = self.progress(id).and_then(|progress| progress.asked_at);
        id == self.id() || asked_at.is_some_and(|at| W::now() - at < self.lease())
    }

    pub(super) fn address_of(&self, id: NodeId) -> Option<String> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let node = metrics.membership_config.membership().get_node(&id);
        node.map(|node| node.addr.clone())
    }

    /// How to remove the node, which depends on whether it has a vote.
    fn removal(&self, id: NodeId) -> Result<Change, NodeError> {
        self.must_lead()?;
        let ids = BTreeSet::from([id]);
        if self.voters().contains(&id) {
            return Ok(ChangeMembers::RemoveVoters(ids));
        }
        match self.address_of(id) {
            Some(_) => Ok(ChangeMembers::RemoveNodes(ids)),
            None => Err(NodeError::Invalid(format!(
                "{} is no member",
                node_name(id)
            ))),
        }
    }

    /// Adds the node without a vote and waits until its log has caught up with this one.
    async fn add_learner(&self, id: NodeId, address: &str) -> Result<(), NodeError> {
        if peer_address(address).is_none() {
            return Err(NodeError::Invalid(format!(
                "address {address}: expected host:port with a port from 1 to 55535"
            )));
        }
        self.must_lead()?;
        let known = self.address_of(id);
        if let Some(known) = known.as_ref().filter(|known| *known != address) {
            return Err(NodeError::Invalid(format!(
                "{} is a member at {known}; remove it before it is added at {address}",
                node_name(id)
            )));
        }
        if self.voters().contains(&id) {
            return Ok(());
        }
        let added = self
            .inner
            .raft
            .add_learner(id, BasicNode::new(address), false);
        match world::timeout::<W, _>(CATCH_UP_LIMIT, added).await {
            Ok(result) => result.map(drop).map_err(|e| self.membership_error(e))?,
            Err(_) => return Err(NodeError::Unknown("no quorum answered in time".into())),
        }
        let result = self.await_caught_up(id, address).await;
        if let (Err(NodeError::NotNow(_)), None) = (&result, known) {
            // As if it had never been asked for; if that fails, it stays a learner.
            let _ = self
                .change(ChangeMembers::RemoveNodes(BTreeSet::from([id])))
                .await;
        }
        result
    }

    /// Catches up in rounds: each brings what the log had when the round began, and it is
    /// done with the first that takes no longer than an election timeout (Ongaro,
    /// "Consensus: Bridging Theory and Practice", 2014, §4.2.1).
    async fn await_caught_up(&self, id: NodeId, address: &str) -> Result<(), NodeError> {
        let begun = W::now();
        let round_limit = Duration::from_millis(self.inner.options.raft.election_min_ms);
        let mut round = (begun, self.inner.log.last_index());
        let snapshot_bytes = self.inner.machine.since_snapshot().snapshot_bytes;
        let pace = self.inner.settings.snapshot_pace();
        // It is sent at that rate, and then saved.
        let snapshot_s = 2 * pace.time_of(snapshot_bytes).as_secs();
        let limit = CATCH_UP_LIMIT + Duration::from_secs(snapshot_s);
        loop {
            self.must_lead()?;
            let (since, target) = round;
            let progress = self.progress(id).unwrap_or_default();
            let now = W::now();
            if progress.matched >= Some(target) {
                if now - since <= round_limit {
                    return Ok(());
                }
                round = (now, self.inner.log.last_index());
                continue;
            }
            if progress.asked_at.is_none() && now - begun >= FIRST_ANSWER_LIMIT {
                return Err(NodeError::NotNow(format!(
                    "{} does not answer at {address}, so it was not added: it must run there, \
                     started with --join",
                    node_name(id)
                )));
            }
            if now - begun >= limit {
                return Err(NodeError::Unknown(format!(
                    "{} did not catch up in time; it stays a learner",
                    node_name(id)
                )));
            }
            W::sleep(LOOK).await;
        }
    }

    /// Changes the configuration if a majority of the new one answers. The change goes on
    /// when nobody waits for it any more.
    async fn change(&self, change: Change) -> Result<(), NodeError> {
        self.must_lead()?;
        self.must_have_quorum(&change)?;
        let (done, changed) = once::channel();
        let raft = self.inner.raft.clone();
        W::spawn(async move {
            // Whoever asked may have given up.
            let _ = done.send(raft.change_membership(change, false).await);
        });
        match world::timeout::<W, _>(CATCH_UP_LIMIT, changed).await {
            Ok(Ok(result)) => result.map(drop).map_err(|e| self.membership_error(e)),
            Ok(Err(_)) => Err(NodeError::Unknown(ENDED.into())),
            Err(_) => Err(NodeError::Unknown("no quorum answered in time".into())),
        }
    }

    fn must_have_quorum(&self, change: &Change) -> Result<(), NodeError> {
        let voters = self.voters();
        let next = match change {
            ChangeMembers::AddVoterIds(ids) => &voters | ids,
            ChangeMembers::RemoveVoters(ids) => &voters - ids,
            ChangeMembers::ReplaceAllVoters(ids) => ids.clone(),
            _ => return Ok(()),
        };
        let answering = next.iter().filter(|id| self.answers_lately(**id)).count();
        if answering > next.len() / 2 {
            return Ok(());
        }
        Err(NodeError::NotNow(format!(
            "only {answering} of the {} voters that there would be answer now",
            next.len()
        )))
    }

    fn membership_error(&self, error: ProposalError<W>) -> NodeError {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => self.redirect(),
            RaftError::APIError(ClientWriteError::ChangeMembershipError(_)) => NodeError::Invalid(
                "the members cannot be changed so: another change is under way, or the last \
                 voter would go"
                    .into(),
            ),
            e => NodeError::of_proposal(&e),
        }
    }
}
