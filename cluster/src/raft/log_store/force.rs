//! The way out of a lost majority: one node goes on alone.
//!
//! It rewrites nothing of the log; it appends an entry by which the node is the only member,
//! in a term that no vote of the node was for. The node then elects itself and commits all
//! that it has. What only the lost nodes had is lost, and what they come back with must never
//! meet this cluster: the caller gives it another identity.

use std::collections::{BTreeMap, BTreeSet};

use openraft::impls::BasicNode;
use openraft::vote::RaftLeaderId;
use openraft::{EntryPayload, Membership};

use super::memory::{Log, encoded, position};
use crate::raft::state_machine::term_of;
use crate::raft::{LogEntry, LogId, NodeId, RaftWorld, Vote};
use crate::storage::{OpenError, Record, Wal};

/// Makes `node` at `address` the only member of the cluster whose log is on `disk`, durably.
/// `applied` is the last entry in the snapshot beside the log, which may be all there is.
///
/// # Errors
/// See [`OpenError`].
pub async fn force_membership<W: RaftWorld>(
    disk: W::Disk,
    applied: Option<LogId<W>>,
    node: NodeId,
    address: &str,
) -> Result<(), OpenError> {
    let (mut wal, recovered) = Wal::open(disk).await?;
    let log = Log::<W>::recover(recovered)?;
    let in_log = log.last_log_id();
    let last = applied.max(in_log);
    let voted = log.vote.as_ref().map_or(0, |vote| vote.leader_id().term());
    let term = voted.max(last.as_ref().map_or(0, term_of::<W>)) + 1;

    let vote = Vote::<W>::new(term, node);
    let mut records = vec![Record::Vote(encoded(&vote))];
    if let Some(applied) = applied.filter(|applied| in_log < Some(*applied)) {
        // The log begins after the snapshot.
        records.push(Record::Purged {
            index: position(applied.index),
            data: encoded(&applied),
        });
    }
    let index = last.map_or(0, |id| id.index + 1);
    let members = BTreeMap::from([(node, BasicNode::new(address))]);
    let membership = Membership::new(vec![BTreeSet::from([node])], members);
    let entry = LogEntry::<W> {
        log_id: LogId::<W>::new_term_index(term, index),
        payload: EntryPayload::Membership(membership.expect("its one voter is a node")),
    };
    records.push(Record::Entry {
        index: position(index),
        data: encoded(&entry),
    });
    wal.write(&records).await?;
    wal.sync().await?;
    Ok(())
}
