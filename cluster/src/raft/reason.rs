//! Holds what peers say to reason, before Raft hears of it.
//!
//! Raft believes its peers: it follows any larger term, and takes entries as they come. A term at
//! the end of its type would leave no term for another election, entries with a gap would be
//! refused by the log, which ends the node, and so does an entry in the place of one that was
//! applied. A vote of somebody else, this node even, would have it lead without knowing. None of it
//! can come from a node that works, so all of it is answered with an error, and nothing else
//! happens.

use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::vote::RaftLeaderId;

use super::state_machine::term_of;
use super::wire::{PeerRequest, PeerResponse};
use super::{LogId, NodeId, RaftWorld, SnapshotMeta, TypeConfig, Vote, node_name};

/// A term may be so far beyond that of the last entry applied: ten elections a second for
/// thirteen years.
const LARGEST_LEAP: u64 = 1 << 32;

/// # Errors
/// Why the request cannot come from a node that works; `applied_term` is that of the last entry
/// applied here.
pub fn check_request<W: RaftWorld>(
    request: &PeerRequest<W>,
    applied_term: u64,
) -> Result<(), String> {
    if let Some(vote) = vote_of(request) {
        check_vote::<W>(vote, applied_term)?;
    }
    match request {
        PeerRequest::Append(rpc) | PeerRequest::AppendPromising(rpc) => check_entries::<W>(rpc),
        PeerRequest::Snapshot { vote, meta, .. } => check_snapshot::<W>(vote, meta),
        PeerRequest::SnapshotPiece(piece) => check_snapshot::<W>(&piece.vote, &piece.meta),
        _ => Ok(()),
    }
}

/// What a snapshot holds is not beyond the term of who sends it.
fn check_snapshot<W: RaftWorld>(vote: &Vote<W>, meta: &SnapshotMeta<W>) -> Result<(), String> {
    let (last, own) = (
        meta.last_log_id.as_ref().map_or(0, term_of::<W>),
        vote.leader_id().term(),
    );
    match last > own {
        true => Err(format!(
            "a leader of term {own} sends a snapshot of term {last}"
        )),
        false => Ok(()),
    }
}

/// The vote by which somebody leads, or stands, who sends this.
fn vote_of<W: RaftWorld>(request: &PeerRequest<W>) -> Option<&Vote<W>> {
    match request {
        PeerRequest::Append(rpc) | PeerRequest::AppendPromising(rpc) => Some(&rpc.vote),
        PeerRequest::PreVote(rpc) | PeerRequest::Vote(rpc) => Some(&rpc.vote),
        PeerRequest::Snapshot { vote, .. } => Some(vote),
        PeerRequest::SnapshotPiece(piece) => Some(&piece.vote),
        PeerRequest::TransferLeader(rpc) => Some(rpc.from_leader()),
        PeerRequest::ReadIndex => None,
    }
}

/// Refuses what one node sends in the name of another, or of this node (`me`): everything but a
/// question for the read index has the vote of who sends it. A `sender` that has not greeted is
/// not known.
///
/// # Errors
/// Whose name it is.
pub fn check_sender<W: RaftWorld>(
    request: &PeerRequest<W>,
    sender: Option<NodeId>,
    me: NodeId,
) -> Result<(), String> {
    let named = vote_of(request).map(|vote| *vote.leader_id().node_id());
    let is_wrong = |named: &NodeId| *named == me || sender.is_some_and(|sender| *named != sender);
    match named.filter(is_wrong) {
        Some(named) => Err(format!(
            "{} speaks in the name of {}",
            sender.map_or("a peer".into(), node_name),
            node_name(named)
        )),
        None => Ok(()),
    }
}

