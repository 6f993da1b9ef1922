//! Outcomes: what a client learnt of an operation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// How many values a list has, after a push; of a removal, how many it took out.
    Length {
        values: u64,
    },
    /// What was taken from a list; nothing if it was empty, or a wait was over.
    Popped {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// A list, from left to right.
    Elements {
        values: Vec<String>,
    },
    /// What an operation of a service from outside was answered.
    Answered {
        value: Value,
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

/// Why an outcome is unknown whose answer the harness had its client throw away: a client
/// that vanishes after asking, or has lost its patience. It says nothing about the cluster.
const NOT_AWAITED: &str = "the client did not wait for an answer";

/// Begins why an outcome is unknown whose last attempt the service refused by its own rules.
const REFUSED_AT_LAST: &str =
    "an earlier attempt may have been executed, and the last was refused: ";

/// What a service refuses by its own rules, as the history writes it.
const REFUSALS: [&str; 18] = [
    "NoSession",
    "StaleSequence",
    "NotHeld",
    "WouldDeadlock",
    "WrongMode",
    "NoQueue",
    "QueueFull",
    "NotAnInteger",
    "Overflow",
    "TooLarge",
    "OutOfRange",
    "NotAFloat",
    "NotFinite",
    "NoSuchKey",
    "ReplyTooLarge",
    "NotEmpty",
    "WrongType",
    "NoSuchIndex",
];

impl Outcome {
    /// Whether the operation was acknowledged, or answered.
    pub fn is_acknowledged(&self) -> bool {
        !matches!(self, Outcome::Failed { .. } | Outcome::Unknown { .. })
    }

    /// Whether the service answered, if only by a refusal that its own rules demand.
    pub fn is_answer(&self) -> bool {
        match self {
            Outcome::Failed { why } => is_refusal(why),
            Outcome::Unknown { why } => why.strip_prefix(REFUSED_AT_LAST).is_some_and(is_refusal),
            _ => true,
        }
    }

    /// Of an operation of several attempts none of which showed what became of it, the last of
    /// which ended with `last`.
    pub fn given_up(last: &Outcome) -> Self {
        let why = match last {
            Outcome::Failed { why } if is_refusal(why) => format!("{REFUSED_AT_LAST}{why}"),
            _ => "no attempt was answered".into(),
        };
        Outcome::Unknown { why }
    }

    /// Of an attempt whose client did not listen for the answer.
    pub fn not_awaited() -> Self {
        Outcome::Unknown {
            why: NOT_AWAITED.into(),
        }
    }

    /// Whether the client did not listen for the answer.
    pub fn is_unheard(&self) -> bool {
        matches!(self, Outcome::Unknown { why } if why == NOT_AWAITED)
    }
}

fn is_refusal(why: &str) -> bool {
    REFUSALS.iter().any(|refusal| why.starts_with(refusal))
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
