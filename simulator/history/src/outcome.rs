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
        /// Its fencing token, greater than those of all earlier grants of the lock.
        token: u64,
    },
    /// Acquire ended without the lock: busy, or the wait timed out.
    NotGranted,
    /// The lock was given back.
    Released,
    /// Who holds a lock, and the sessions that wait for it, in order.
    Line {
        /// Several only if all share it; none if it is free.
        holders: Vec<Holder>,
        /// Numbers of their sessions, the next to be served first.
        waiters: Vec<u64>,
        /// The last token that was granted.
        last_token: u64,
    },
    /// Release, keep-alive: the session does not hold it or is gone. No effect.
    NotHeld,
    /// The resource behind a lock has looked at a write's fencing token.
    Checked {
        /// False: it knows a later token, and refused the write.
        accepted: bool,
    },
    /// A session is open.
    Session {
        /// Its number, unique in the cluster's life.
        session: u64,
    },
    /// The session was still there, and lives for another lifetime.
    Alive,
    /// The session is gone, and with it what it held.
    Closed,
    /// The queue has taken a message.
    Published {
        /// The message's, unique in its queue.
        id: u64,
    },
    /// The ids of a batch, in its order.
    PublishedBatch {
        /// One for each message.
        ids: Vec<u64>,
    },
    /// A queue, or the limits of the cache, were set up.
    Configured,
    /// Messages that a queue holds.
    Depth {
        /// To be had now.
        ready: u64,
        /// Handed to a consumer, hidden, and not yet acked.
        in_flight: u64,
        /// Not to be had before their time.
        delayed: u64,
    },
    /// Messages were handed out.
    Received {
        /// In the order of the answer; empty if there were none.
        messages: Vec<Delivered>,
    },
    /// Ack, nack: false when the receipt was no longer valid.
    Settled {
        /// Whether the receipt was that of the latest delivery.
        valid: bool,
    },
    /// What a key held.
    Value {
        /// `None` if the key was absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// Log index of the write that it is from; 0 if the key was absent.
        version: u64,
    },
    /// Of the keys of one read, in their order.
    Values {
        /// One for each key, absent ones too.
        values: Vec<Found>,
    },
    /// Set, delete: done; `version` is the log index of the write (0 for a delete).
    Stored {
        /// Log index of the write; 0 for a delete.
        version: u64,
    },
    /// Compare-and-set: the version did not match. No effect.
    Mismatch,
    /// A number was added to a key.
    Counted {
        /// The sum.
        value: i64,
        /// Log index of the write.
        version: u64,
    },
    /// Keys that the cache holds.
    Size {
        /// At the moment of the answer, expired ones not counted.
        entries: u64,
    },
    /// How many values a list has, after a push; of a removal, how many it took out.
    Length {
        /// How many.
        values: u64,
    },
    /// What was taken from a list; nothing if it was empty, or a wait was over.
    Popped {
        /// `None`: there was none to be had.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// A list, from left to right.
    Elements {
        /// Empty if there is no such list.
        values: Vec<String>,
    },
    /// What an operation of a service from outside was answered.
    Answered {
        /// Any JSON; what it means, only the checks of that service know.
        value: Value,
    },
    /// Definitely no effect (refused, or never sent).
    Failed {
        /// The refusal, in words.
        why: String,
    },
    /// Unknown: timed out, or the connection broke after sending.
    Unknown {
        /// What kept the answer away, in words.
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
const REFUSALS: [&str; 20] = [
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
    "TooMuchWork",
    "SequenceReused",
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
    /// `None` if the key was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Log index of the write that it is from; 0 if the key was absent.
    pub version: u64,
}

/// One hold of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Number of the session that holds it.
    pub session: u64,
    /// Fencing token of the grant: its log index.
    pub token: u64,
    /// Whether others may hold it at the same time, in the same way.
    pub shared: bool,
}

/// A message as a consumer got it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The message's, unique in its queue.
    pub id: u64,
    /// Names this delivery; an ack by an older one is refused.
    pub receipt: u64,
    /// How often it was handed out, this time included: from 1.
    pub deliveries: u32,
    /// The `value` the message was published with.
    pub value: String,
}
