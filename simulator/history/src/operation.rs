//! Operations: what a client asked and what it was told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EventKind, History};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    Lock,
    Queue,
    Cache,
}

impl Service {
    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Service::Lock => "lock",
            Service::Queue => "queue",
            Service::Cache => "cache",
        }
    }
}

/// Names of the harness's own clients, which ask to measure downtime, begin with this.
pub const PROBE: &str = "probe-";

/// What a client asks. Every written value is unique within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "snake_case")]
pub enum Action {
    /// Takes lock `name`; `wait_ms` 0 is try-lock.
    Acquire {
        name: String,
        session: u64,
        shared: bool,
        wait_ms: u64,
    },
    Release {
        name: String,
        session: u64,
        token: u64,
    },
    /// Leaves the waiting line of lock `name`.
    Cancel {
        name: String,
        session: u64,
    },
    /// Looks at who holds lock `name` and who waits for it.
    Inspect {
        name: String,
    },
    /// A fenced resource checks a token.
    Check {
        name: String,
        token: u64,
    },
    OpenSession {
        ttl_ms: u64,
    },
    KeepAlive {
        session: u64,
    },
    CloseSession {
        session: u64,
    },
    /// Publishes one message whose payload starts with `value`.
    Publish {
        queue: String,
        value: String,
        bytes: u64,
    },
    /// Publishes messages in one batch, all with the same delay, priority and group.
    PublishBatch {
        queue: String,
        values: Vec<String>,
        /// Of each.
        bytes: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        delay_ms: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        priority: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    },
    /// Creates a queue or changes its limits; 0 is no limit.
    Configure {
        queue: String,
        max_depth: u64,
        max_deliveries: u32,
    },
    /// Asks how many messages a queue holds.
    Depth {
        queue: String,
    },
    Receive {
        queue: String,
        max: u32,
        visibility_ms: u64,
        wait_ms: u64,
    },
    Ack {
        queue: String,
        receipt: u64,
        value: String,
    },
    Nack {
        queue: String,
        receipt: u64,
        value: String,
        delay_ms: u64,
    },
    Get {
        key: String,
        /// Served by the leader on the strength of its lease.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lease: bool,
    },
    /// Reads from one node, which may be behind: by at most `bound_ms`, or, without a bound,
    /// by any time.
    GetFrom {
        key: String,
        node: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound_ms: Option<u64>,
    },
    /// Reads from the client's own cache, which a stream of invalidations keeps at most
    /// `bound_ms` old.
    GetNear {
        key: String,
        bound_ms: u64,
    },
    /// Reads several keys as they stood at one index of the log.
    GetMany {
        keys: Vec<String>,
    },
    /// Sets a key that may vanish by itself: at the end of its lifetime, or by eviction.
    SetVolatile {
        key: String,
        value: String,
        bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
    },
    /// Asks how many keys the cache holds, which must be at most `capacity`.
    CacheSize {
        capacity: u64,
    },
    Set {
        key: String,
        value: String,
        bytes: u64,
    },
    /// Sets `key` to `value` if its version is `version`.
    CompareAndSet {
        key: String,
        version: u64,
        value: String,
    },
    Delete {
        key: String,
    },
    Increment {
        key: String,
        by: i64,
    },
}

/// What a queue's name ends with that holds dead letters, unless it was configured otherwise,
/// which no workload does.
const DEAD_LETTERS: &str = ".dead";

/// Where the dead letters of a queue go.
pub fn dead_letters_of(queue: &str) -> String {
    format!("{queue}{DEAD_LETTERS}")
}

/// Whose dead letters a queue holds, if it is one for them.
pub fn dead_lettered_from(queue: &str) -> Option<&str> {
    queue.strip_suffix(DEAD_LETTERS)
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Action {
    /// Size of the payload of a write that was given one: of each message, or of the value.
    pub fn payload_bytes(&self) -> Option<u64> {
        match self {
            Action::Publish { bytes, .. }
            | Action::PublishBatch { bytes, .. }
            | Action::Set { bytes, .. }
            | Action::SetVolatile { bytes, .. } => Some(*bytes),
            _ => None,
        }
    }

    /// Whether the cluster is asked at all: what a client answers itself says nothing about
    /// the cluster's availability.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Action::GetNear { .. })
    }

    pub fn service(&self) -> Service {
        use Action::*;
        match self {
            Acquire { .. }
            | Release { .. }
            | Cancel { .. }
            | Inspect { .. }
            | Check { .. }
            | OpenSession { .. }
            | KeepAlive { .. }
            | CloseSession { .. } => Service::Lock,
            Publish { .. }
            | PublishBatch { .. }
            | Configure { .. }
            | Depth { .. }
            | Receive { .. }
            | Ack { .. }
            | Nack { .. } => Service::Queue,
            Get { .. }
            | GetFrom { .. }
            | GetNear { .. }
            | GetMany { .. }
            | Set { .. }
            | SetVolatile { .. }
            | CacheSize { .. }
            | CompareAndSet { .. }
            | Delete { .. }
            | Increment { .. } => Service::Cache,
        }
    }
}

