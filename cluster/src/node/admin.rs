//! Operating the cluster: membership, leader transfer, snapshots, stopping.
//!
//! Membership changes are Raft's joint consensus, driven by the leader; other nodes answer
//! with a redirect like for any write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::error::{ClientWriteError, RaftError};
use openraft::impls::BasicNode;

use super::{Node, NodeError};
use crate::protocol::AdminCall;
use crate::raft::state_machine::Membership;
use crate::raft::{NodeId, RaftWorld, node_name, peer_address};
use crate::world;

/// A new member must catch up with the log within this time to become a voter.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(60);

impl<W: RaftWorld> Node<W> {
    /// Executes an administrative command; the lines to answer with.
    pub(super) async fn administer(&self, call: AdminCall) -> Result<Vec<String>, NodeError> {
        match call {
            AdminCall::Status => Ok(self.status()),
            AdminCall::Add { id, addr } => {
                self.add_member(id, &addr).await?;
                Ok(vec![format!("{} added", node_name(id))])
            }
            AdminCall::Remove { id } => {
                self.remove_member(id).await?;
                Ok(vec![format!("{} removed", node_name(id))])
            }
            AdminCall::Replace { old, new, addr } => {
                self.add_learner(new, &addr).await?;
                let mut voters = self.voters();
                voters.remove(&old);
                voters.insert(new);
                self.change(ChangeMembers::ReplaceAllVoters(voters), false)
                    .await?;
                let replaced = format!("{} replaced by {}", node_name(old), node_name(new));
                Ok(vec![replaced])
            }
            AdminCall::Transfer { id } => {
                self.transfer_leader(id).await?;
                Ok(vec!["OK".into()])
            }
            AdminCall::Snapshot => {
                (self.inner.raft.trigger().snapshot().await)
                    .map_err(|e| NodeError::NotNow(e.to_string()))?;
                Ok(vec!["OK".into()])
            }
            AdminCall::Digest => {
                self.emit_digest();
                Ok(vec!["OK".into()])
            }
            AdminCall::Init { members } => self.initialize(members).await,
            AdminCall::Shutdown => {
                let node = self.clone();
                W::spawn(async move { node.stop("asked to by a client").await });
                Ok(vec!["OK".into()])
            }
        }
    }

    /// Makes the node at `address` a voter, once it has caught up.
    ///
    /// # Errors
    /// This node does not lead, a change is under way already, or the node does not catch up.
    pub async fn add_member(&self, id: NodeId, address: &str) -> Result<(), NodeError> {
        self.add_learner(id, address).await?;
        let voter = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        self.change(voter, false).await
    }

    /// Takes the node's vote and its place in the cluster.
    ///
    /// # Errors
    /// This node does not lead, a change is under way already, or `id` is no member.
    pub async fn remove_member(&self, id: NodeId) -> Result<(), NodeError> {
        self.change(self.removal(id)?, false).await
    }

    /// The configuration that this node has applied, and so knows to be committed.
    pub fn membership(&self) -> Membership {
        self.inner.machine.membership()
    }

    /// Fails unless this node leads and belongs to the cluster. A leader that was removed goes
    /// on for a moment; openraft 0.10.0-alpha.37 panics (in a debug build) if it is asked for
    /// another change then.
    fn must_lead(&self) -> Result<(), NodeError> {
        let metrics = self.inner.raft.server_metrics();
        let is_member = {
            let metrics = metrics.borrow_watched();
            let membership = metrics.membership_config.membership();
            membership.get_node(&self.id()).is_some()
        };
        match is_member && self.inner.machine.leading_term() != 0 {
            true => Ok(()),
            false => Err(self.redirect()),
        }
    }

