//! The administrative commands, and what a node says of its own standing.

use std::collections::BTreeMap;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::error::{InitializeError, RaftError};
use openraft::impls::BasicNode;

use super::write::ENDED;
use super::{Node, NodeError};
use crate::protocol::AdminCall;
use crate::raft::{NodeId, RaftWorld, node_name, peer_address};

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
                self.replace_member(old, new, &addr).await?;
                let replaced = format!("{} replaced by {}", node_name(old), node_name(new));
                Ok(vec![replaced])
            }
            AdminCall::Transfer { id } => {
                self.transfer_leader(id).await?;
                Ok(vec!["OK".into()])
            }
            AdminCall::Snapshot => {
                self.snapshot().await?;
                Ok(vec!["OK".into()])
            }
            AdminCall::Backup => unreachable!("the connection becomes a stream"),
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

    /// Has the node begin a snapshot of its state.
    ///
    /// # Errors
    /// The node has ended.
    pub async fn snapshot(&self) -> Result<(), NodeError> {
        let begun = self.inner.raft.trigger().snapshot().await;
        begun.map_err(|_| NodeError::NotNow(ENDED.into()))
    }

    async fn initialize(&self, members: Vec<(u64, String)>) -> Result<Vec<String>, NodeError> {
        if let Some((_, wrong)) = members.iter().find(|(_, at)| peer_address(at).is_none()) {
            return Err(NodeError::Invalid(format!(
                "address {wrong}: expected host:port with a port from 1 to 55535"
            )));
        }
        let members: BTreeMap<NodeId, BasicNode> = members
            .into_iter()
            .map(|(id, address)| (id, BasicNode::new(address)))
            .collect();
        let refused = |why: &str| Err(NodeError::Invalid(why.into()));
        match self.inner.raft.initialize(members).await {
            Ok(()) => Ok(vec!["OK".into()]),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
                refused("this node belongs to a cluster or has voted for one")
            }
            Err(RaftError::APIError(InitializeError::NotInMembers(_))) => {
                refused("this node is not among the members given")
            }
            Err(RaftError::Fatal(_)) => Err(NodeError::NotNow(ENDED.into())),
        }
    }

    /// One fact a line: `name:value`. A leader adds how far the others are.
    fn status(&self) -> Vec<String> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let is_joint = membership.get_joint_config().len() > 1;
        let leader = self.leader().map_or("none".into(), |(id, _)| node_name(id));
        let mut lines = vec![
            format!("node:{}", node_name(self.id())),
            format!("state:{:?}", metrics.state).to_lowercase(),
            format!("term:{}", metrics.current_term),
            format!("leader:{leader}"),
            format!("last_log:{}", metrics.last_log_index.unwrap_or(0)),
            format!("applied:{}", self.applied_index()),
            format!("snapshot:{}", metrics.snapshot.map_or(0, |id| id.index)),
            format!("membership:{}", if is_joint { "joint" } else { "uniform" }),
            format!("level:{}", self.level()),
        ];
        lines.extend(self.obstacle().map(|why| format!("cannot_follow:{why}")));
        for (id, node) in membership.nodes() {
            let has_vote = membership.voter_ids().any(|voter| voter == *id);
            let role = if has_vote { "voter" } else { "learner" };
            lines.push(format!("member:{},{},{role}", node_name(*id), node.addr));
        }
        let others = membership.nodes().filter(|(id, _)| **id != self.id());
        lines.extend(others.filter_map(|(id, _)| self.lag_line(*id)));
        lines
    }

    /// `lag:node-2,entries=0,silent_ms=40`: what another's log lacks, and how long ago the
    /// last call that it answered was sent; `never` if it has answered none.
    fn lag_line(&self, id: NodeId) -> Option<String> {
        let progress = self.progress(id)?;
        let entries = match progress.matched {
            Some(matched) => self.inner.log.last_index().saturating_sub(matched),
            None => self.inner.log.last_index() + 1,
        };
        let silent_ms = match progress.asked_at {
            Some(at) => (W::now() - at).as_millis().to_string(),
            None => "never".into(),
        };
        let name = node_name(id);
        Some(format!(
            "lag:{name},entries={entries},silent_ms={silent_ms}"
        ))
    }
}