/// What the client learnt. The three-way split is Jepsen's: acknowledged, certainly
/// without effect, or unknown (it may have taken effect, may yet, or never).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Acquire granted. `token` is the log index of the grant.
    Granted {
        token: u64,
    },
    /// Acquire ended without the lock: busy, or the wait timed out.
    NotGranted,
    Released,
    /// Who holds a lock, and the sessions that wait for it, in order.
    Line {
        holders: Vec<Holder>,
        waiters: Vec<u64>,
        /// The last token that was granted.
        last_token: u64,
    },
    /// Release, keep-alive: the session does not hold it or is gone. No effect.
    NotHeld,
    Checked {
        accepted: bool,
    },
    Session {
        session: u64,
    },
    Alive,
    Closed,
    Published {
        id: u64,
    },
    /// The ids of a batch, in its order.
    PublishedBatch {
        ids: Vec<u64>,
    },
    Configured,
    /// Messages that a queue holds.
    Depth {
        ready: u64,
        in_flight: u64,
        delayed: u64,
    },
    Received {
        messages: Vec<Delivered>,
    },
    /// Ack, nack: false when the receipt was no longer valid.
    Settled {
        valid: bool,
    },
    Value {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        version: u64,
    },
    /// Of the keys of one read, in their order.
    Values {
        values: Vec<Found>,
    },
    /// Set, delete: done; `version` is the log index of the write (0 for a delete).
    Stored {
        version: u64,
    },
    /// Compare-and-set: the version did not match. No effect.
    Mismatch,
    Counted {
        value: i64,
        version: u64,
    },
    /// Keys that the cache holds.
    Size {
        entries: u64,
    },
    /// Definitely no effect (refused, or never sent).
    Failed {
        why: String,
    },
    /// Unknown: timed out, or the connection broke after sending.
    Unknown {
        why: String,
    },
}

impl Outcome {
    /// Whether the client was told that the operation took effect or was answered.
    pub fn is_acknowledged(&self) -> bool {
        !matches!(self, Outcome::Failed { .. } | Outcome::Unknown { .. })
    }
}

/// What a key held; `None` and version 0 where nothing was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    pub version: u64,
}

/// One hold of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub session: u64,
    pub token: u64,
    pub shared: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    pub id: u64,
    pub receipt: u64,
    pub deliveries: u32,
    /// The `value` the message was published with.
    pub value: String,
}

/// An invocation paired with its return.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation<'a> {
    pub op: u64,
    pub client: &'a str,
    pub action: &'a Action,
    pub intended_us: Option<u64>,
    pub invoked_us: u64,
    /// `None` while outstanding at the end of the history.
    pub returned_us: Option<u64>,
    /// `None` while outstanding: unknown.
    pub outcome: Option<&'a Outcome>,
    /// Positions of the two events in the history; real-time order at equal timestamps.
    pub invoke_pos: usize,
    pub return_pos: Option<usize>,
}

impl Operation<'_> {
    /// When it was meant to start; see [`start_us`].
    pub fn start_us(&self) -> u64 {
        start_us(self.intended_us, self.invoked_us)
    }
}

/// When an operation was meant to start: what was asked too late, in an open loop, counts from
/// when it should have been, so that a stall of the driver is not hidden.
pub fn start_us(intended_us: Option<u64>, sent_us: u64) -> u64 {
    intended_us.map_or(sent_us, |at_us| at_us.min(sent_us))
}

/// Pairs invocations with returns, in order of invocation. A return that answers no
/// outstanding operation is ignored; `check` refuses such a history.
pub fn operations(history: &History) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    // Position in `operations` of what is still unanswered. Few are at any time, so this
    // stays small however long the history is.
    let mut outstanding: BTreeMap<u64, usize> = BTreeMap::new();
    for (pos, event) in history.events.iter().enumerate() {
        match &event.kind {
            EventKind::Invoke {
                op,
                client,
                intended_us,
                action,
            } => {
                outstanding.insert(*op, operations.len());
                operations.push(Operation {
                    op: *op,
                    client,
                    action,
                    intended_us: *intended_us,
                    invoked_us: event.at_us,
                    returned_us: None,
                    outcome: None,
                    invoke_pos: pos,
                    return_pos: None,
                });
            }
            EventKind::Return { op, outcome } => {
                if let Some(index) = outstanding.remove(op) {
                    let operation = &mut operations[index];
                    operation.returned_us = Some(event.at_us);
                    operation.outcome = Some(outcome);
                    operation.return_pos = Some(pos);
                }
            }
            _ => {}
        }
    }
    operations
}
