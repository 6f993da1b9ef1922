//! Reads what nodes say to each other, for whoever overhears the bytes of a connection: traces
//! of a simulation do. Nothing a node does depends on it.
//!
//! A connection's bytes are cut into frames by [`next_frame`], and a frame is read by
//! [`request`] or [`response`], by who has opened the connection.

mod words;

use std::fmt;

use bytes::{Buf, BytesMut};
use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
use openraft::vote::RaftLeaderId;
use serde::de::DeserializeOwned;

use super::hello::{Greeting, Hello, MAGIC};
use super::wire::{PeerRequest, PeerResponse};
use super::{LogEntry, LogId, NodeId, RaftWorld, TypeConfig, node_name};

pub use words::{first_word, of as command_words};

/// Where an entry stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// In which it was proposed.
    pub term: u64,
    /// From 1.
    pub index: u64,
}

/// A message between nodes, but for what its entries and snapshots hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// A greeting.
    Hello {
        /// Who greets.
        from: NodeId,
        /// Whom it takes the other for.
        to: NodeId,
    },
    /// Entries; none are a heartbeat.
    Append {
        /// Of the leader.
        term: u64,
        /// The entry before the first; `None`: there is none.
        previous: Option<Position>,
        /// How many.
        entries: u64,
        /// Indexes of the first and the last entry.
        range: Option<(u64, u64)>,
        /// How far the leader knows the log to be committed; `None`: not at all.
        commit: Option<u64>,
        /// The leader relies on the other's promise, for reads by lease.
        promising: bool,
    },
    /// Asks for a vote.
    Vote {
        /// For which it is asked.
        term: u64,
        /// Who asks.
        candidate: NodeId,
        /// Its newest entry; `None`: its log is empty.
        last_log: Option<Position>,
        /// Asks only whether the vote would be granted.
        pre_vote: bool,
        /// Asked for by a leader that hands over.
        transfer: bool,
    },
    /// Bytes of a snapshot up to `last`; none, to ask how much is there.
    Snapshot {
        /// Of the leader.
        term: u64,
        /// Last entry that the snapshot covers; `None`: an empty one.
        last: Option<Position>,
        /// Where the bytes belong in it.
        offset: u64,
        /// How many they are.
        bytes: u64,
        /// Size of the whole snapshot.
        total: u64,
    },
    /// The leader hands over.
    Transfer {
        /// Of that leader.
        term: u64,
        /// Who is to lead next.
        to: NodeId,
    },
    /// Asks for an index up to which a read must have been applied.
    ReadIndex,
    /// The greeting was answered with another.
    Greeted {
        /// Who answers.
        by: NodeId,
    },
    /// The greeting was refused.
    GreetingRefused {
        /// In words.
        why: String,
    },
    /// All entries are durable.
    Appended,
    /// Only so far.
    AppendedUpTo {
        /// The newest that is durable; `None`: none.
        last: Option<Position>,
    },
    /// The entry before the first is another one, or is missing.
    Conflict,
    /// The other knows of a later vote.
    HigherVote {
        /// Of that vote.
        term: u64,
    },
    /// Whether the vote is granted.
    VoteAnswer {
        /// The voter's.
        term: u64,
        /// Whether it is.
        granted: bool,
    },
    /// The snapshot is complete, and in place.
    SnapshotInstalled {
        /// Of the node that has it.
        term: u64,
    },
    /// The bytes are there, and more are wanted.
    SnapshotUpTo {
        /// Up to which they are there.
        offset: u64,
    },
    /// The hand-over will be tried.
    TransferAccepted,
    /// Reads must have applied up to here.
    ReadIndexIs {
        /// Of the leader's log.
        index: u64,
    },
    /// The node cannot answer.
    Failed {
        /// In words.
        why: String,
    },
    /// Of another version, or damaged.
    Unreadable,
}

/// An entry as it was overheard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryNote {
    /// Where it stands.
    pub at: Position,
    /// `cache set k1 to v7`.
    pub what: String,
}

/// Takes the next frame out of what was received of a connection; `None` if it is not complete.
pub fn next_frame(bytes: &mut BytesMut) -> Option<BytesMut> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
    if bytes.len() < 4 + length {
        return None;
    }
    bytes.advance(4);
    Some(bytes.split_to(length))
}

