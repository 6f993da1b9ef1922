//! Binds a data directory to one node of one cluster.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::select;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::impls::BasicNode;

use super::{Node, NodeError, StartError};
use crate::raft::hello::version_of;
use crate::raft::{NodeId, RaftWorld, node_name, peer_address};
use crate::state::USUAL_LEVEL;
use crate::state::command::Command;
use crate::storage::{Disk, Identity};

/// Rest after the identity could not be saved.
const REST: Duration = Duration::from_secs(1);
/// How long a command waits for members to say that they know it.
const GREETINGS_LIMIT: Duration = Duration::from_secs(2);
/// Rest between greetings of members that were not met.
const MEET_AGAIN: Duration = Duration::from_secs(2);

/// The identity in the directory, or a new one in a directory that has none.
///
/// # Errors
/// The directory is another node's, or its log is missing.
pub(super) async fn establish<D: Disk>(
    disk: &D,
    node: NodeId,
    has_data: bool,
) -> Result<Identity, StartError> {
    let Some(found) = Identity::load(disk).await? else {
        let identity = Identity {
            node,
            cluster: 0,
            met: Vec::new(),
        };
        identity
            .save(disk)
            .await
            .map_err(crate::storage::OpenError::from)?;
        return Ok(identity);
    };
    if found.node != node {
        return Err(of_another(found.node, node));
    }
    if found.cluster != 0 && !has_data {
        return Err(StartError::Identity(format!(
            "{} belongs to a cluster, and its log is missing: remove it from the cluster, and \
             add it again with an empty directory",
            node_name(node)
        )));
    }
    Ok(found)
}

/// The directory of one node was given to another.
pub(super) fn of_another(found: NodeId, node: NodeId) -> StartError {
    let (theirs, mine) = (node_name(found), node_name(node));
    StartError::Identity(format!(
        "the directory belongs to {theirs}, and this is {mine}: start it with --id {found}, or \
         give {mine} a directory of its own"
    ))
}

/// Learns the cluster from the log, and keeps what is learned of it and its nodes on the disk.
pub(super) async fn keep<W: RaftWorld>(node: Node<W>, disk: W::Disk) {
    let acquaintances = &node.inner.acquaintances;
    while !node.inner.stopping.get() {
        // Others learn it from their leader, who may not be of the cluster that was founded.
        if acquaintances.cluster() == 0 && node.leading_term() != 0 {
            acquaintances.join_cluster(node.inner.log.founded_cluster().unwrap_or(0));
        }
        if let Some(identity) = acquaintances.take_unsaved()
            && let Err(e) = identity.save(&disk).await
        {
            tracing::error!("cannot save which cluster this is: {e}");
            acquaintances.save_later();
            W::sleep(REST).await;
            continue;
        }
        if acquaintances.cluster() == 0 {
            let applied = pin!(node.inner.machine.applied_some());
            select(applied, pin!(acquaintances.changed())).await;
        } else {
            acquaintances.changed().await;
        }
    }
}

/// Greets the other members until each was met with the cluster's data: at first greetings
/// there was no cluster yet.
pub(super) async fn meet<W: RaftWorld>(node: Node<W>) {
    let inner = &node.inner;
    let limit = Duration::from_millis(inner.options.raft.election_min_ms);
    while !inner.stopping.get() {
        let mut unmet = node.unmet();
        unmet.retain(|_| inner.acquaintances.cluster() != 0);
        if unmet.is_empty() {
            inner.machine.applied_some().await;
            continue;
        }
        for (id, address) in unmet {
            // One that refuses, or is not there, is asked again.
            let _ = inner.network.greet(id, &address, limit).await;
        }
        if !node.unmet().is_empty() {
            W::sleep(MEET_AGAIN).await;
        }
    }
}

/// Has the cluster keep to the usual rules of this release once all of its members know them,
/// and to the limits of whoever leads.
pub(super) async fn raise_level<W: RaftWorld>(node: Node<W>) {
    let look = Duration::from_millis(node.inner.options.raft.heartbeat_ms);
    let limits = node.inner.options.limits;
    while !node.inner.stopping.get() {
        let is_done = {
            let state = node.inner.machine.state();
            state.level() >= USUAL_LEVEL && state.limits() == limits
        };
        if is_done || !node.is_leading() {
            node.inner.machine.applied_some().await;
        } else if node.member_below(USUAL_LEVEL).is_none() {
            let level = USUAL_LEVEL;
            // A failure shows in the level.
            let _ = node.propose(None, Command::Raise { level, limits }).await;
        } else {
            W::sleep(look).await;
        }
    }
}

/// Forms the cluster that the options describe, unless the node already belongs to one, or
/// another member does, as it may where this node has lost its data. The member with the
/// lowest id does it at once, the others only if it does not.
pub(super) async fn bootstrap<W: RaftWorld>(node: Node<W>) {
    let inner = &node.inner;
    let members = &inner.options.members;
    let Some(rank) = members.keys().position(|id| *id == inner.options.id) else {
        return;
    };
    let patience = Duration::from_millis(inner.options.raft.election_max_ms * 4);
    W::sleep(patience * rank as u32).await;
    if inner.raft.is_initialized().await.unwrap_or(true) {
        return;
    }
    if let Some(why) = node.reason_not_to_form().await {
        tracing::error!("not forming a new cluster: {why}");
        return;
    }
    let members: std::collections::BTreeMap<NodeId, BasicNode> = members
        .iter()
        .map(|(id, address)| (*id, BasicNode::new(address)))
        .collect();
    if let Err(e) = inner.raft.initialize(members).await {
        tracing::info!("not forming a new cluster: {e}");
    }
}