/// Refuses entries that contradict what was applied here, which every leader has: `applied` is the
/// last of it, and `known` the id of an entry, if it is still in the log.
///
/// # Errors
/// Which entry it is.
pub fn check_applied<W: RaftWorld>(
    request: &PeerRequest<W>,
    applied: Option<LogId<W>>,
    known: impl Fn(u64) -> Option<LogId<W>>,
) -> Result<(), String> {
    let (PeerRequest::Append(rpc) | PeerRequest::AppendPromising(rpc)) = request else {
        return Ok(());
    };
    let Some(applied) = applied else {
        return Ok(());
    };
    let sent = rpc.prev_log_id.into_iter();
    let sent = sent.chain(rpc.entries.iter().map(|entry| entry.log_id));
    for id in sent.take_while(|id| id.index <= applied.index) {
        let own = match id.index == applied.index {
            true => Some(applied),
            false => known(id.index),
        };
        if own.is_some_and(|own| own != id) || term_of::<W>(&id) > term_of::<W>(&applied) {
            return Err(format!(
                "entry {id} stands where another was applied, up to {applied}"
            ));
        }
    }
    Ok(())
}

/// # Errors
/// As for [`check_request`].
pub fn check_response<W: RaftWorld>(
    response: &PeerResponse<W>,
    applied_term: u64,
) -> Result<(), String> {
    match response {
        PeerResponse::Append(AppendEntriesResponse::HigherVote(vote)) => {
            check_vote::<W>(vote, applied_term)
        }
        PeerResponse::Vote(response) => check_vote::<W>(&response.vote, applied_term),
        PeerResponse::Snapshot(response) => check_vote::<W>(&response.vote, applied_term),
        PeerResponse::Append(_)
        | PeerResponse::TransferLeader
        | PeerResponse::ReadIndex(_)
        | PeerResponse::Failed(_)
        | PeerResponse::SnapshotUpTo(_) => Ok(()),
    }
}

fn check_vote<W: RaftWorld>(vote: &Vote<W>, applied_term: u64) -> Result<(), String> {
    let term = vote.leader_id().term();
    if term > applied_term.saturating_add(LARGEST_LEAP) {
        return Err(format!(
            "term {term} is beyond reason: {applied_term} is in the log"
        ));
    }
    Ok(())
}