/// What the one says that has opened the connection, and the entries in it.
pub fn request<W: RaftWorld>(frame: &[u8]) -> (PeerMessage, Vec<EntryNote>) {
    let said = match frame.strip_prefix(MAGIC.as_slice()) {
        Some(hello) => decode::<Hello>(hello).map(|hello| PeerMessage::Hello {
            from: hello.from,
            to: hello.to,
        }),
        None => match decode::<PeerRequest<W>>(frame) {
            Some(PeerRequest::Append(rpc)) => return append::<W>(&rpc, false),
            Some(PeerRequest::AppendPromising(rpc)) => return append::<W>(&rpc, true),
            other => other.map(asked),
        },
    };
    (said.unwrap_or(PeerMessage::Unreadable), Vec::new())
}

/// What the other answers.
pub fn response<W: RaftWorld>(frame: &[u8]) -> PeerMessage {
    let said = match frame.strip_prefix(MAGIC.as_slice()) {
        Some(greeting) => decode::<Greeting>(greeting).map(|greeting| match greeting {
            Greeting::Hello(hello) => PeerMessage::Greeted { by: hello.from },
            Greeting::Refused(why) => PeerMessage::GreetingRefused { why },
        }),
        None => decode::<PeerResponse<W>>(frame).map(answered),
    };
    said.unwrap_or(PeerMessage::Unreadable)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (message, _) = postcard::take_from_bytes(bytes).ok()?;
    Some(message)
}

fn position<W: RaftWorld>(id: &LogId<W>) -> Position {
    Position {
        term: **id.committed_leader_id(),
        index: id.index,
    }
}

fn append<W: RaftWorld>(
    rpc: &AppendEntriesRequest<TypeConfig<W>>,
    promising: bool,
) -> (PeerMessage, Vec<EntryNote>) {
    let notes: Vec<EntryNote> = rpc.entries.iter().map(note::<W>).collect();
    let index_of = |note: Option<&EntryNote>| note.map(|note| note.at.index);
    let said = PeerMessage::Append {
        term: rpc.vote.leader_id().term(),
        previous: rpc.prev_log_id.as_ref().map(position::<W>),
        entries: notes.len() as u64,
        range: index_of(notes.first()).zip(index_of(notes.last())),
        commit: rpc.leader_commit.as_ref().map(|id| id.index),
        promising,
    };
    (said, notes)
}

fn note<W: RaftWorld>(entry: &LogEntry<W>) -> EntryNote {
    let what = match &entry.payload {
        EntryPayload::Blank => "nothing".to_owned(),
        EntryPayload::Membership(_) => "membership".to_owned(),
        EntryPayload::Normal(proposal) => match proposal.decode() {
            Ok(request) => words::of(&request.command),
            Err(_) => "unreadable".to_owned(),
        },
    };
    EntryNote {
        at: position::<W>(&entry.log_id),
        what,
    }
}

fn vote<W: RaftWorld>(rpc: &VoteRequest<TypeConfig<W>>, pre_vote: bool) -> PeerMessage {
    let leader = rpc.vote.leader_id();
    PeerMessage::Vote {
        term: leader.term(),
        candidate: *leader.node_id(),
        last_log: rpc.last_log_id.as_ref().map(position::<W>),
        pre_vote,
        transfer: rpc.leadership_transfer,
    }
}

fn asked<W: RaftWorld>(request: PeerRequest<W>) -> PeerMessage {
    match request {
        PeerRequest::Append(rpc) => append::<W>(&rpc, false).0,
        PeerRequest::AppendPromising(rpc) => append::<W>(&rpc, true).0,
        PeerRequest::PreVote(rpc) => vote::<W>(&rpc, true),
        PeerRequest::Vote(rpc) => vote::<W>(&rpc, false),
        PeerRequest::Snapshot { vote, meta, data } => PeerMessage::Snapshot {
            term: vote.leader_id().term(),
            last: meta.last_log_id.as_ref().map(position::<W>),
            offset: 0,
            bytes: data.len() as u64,
            total: data.len() as u64,
        },
        PeerRequest::SnapshotPiece(piece) => PeerMessage::Snapshot {
            term: piece.vote.leader_id().term(),
            last: piece.meta.last_log_id.as_ref().map(position::<W>),
            offset: piece.offset,
            bytes: piece.data.len() as u64,
            total: piece.total,
        },
        PeerRequest::TransferLeader(rpc) => PeerMessage::Transfer {
            term: rpc.from_leader().leader_id().term(),
            to: *rpc.to_node_id(),
        },
        PeerRequest::ReadIndex => PeerMessage::ReadIndex,
    }
}

