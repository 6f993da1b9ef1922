//! The figures of data loss, and the tally in which the services add up to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{Action, Operation};
use squall_objective::fixed::Ms;

/// Writes are publishes, writes to the cache and pushes to lists, of the whole run. Counts are
/// of operations, or of messages where they exist twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// Acknowledged writes.
    pub acked: u64,
    /// Acknowledged writes whose effect the audit missed.
    pub lost: u64,
    /// Payload of the lost writes, bytes.
    pub lost_bytes: u64,
    /// The first of the lost writes is sent → the last of them is acknowledged: the recovery
    /// point objective (RPO) that the run would have needed; 0 if none is lost.
    pub window_ms: Ms,
    /// Messages stored twice, or delivered after their acknowledgement was confirmed, and
    /// increments that count more than once.
    pub duplicated: u64,
    /// Values that clients were given though nobody wrote them, or only a write that failed
    /// for certain.
    pub phantom: u64,
    /// Acknowledged writes of which nobody can say whether they are lost: the audit did not
    /// come to their key or list, or to the end of their queue.
    pub unaudited: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) loss: Loss,
    /// From when to when the lost writes were made.
    pub(super) window: Option<(u64, u64)>,
}

impl Tally {
    pub(super) fn lose(&mut self, operation: &Operation<'_>) {
        self.loss.lost += 1;
        self.loss.lost_bytes += written_bytes(operation.action);
        let (from_us, to_us) = self.window.unwrap_or((u64::MAX, 0));
        let returned_us = operation.returned_us.unwrap_or(operation.invoked_us);
        self.window = Some((from_us.min(operation.invoked_us), to_us.max(returned_us)));
    }
}

/// An increment moves one 64-bit number.
const COUNTER_BYTES: u64 = 8;

fn written_bytes(action: &Action) -> u64 {
    match action {
        Action::CompareAndSet { value, .. } | Action::ListPush { value, .. } => value.len() as u64,
        Action::Increment { .. } => COUNTER_BYTES,
        _ => action.payload_bytes().unwrap_or(0),
    }
}
