//! Defines requests to Squall's own cluster, and encodes values in payloads.

use squall_cluster::protocol::ReadMode;
use squall_cluster::state::command::{Command, Query};

/// What a node is sent.
pub(super) enum Asked {
    Write(Command),
    /// Served as the mode says; `None`: linearizable.
    Read(Option<ReadMode>, Query),
}

/// Why an operation failed whose session has ended.
pub(super) const NO_SESSION: &str = "NoSession";
/// Why an operation failed whose sequence another had.
pub(super) const SEQUENCE_REUSED: &str = "SequenceReused";

/// A payload of `bytes` that begins with `value`.
pub fn payload(value: &str, bytes: u64) -> bytes::Bytes {
    let mut payload = Vec::with_capacity(value.len().max(bytes as usize));
    payload.extend_from_slice(value.as_bytes());
    payload.push(b' ');
    payload.resize(payload.len().max(bytes as usize), b'.');
    payload.into()
}

/// The value that a payload begins with.
pub fn value_of(payload: &[u8]) -> String {
    let end = payload.iter().position(|byte| *byte == b' ');
    String::from_utf8_lossy(&payload[..end.unwrap_or(payload.len())]).into_owned()
}
