//! The ways out when a cluster has lost its majority for good, or everything but a backup: a
//! directory is made that of the only member of a new cluster. The node is not started here.

use super::{NodeOptions, StartError};
use crate::raft::RaftWorld;
use crate::raft::log_store::force_membership;
use crate::raft::snapshot::{Payload, moved_on};
use crate::raft::state_machine::StateMachine;
use crate::storage::{Disk, Identity, OpenError, Snapshot, SnapshotStore, Wal};

/// Log indexes that are left out behind a backup: more than a cluster writes between taking it
/// and losing everything else. Tokens, versions and the numbers of sessions are log indexes, and
/// none that was given meanwhile must be given again.
const SKIPPED_INDEXES: u64 = 1_000_000_000;

/// What a directory or a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The last entry of the log that is in it.
    pub last_entry: u64,
    /// Keys of the cache in the snapshot.
    pub keys: u64,
}

/// Makes the node that `options` describe the only member of a new cluster with the data in
/// its directory, or with the snapshot that was put there. For when a majority of the old
/// cluster is lost for good, and for restoring a backup: what only other nodes had is lost,
/// what was not yet acknowledged may be kept, and no node of the old cluster can join the new
/// one before its directory is emptied.
///
/// # Errors
/// As for [`Node::start`](super::Node::start); a directory with neither log nor snapshot is
/// refused.
pub async fn force_new_cluster<W: RaftWorld>(
    options: &NodeOptions,
    disk: W::Disk,
) -> Result<Contents, StartError> {
    let machine = StateMachine::<W>::open(disk.clone(), options.limits).await?;
    let (wal, recovered) = Wal::open(disk.clone()).await?;
    drop(wal);
    let applied = machine.last_applied();
    if applied.is_none() && recovered.entries.is_empty() {
        let why = "there is neither a log nor a snapshot to go on from";
        return Err(StartError::Identity(why.into()));
    }
    if let Some(found) = Identity::load(&disk).await?
        && found.node != options.id
    {
        return Err(super::identity::of_another(found.node, options.id));
    }
    // Before the log: a crash in between leaves a node that no other talks to, not one that
    // the old cluster still takes for its own.
    let identity = Identity {
        node: options.id,
        cluster: W::random_u64().max(1),
        met: Vec::new(),
    };
    let saved = identity.save(&disk).await;
    saved.map_err(|e| StartError::Storage(e.into()))?;
    let in_log = recovered.entries.last_key_value();
    // The write-ahead log counts from 1, Raft from 0.
    let in_log = in_log.map_or(0, |(position, _)| position - 1);
    let (id, address) = (options.id, &options.address);
    force_membership::<W>(disk, applied, id, address).await?;
    Ok(Contents {
        last_entry: machine.applied_index().max(in_log),
        keys: machine.state().cache_stats().entries,
    })
}

/// Puts a backup into an empty directory, and makes the node that `options` describe the only
/// member of a new cluster with it.
///
/// # Errors
/// As for [`force_new_cluster`]; the directory is not empty, or the backup is damaged, of a newer
/// release, or none.
pub async fn restore<W: RaftWorld>(
    options: &NodeOptions,
    disk: W::Disk,
    backup: Vec<u8>,
) -> Result<Contents, StartError> {
    let names = disk.list().await.map_err(OpenError::from)?;
    if !names.is_empty() {
        let found = names.join(", ");
        return Err(StartError::Identity(format!(
            "the directory is not empty ({found}): a backup is restored into a new one"
        )));
    }
    let snapshot = Snapshot::from_file(backup)?;
    let payload = check(&snapshot)?;
    let moved = moved_on::<W>(&snapshot.meta, payload, SKIPPED_INDEXES);
    let (index, meta, data) = moved.map_err(damaged)?;
    let mut store = SnapshotStore::open(disk.clone()).await?;
    let saved = store.save(index, &meta, &data).await;
    saved.map_err(OpenError::from)?;
    drop(store);
    force_new_cluster::<W>(options, disk).await
}

/// Checks a backup from its first to its last byte, and says what it holds.
///
/// # Errors
/// It is damaged, of a newer release, or none.
pub fn check_backup<W: RaftWorld>(backup: Vec<u8>) -> Result<Contents, StartError> {
    let snapshot = Snapshot::from_file(backup)?;
    let payload = check(&snapshot)?;
    Ok(Contents {
        last_entry: snapshot.index,
        keys: payload.state.cache_stats().entries,
    })
}

fn check(snapshot: &Snapshot) -> Result<Payload, StartError> {
    Payload::decode(&snapshot.data).map_err(damaged)
}

fn damaged(e: std::io::Error) -> StartError {
    OpenError::damaged("backup", 0, e.to_string()).into()
}