fn answered<W: RaftWorld>(response: PeerResponse<W>) -> PeerMessage {
    match response {
        PeerResponse::Append(AppendEntriesResponse::Success) => PeerMessage::Appended,
        PeerResponse::Append(AppendEntriesResponse::PartialSuccess(last)) => {
            PeerMessage::AppendedUpTo {
                last: last.as_ref().map(position::<W>),
            }
        }
        PeerResponse::Append(AppendEntriesResponse::Conflict) => PeerMessage::Conflict,
        PeerResponse::Append(AppendEntriesResponse::HigherVote(vote)) => PeerMessage::HigherVote {
            term: vote.leader_id().term(),
        },
        PeerResponse::Vote(response) => PeerMessage::VoteAnswer {
            term: response.vote.leader_id().term(),
            granted: response.vote_granted,
        },
        PeerResponse::Snapshot(response) => PeerMessage::SnapshotInstalled {
            term: response.vote.leader_id().term(),
        },
        PeerResponse::SnapshotUpTo(offset) => PeerMessage::SnapshotUpTo { offset },
        PeerResponse::TransferLeader => PeerMessage::TransferAccepted,
        PeerResponse::ReadIndex(index) => PeerMessage::ReadIndexIs { index },
        PeerResponse::Failed(why) => PeerMessage::Failed { why },
    }
}

impl fmt::Display for Position {
    /// `41 of term 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of term {}", self.index, self.term)
    }
}

impl PeerMessage {
    /// One word for what it is: `append`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Append { entries: 0, .. } => "heartbeat",
            Self::Append { .. } => "append",
            Self::Vote { pre_vote: true, .. } => "pre-vote",
            Self::Vote { .. } => "vote",
            Self::Snapshot { .. } => "snapshot",
            Self::Transfer { .. } => "transfer",
            Self::ReadIndex => "read-index",
            Self::Greeted { .. } => "greeted",
            Self::GreetingRefused { .. } => "greeting-refused",
            Self::Appended | Self::AppendedUpTo { .. } => "appended",
            Self::Conflict => "conflict",
            Self::HigherVote { .. } => "higher-vote",
            Self::VoteAnswer { granted: true, .. } => "vote-granted",
            Self::VoteAnswer { .. } => "vote-refused",
            Self::SnapshotInstalled { .. } => "snapshot-installed",
            Self::SnapshotUpTo { .. } => "snapshot-received",
            Self::TransferAccepted => "transfer-accepted",
            Self::ReadIndexIs { .. } => "read-index-is",
            Self::Failed { .. } => "failed",
            Self::Unreadable => "unreadable",
        }
    }

    /// The term that it speaks of, if it does.
    pub fn term(&self) -> Option<u64> {
        match self {
            Self::Append { term, .. }
            | Self::Vote { term, .. }
            | Self::Snapshot { term, .. }
            | Self::Transfer { term, .. }
            | Self::HigherVote { term }
            | Self::VoteAnswer { term, .. }
            | Self::SnapshotInstalled { term } => Some(*term),
            _ => None,
        }
    }
}