/// Entries follow each other without a gap, in terms that do not fall and are not beyond that of
/// who sends them.
fn check_entries<W: RaftWorld>(rpc: &AppendEntriesRequest<TypeConfig<W>>) -> Result<(), String> {
    let mut before: Option<LogId<W>> = rpc.prev_log_id;
    for entry in &rpc.entries {
        let id = entry.log_id;
        let due = before.map_or(Some(0), |before| before.index.checked_add(1));
        let term = before.as_ref().map_or(0, term_of::<W>);
        if Some(id.index) != due || term_of::<W>(&id) < term {
            return Err(format!("entry {id} does not follow the one before it"));
        }
        before = Some(id);
    }
    let (last, own) = (
        before.as_ref().map_or(0, term_of::<W>),
        rpc.vote.leader_id().term(),
    );
    if last > own {
        return Err(format!(
            "a leader of term {own} sends an entry of term {last}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::raft::LogEntry;
    use crate::world::RealWorld;

    fn id(term: u64, index: u64) -> LogId<RealWorld> {
        LogId::<RealWorld>::new_term_index(term, index)
    }

    fn append(term: u64, before: Option<(u64, u64)>, ids: &[(u64, u64)]) -> Result<(), String> {
        let entries = ids.iter().map(|(term, index)| LogEntry::<RealWorld> {
            log_id: id(*term, *index),
            payload: EntryPayload::Blank,
        });
        let rpc = AppendEntriesRequest {
            vote: Vote::<RealWorld>::new_committed(term, 1),
            prev_log_id: before.map(|(term, index)| id(term, index)),
            entries: entries.collect(),
            leader_commit: None,
        };
        check_request::<RealWorld>(&PeerRequest::Append(rpc), 3)
    }

    #[test]
    fn what_a_leader_sends_passes() {
        assert_eq!(append(1, None, &[]), Ok(()));
        assert_eq!(append(5, None, &[(1, 0), (1, 1), (4, 2)]), Ok(()));
        assert_eq!(append(5, Some((4, 7)), &[(4, 8), (5, 9)]), Ok(()));
        assert_eq!(append(LARGEST_LEAP, None, &[]), Ok(()));
    }

    #[test]
    fn a_snapshot_is_not_beyond_its_sender() {
        let piece = |term| {
            let meta = SnapshotMeta::<RealWorld> {
                last_log_id: Some(id(term, 14)),
                ..Default::default()
            };
            let piece = crate::raft::snapshot::SnapshotPiece {
                vote: Vote::<RealWorld>::new_committed(7, 2),
                meta,
                total: 0,
                offset: 0,
                data: bytes::Bytes::new(),
            };
            check_request::<RealWorld>(&PeerRequest::SnapshotPiece(piece), 3)
        };
        assert_eq!(piece(7), Ok(()));
        let why = piece(65).expect_err("it is beyond");
        assert!(why.contains("a snapshot of term 65"), "{why}");
    }

    #[test]
    fn nobody_speaks_in_the_name_of_another() {
        let vote = Vote::<RealWorld>::new_committed(7, 2);
        let rpc = AppendEntriesRequest {
            vote,
            prev_log_id: None,
            entries: vec![],
            leader_commit: None,
        };
        let heartbeat = PeerRequest::<RealWorld>::Append(rpc);
        assert_eq!(check_sender(&heartbeat, Some(2), 1), Ok(()));
        assert_eq!(check_sender(&heartbeat, None, 1), Ok(()));
        let question = PeerRequest::<RealWorld>::ReadIndex;
        assert_eq!(check_sender(&question, Some(3), 1), Ok(()));
        let why = check_sender(&heartbeat, Some(3), 1).expect_err("it is of another");
        assert_eq!(why, "node-3 speaks in the name of node-2");
        for sender in [Some(2), None] {
            let why = check_sender(&heartbeat, sender, 2).expect_err("it is of this node");
            assert!(why.ends_with("in the name of node-2"), "{why}");
        }
    }

    #[test]
    fn entries_in_the_place_of_applied_ones_are_refused() {
        let applied = id(3, 7);
        let known = |index| (5..=7).contains(&index).then(|| id(3, index));
        let check = |before: Option<(u64, u64)>, ids: &[(u64, u64)]| {
            let entries = ids.iter().map(|(term, index)| LogEntry::<RealWorld> {
                log_id: id(*term, *index),
                payload: EntryPayload::Blank,
            });
            let rpc = AppendEntriesRequest {
                vote: Vote::<RealWorld>::new_committed(9, 1),
                prev_log_id: before.map(|(term, index)| id(term, index)),
                entries: entries.collect(),
                leader_commit: None,
            };
            check_applied::<RealWorld>(&PeerRequest::Append(rpc), Some(applied), known)
        };
        // Sent again, of what is purged, and behind it.
        assert_eq!(check(Some((3, 5)), &[(3, 6), (3, 7), (9, 8)]), Ok(()));
        assert_eq!(check(Some((1, 2)), &[(1, 3)]), Ok(()));
        assert_eq!(check(Some((9, 8)), &[(9, 9)]), Ok(()));
        for (before, ids) in [
            (Some((2, 5)), &[][..]),
            (Some((3, 5)), &[(3, 6), (9, 7)]),
            (Some((9, 7)), &[]),
            (None, &[(9, 0)]),
        ] {
            let refused = check(before, ids).expect_err("it contradicts");
            assert!(refused.contains("another was applied"), "{refused}");
        }
    }

    #[test]
    fn terms_and_entries_that_make_no_sense_are_refused() {
        for (term, before, ids, why) in [
            (u64::MAX, None, &[][..], "beyond reason"),
            (LARGEST_LEAP + 4, None, &[], "beyond reason"),
            (5, None, &[(1, 1)], "does not follow"),
            (5, Some((4, 7)), &[(4, 9)], "does not follow"),
            (5, Some((4, 7)), &[(4, 8), (4, 8)], "does not follow"),
            (5, Some((4, 7)), &[(3, 8)], "does not follow"),
            (5, Some((4, u64::MAX)), &[(4, 0)], "does not follow"),
            (5, Some((4, 7)), &[(6, 8)], "of term 6"),
            (5, Some((6, 7)), &[], "of term 6"),
        ] {
            let refused = append(term, before, ids).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
        let vote = Vote::<RealWorld>::new(u64::MAX, 2);
        let higher = PeerResponse::<RealWorld>::Append(AppendEntriesResponse::HigherVote(vote));
        assert!(check_response(&higher, 3).is_err());
    }
}