    fn voters(&self) -> BTreeSet<NodeId> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().collect()
    }

    /// How to remove the node, which depends on whether it has a vote.
    fn removal(&self, id: NodeId) -> Result<ChangeMembers<NodeId, BasicNode>, NodeError> {
        self.must_lead()?;
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let ids = BTreeSet::from([id]);
        if membership.voter_ids().any(|voter| voter == id) {
            return Ok(ChangeMembers::RemoveVoters(ids));
        }
        match membership.get_node(&id) {
            Some(_) => Ok(ChangeMembers::RemoveNodes(ids)),
            None => Err(NodeError::Invalid(format!(
                "{} is no member",
                node_name(id)
            ))),
        }
    }

    /// Adds the node without a vote and waits until its log is close to the leader's.
    async fn add_learner(&self, id: NodeId, address: &str) -> Result<(), NodeError> {
        if peer_address(address).is_none() {
            return Err(NodeError::Invalid(format!(
                "address {address}: expected host:port with a port from 1 to 55535"
            )));
        }
        self.must_lead()?;
        let added = self
            .inner
            .raft
            .add_learner(id, BasicNode::new(address), true);
        match world::timeout::<W, _>(CATCH_UP_LIMIT, added).await {
            Ok(result) => result.map(drop).map_err(|e| self.membership_error(e)),
            Err(_) => Err(NodeError::Unknown(format!(
                "{} did not catch up in time; it stays a learner",
                node_name(id)
            ))),
        }
    }

    async fn change(
        &self,
        change: ChangeMembers<NodeId, BasicNode>,
        retain: bool,
    ) -> Result<(), NodeError> {
        self.must_lead()?;
        let changed = self.inner.raft.change_membership(change, retain);
        match world::timeout::<W, _>(CATCH_UP_LIMIT, changed).await {
            Ok(result) => result.map(drop).map_err(|e| self.membership_error(e)),
            Err(_) => Err(NodeError::Unknown("no quorum answered in time".into())),
        }
    }

    fn membership_error(
        &self,
        error: RaftError<crate::raft::TypeConfig<W>, ClientWriteError<crate::raft::TypeConfig<W>>>,
    ) -> NodeError {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => self.redirect(),
            RaftError::APIError(e @ ClientWriteError::ChangeMembershipError(_)) => {
                NodeError::Invalid(e.to_string())
            }
            e => NodeError::Unknown(e.to_string()),
        }
    }

    /// Starts to hand leadership to the voter `id`; done when that node leads.
    ///
    /// # Errors
    /// This node does not lead, or `id` has no vote.
    pub async fn transfer_leader(&self, id: NodeId) -> Result<(), NodeError> {
        self.must_lead()?;
        if !self.voters().contains(&id) {
            return Err(NodeError::Invalid(format!("{} has no vote", node_name(id))));
        }
        (self.inner.raft.trigger().transfer_leader(id).await)
            .map_err(|e| NodeError::NotNow(e.to_string()))
    }

    async fn initialize(&self, members: Vec<(u64, String)>) -> Result<Vec<String>, NodeError> {
        let members: BTreeMap<NodeId, BasicNode> = members
            .into_iter()
            .map(|(id, address)| (id, BasicNode::new(address)))
            .collect();
        (self.inner.raft.initialize(members).await)
            .map_err(|e| NodeError::Invalid(e.to_string()))?;
        Ok(vec!["OK".into()])
    }

    /// One fact a line: `name:value`.
    fn status(&self) -> Vec<String> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let leader = metrics.current_leader.map_or("none".into(), node_name);
        let mut lines = vec![
            format!("node:{}", node_name(self.id())),
            format!("state:{:?}", metrics.state).to_lowercase(),
            format!("term:{}", metrics.current_term),
            format!("leader:{leader}"),
            format!("last_log:{}", metrics.last_log_index.unwrap_or(0)),
            format!("applied:{}", self.applied_index()),
            format!("snapshot:{}", metrics.snapshot.map_or(0, |id| id.index)),
        ];
        for (id, node) in membership.nodes() {
            let role = match membership.voter_ids().any(|voter| voter == *id) {
                true => "voter",
                false => "learner",
            };
            lines.push(format!("member:{},{},{role}", node_name(*id), node.addr));
        }
        lines
    }
}