impl fmt::Display for PeerMessage {
    /// `append term 3, 2 entries 41..42 after 40 of term 3, commit 40`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        if let Some(term) = self.term() {
            write!(f, " term {term}")?;
        }
        match self {
            Self::Append {
                previous,
                entries,
                range,
                commit,
                promising,
                ..
            } => {
                if let Some((first, last)) = range {
                    let plural = if *entries == 1 { "entry" } else { "entries" };
                    write!(f, ", {entries} {plural} {first}..{last}")?;
                }
                if let Some(previous) = previous {
                    write!(f, ", after {previous}")?;
                }
                if let Some(commit) = commit {
                    write!(f, ", commit {commit}")?;
                }
                f.write_str(if *promising { ", promising" } else { "" })
            }
            Self::Vote {
                candidate,
                last_log,
                transfer,
                ..
            } => {
                write!(f, ", for {}", node_name(*candidate))?;
                if let Some(last) = last_log {
                    write!(f, ", log up to {last}")?;
                }
                f.write_str(if *transfer { ", handed over" } else { "" })
            }
            Self::Snapshot {
                last,
                offset,
                bytes,
                total,
                ..
            } => {
                if let Some(last) = last {
                    write!(f, ", up to {last}")?;
                }
                write!(f, ", bytes {offset}..{} of {total}", offset + bytes)
            }
            Self::Transfer { to, .. } => write!(f, ", to {}", node_name(*to)),
            Self::Hello { from, to } => {
                write!(f, ", {} to {}", node_name(*from), node_name(*to))
            }
            Self::Greeted { by } => write!(f, ", by {}", node_name(*by)),
            Self::AppendedUpTo { last: Some(last) } => write!(f, ", up to {last}"),
            Self::SnapshotUpTo { offset } => write!(f, ", up to byte {offset}"),
            Self::ReadIndexIs { index } => write!(f, " {index}"),
            Self::Failed { why } | Self::GreetingRefused { why } => write!(f, ": {why}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes};

    use super::*;
    use crate::encode;
    use crate::raft::{Proposal, Vote};
    use crate::state::command::{CacheCommand, Command, Request, SetCondition};
    use crate::world::RealWorld;

    type Config = TypeConfig<RealWorld>;

    fn entry(index: u64) -> LogEntry<RealWorld> {
        let request = Request {
            time_ms: 1,
            once: None,
            command: Command::Cache(CacheCommand::Set {
                key: Bytes::from(format!("k{index}")),
                value: Bytes::from_static(b"v"),
                ttl_ms: None,
                keep_ttl: false,
                condition: SetCondition::Always,
            }),
        };
        LogEntry::<RealWorld> {
            log_id: LogId::<RealWorld>::new_term_index(3, index),
            payload: EntryPayload::Normal(Proposal::encode(&request)),
        }
    }

    fn append(entries: Vec<LogEntry<RealWorld>>) -> Vec<u8> {
        let rpc = AppendEntriesRequest::<Config> {
            vote: Vote::<RealWorld>::new_committed(3, 1),
            prev_log_id: Some(LogId::<RealWorld>::new_term_index(2, 40)),
            entries,
            leader_commit: Some(LogId::<RealWorld>::new_term_index(2, 39)),
        };
        encode::plain(&PeerRequest::<RealWorld>::Append(rpc), 64)
    }

    #[test]
    fn append_is_read_with_its_range_and_its_entries() {
        let (said, notes) = request::<RealWorld>(&append(vec![entry(41), entry(42)]));
        assert_eq!(
            said.to_string(),
            "append term 3, 2 entries 41..42, after 40 of term 2, commit 39"
        );
        let what: Vec<&str> = notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(what, ["cache set k41 to v", "cache set k42 to v"]);
        assert_eq!(notes[1].at, Position { term: 3, index: 42 });
        let (heartbeat, notes) = request::<RealWorld>(&append(Vec::new()));
        assert_eq!((heartbeat.name(), notes.len()), ("heartbeat", 0));
    }

    #[test]
    fn answers_are_read_and_nonsense_is_said_to_be_unreadable() {
        let answer = |response: PeerResponse<RealWorld>| {
            super::response::<RealWorld>(&encode::plain(&response, 16))
        };
        let higher = AppendEntriesResponse::HigherVote(Vote::<RealWorld>::new(7, 2));
        let higher = answer(PeerResponse::Append(higher));
        assert_eq!(higher, PeerMessage::HigherVote { term: 7 });
        assert_eq!(
            answer(PeerResponse::Append(AppendEntriesResponse::Success)),
            PeerMessage::Appended
        );
        assert_eq!(
            super::response::<RealWorld>(&[0xff; 9]),
            PeerMessage::Unreadable
        );
        assert_eq!(request::<RealWorld>(&[]).0, PeerMessage::Unreadable);
    }

    #[test]
    fn frames_are_taken_only_when_they_are_complete() {
        let mut bytes = BytesMut::new();
        bytes.put_u32_le(3);
        bytes.put_slice(b"ab");
        assert_eq!(next_frame(&mut bytes), None);
        bytes.put_slice(b"cd");
        assert_eq!(next_frame(&mut bytes).as_deref(), Some(&b"abc"[..]));
        assert_eq!((next_frame(&mut bytes), &bytes[..]), (None, &b"d"[..]));
    }
}