impl<W: RaftWorld> Node<W> {
    /// Makes sure that the members know the command, and raises the level of the rules for it if
    /// need be. Members that were just started get a moment to say what they know.
    ///
    /// Up to the usual level, a member that was never met is taken for one that knows: so a
    /// cluster serves whatever it offers while one of its founders has yet to be started, and
    /// should that be of an older release, it stops at the entry and says why.
    ///
    /// # Errors
    /// Definite: the command was not proposed.
    pub(super) async fn must_be_known(&self, command: &Command) -> Result<(), NodeError> {
        let level = command.level();
        if self.level() >= level {
            return Ok(());
        }
        let is_usual = level <= USUAL_LEVEL;
        let look = Duration::from_millis(self.inner.options.raft.heartbeat_ms);
        let deadline = W::now() + GREETINGS_LIMIT;
        loop {
            let ignorant = match is_usual {
                true => self.older_member(),
                false => self.member_below(level),
            };
            let Some(id) = ignorant else { break };
            if W::now() >= deadline {
                return Err(NodeError::NotNow(format!(
                    "{} has not said that it knows this command: start it, or upgrade it",
                    node_name(id)
                )));
            }
            W::sleep(look).await;
        }
        if is_usual {
            return Ok(());
        }
        let limits = self.inner.machine.state().limits();
        let raised = self.propose(None, Command::Raise { level, limits }).await;
        raised.map(drop).map_err(|e| match e {
            NodeError::Unknown(why) => NodeError::NotNow(why),
            definite => definite,
        })
    }

    /// A member that was met and does not know the rules of the usual level: its greeting did
    /// not, or it answers without one.
    pub(super) fn older_member(&self) -> Option<NodeId> {
        let below = |id: &NodeId| {
            let greeting = self.inner.acquaintances.greeting_of(*id);
            let version = version_of(USUAL_LEVEL);
            match greeting {
                Some(greeting) => greeting.newest_version < version,
                None => self.progress(*id).is_some_and(|it| it.asked_at.is_some()),
            }
        };
        let members = self.members().into_iter().map(|(id, _)| id);
        members.filter(|id| *id != self.id()).find(below)
    }

    /// A member that has not greeted, or whose greeting did not know the rules of this level.
    fn member_below(&self, level: u32) -> Option<NodeId> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let mut members = metrics.membership_config.membership().nodes();
        let found = members.find(|(id, _)| {
            let greeting = self.inner.acquaintances.greeting_of(**id);
            let knows = greeting.is_some_and(|it| it.newest_version >= version_of(level));
            **id != self.id() && !knows
        });
        found.map(|(id, _)| *id)
    }

    /// Members that were not met with the cluster's data, and where their peers reach them.
    fn unmet(&self) -> Vec<(NodeId, String)> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership().nodes();
        let unmet = members
            .filter(|(id, _)| **id != self.id() && !self.inner.acquaintances.has_met(**id))
            .filter_map(|(id, node)| Some((*id, peer_address(&node.addr)?)));
        unmet.collect()
    }

    /// Asks the other members whether there is a cluster already. One that does not answer
    /// has nothing to say.
    async fn reason_not_to_form(&self) -> Option<String> {
        let limit = Duration::from_millis(self.inner.options.raft.election_min_ms);
        let others = self.inner.options.members.iter();
        for (id, address) in others.filter(|(id, _)| **id != self.id()) {
            let Some(address) = peer_address(address) else {
                continue;
            };
            let greeted = self.inner.network.greet(*id, &address, limit).await;
            if let Err(e) = greeted
                && e.kind() == std::io::ErrorKind::PermissionDenied
            {
                return Some(e.to_string());
            }
            let greeting = self.inner.acquaintances.greeting_of(*id);
            if greeting.is_some_and(|greeting| greeting.has_data) {
                return Some(format!("{} belongs to one already", node_name(*id)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::storage::MemoryDisk;

    fn start(disk: &MemoryDisk, node: NodeId, has_data: bool) -> Result<Identity, String> {
        let established = establish(disk, node, has_data).now_or_never();
        let established = established.expect("a disk in memory never waits");
        established.map_err(|e| e.to_string())
    }

    #[test]
    fn a_directory_keeps_its_node() {
        let disk = MemoryDisk::new();
        let first = start(&disk, 1, false).expect("it is empty");
        assert_eq!(start(&disk, 1, false), Ok(first.clone()));
        let why = start(&disk, 2, false).expect_err("it is another's");
        assert!(
            why.contains("belongs to node-1, and this is node-2"),
            "{why}"
        );
        let joined = Identity {
            cluster: 7,
            ..first
        };
        let saved = joined.save(&disk).now_or_never().expect("it never waits");
        saved.expect("the disk works");
        assert_eq!(start(&disk, 1, true), Ok(joined));
        let why = start(&disk, 1, false).expect_err("its log is missing");
        assert!(why.contains("its log is missing"), "{why}");
    }
}
