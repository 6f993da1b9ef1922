//! Binds a data directory to one node of one cluster.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::select;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::impls::BasicNode;

use super::{Node, NodeOptions, StartError};
use crate::raft::hello::NEWEST_VERSION;
use crate::raft::log_store::force_membership;
use crate::raft::state_machine::StateMachine;
use crate::raft::{NodeId, RaftWorld, node_name, peer_address};
use crate::state::LEVEL;
use crate::state::command::Command;
use crate::storage::{Disk, Identity, Wal};

/// Rest after the identity could not be saved.
const REST: Duration = Duration::from_secs(1);
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
        let (theirs, mine) = (node_name(found.node), node_name(node));
        return Err(StartError::Identity(format!(
            "the directory belongs to {theirs}, and this is {mine}: start it with --id {}, or \
             give {mine} a directory of its own",
            found.node
        )));
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

/// Makes the node that `options` describe the only member of a new cluster with the data in
/// its directory, or with the snapshot that was put there. For when a majority of the old
/// cluster is lost for good, and for restoring a backup: what only other nodes had is lost,
/// and no node of the old cluster can join the new one before its directory is emptied.
///
/// # Errors
/// As for [`Node::start`]; a directory with neither log nor snapshot is refused.
pub async fn force_new_cluster<W: RaftWorld>(
    options: &NodeOptions,
    disk: W::Disk,
) -> Result<(), StartError> {
    let machine = StateMachine::<W>::open(disk.clone(), options.limits).await?;
    let (wal, recovered) = Wal::open(disk.clone()).await?;
    drop(wal);
    let applied = machine.last_applied();
    if applied.is_none() && recovered.entries.is_empty() {
        let why = "there is neither a log nor a snapshot to go on from";
        return Err(StartError::Identity(why.into()));
    }
    let (id, address) = (options.id, &options.address);
    force_membership::<W>(disk.clone(), applied, id, address).await?;
    let identity = Identity {
        node: id,
        cluster: W::random_u64().max(1),
        met: Vec::new(),
    };
    let saved = identity.save(&disk).await;
    saved.map_err(|e| StartError::Storage(e.into()))
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

/// Has the cluster keep to the rules of this release once all of its members know them, and
/// to the limits of whoever leads.
pub(super) async fn raise_level<W: RaftWorld>(node: Node<W>) {
    let look = Duration::from_millis(node.inner.options.raft.heartbeat_ms);
    let limits = node.inner.options.limits;
    while !node.inner.stopping.get() {
        let is_done = {
            let state = node.inner.machine.state();
            state.level() >= LEVEL && state.limits() == limits
        };
        if is_done || !node.is_leading() {
            node.inner.machine.applied_some().await;
        } else if node.all_have_greeted() {
            let level = LEVEL;
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
    fn all_have_greeted(&self) -> bool {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.nodes().all(|(id, _)| {
            let greeting = self.inner.acquaintances.greeting_of(*id);
            *id == self.id() || greeting.is_some_and(|it| it.newest_version >= NEWEST_VERSION)
        })
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
