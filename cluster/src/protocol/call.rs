//! What a client may ask of a node, as data.
//!
//! A [`Call`] says which part of the node it concerns: the replicated state by way of
//! the log, the state by way of a read, the connection, or the cluster's operation.
//! How it is spelled is [`super::parse`]'s business, how it is answered the node's.

use bytes::Bytes;

use crate::state::command::{Command, Once, Query};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Goes through the log.
    Write {
        /// Exactly-once execution, asked for with `ONCE`.
        once: Option<Once>,
        command: Command,
        style: ReplyStyle,
        /// Long poll: how long a receive that finds nothing waits for a message,
        /// milliseconds; 0 for every other command.
        wait_ms: u64,
    },
    Read {
        /// Asked for with `READ`; `None`: the connection's default.
        mode: Option<ReadMode>,
        query: Query,
        style: ReplyStyle,
    },
    Connection(ConnectionCall),
    Admin(AdminCall),
    /// Turns the connection into a stream of invalidations after the entry `from`; 0: from
    /// now on.
    Track {
        from: u64,
    },
}

/// How a node makes sure that its state is recent enough to answer a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// A round of heartbeats proves leadership for each read.
    Linearizable,
    /// The leader's lease, which holds if clocks run at nearly the same rate.
    Lease,
    /// Any node that heard from the leader within the last `bound_ms` milliseconds.
    Stale { bound_ms: u64 },
    /// Any node, as it stands.
    Local,
}

/// How a reply is shown, where several commands of Redis share one of ours. A style that
/// does not concern a reply shows it as [`ReplyStyle::Full`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStyle {
    /// Everything the reply holds; the only style that can always be decoded again.
    Full,
    /// The only element of a list instead of the list: `CACHE.GETV`, `QUEUE.PUBLISH`.
    Single,
    /// The figure alone: `INCR` without the version, `SESSION.OPEN` without the TTL.
    Number,
    /// Stored as `OK`, not stored as null: `SET`.
    Status,
    /// Stored as 1, not stored as 0: `SETNX`.
    Flag,
    /// The first value or null: `GET`.
    Bulk,
    /// All values, null for absent ones: `MGET`.
    Bulks,
    /// How many of the values are present: `EXISTS`.
    Count,
    /// `string` or `none`: `TYPE`.
    TypeName,
    /// A lifetime in seconds, rounded to the nearest: `TTL`.
    Seconds,
    /// The length of the value: `STRLEN`.
    Length,
    /// A part of the value: `GETRANGE`.
    Range { first: i64, last: i64 },
    /// How Redis would keep the value: `OBJECT ENCODING`.
    Encoding,
    /// 0 if there is a value: `OBJECT IDLETIME`.
    Zero,
}

/// Answered by the node from what it knows of itself and of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionCall {
    /// `PONG`, or the argument.
    Ping(Option<Bytes>),
    Echo(Bytes),
    Quit,
    /// `HELLO` or `HELLO 2`, which may name the connection; see [`super::encode_hello`].
    Hello {
        name: Option<Bytes>,
    },
    /// Database 0, the only one.
    Select,
    ClientSetName(Bytes),
    ClientGetName,
    /// The library's name or version; accepted and of no consequence.
    ClientSetInfo,
    ClientId,
    /// `COMMAND`, `COMMAND DOCS`, `COMMAND INFO`, `COMMAND LIST`: an empty array.
    CommandTable,
    /// The length of [`super::COMMAND_NAMES`].
    CommandCount,
    /// A flat array of each name and an empty value.
    ConfigGet(Vec<Bytes>),
    /// Sets the connection's read mode: `CONSISTENCY`, `READONLY`, `READWRITE`.
    Consistency(ReadMode),
    /// Section names in lower case; empty: the default sections.
    Info {
        sections: Vec<String>,
    },
    Cluster(ClusterCall),
    Time,
}

/// `CLUSTER` subcommands, for Redis Cluster clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterCall {
    Slots,
    Shards,
    Nodes,
    Info,
    KeySlot(Bytes),
    MyId,
}

/// Operation of the cluster. Addresses are `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminCall {
    Status,
    Add {
        id: u64,
        addr: String,
    },
    Remove {
        id: u64,
    },
    Replace {
        old: u64,
        new: u64,
        addr: String,
    },
    Transfer {
        id: u64,
    },
    Snapshot,
    /// The node reports the digest of its state as it stands, as an event.
    Digest,
    Init {
        members: Vec<(u64, String)>,
    },
    Shutdown,
}

impl Call {
    pub(super) fn write(command: Command, style: ReplyStyle) -> Self {
        Self::Write {
            once: None,
            command,
            style,
            wait_ms: 0,
        }
    }

    pub(super) fn read(query: Query, style: ReplyStyle) -> Self {
        Self::Read {
            mode: None,
            query,
            style,
        }
    }
}
