//! Reads from an append what it carries, and what it says of the log.

use squall_cluster::raft::overhear::PeerMessage;

use crate::backends::trace::{Content, Message};

/// The indexes that a message carries.
pub(super) fn range(message: &Message) -> Option<(u64, u64)> {
    match &message.content {
        Content::Peer(PeerMessage::Append { range, .. }) => *range,
        _ => None,
    }
}

/// Up to which index a leader says that the log is committed.
pub(super) fn commit(message: &Message) -> Option<u64> {
    match &message.content {
        Content::Peer(PeerMessage::Append { commit, .. }) => *commit,
        _ => None,
    }
}

/// The last index that whoever confirms the message has.
pub(super) fn upto(message: &Message) -> Option<u64> {
    match &message.content {
        Content::Peer(PeerMessage::Append {
            previous, range, ..
        }) => {
            let previous = previous.map(|previous| previous.index);
            range.map(|(_, last)| last).or(previous)
        }
        _ => None,
    }
}
