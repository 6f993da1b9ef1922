//! Describes the requests of clients as data.
//!
//! A [`Call`] says which part of the node it concerns: the replicated state by way of
//! the log, the state by way of a read, the connection, or the cluster's operation.
//! [`super::parse`] reads it from the wire, and the node answers it.

use bytes::Bytes;

use super::wire::RespVersion;
use crate::state::command::{Command, Once, Query};

/// A wait without an end.
pub const FOREVER_MS: u64 = u64::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Goes through the log.
    Write {
        /// Exactly-once execution, asked for with `ONCE`.
        once: Option<Once>,
        command: Command,
        style: ReplyStyle,
        /// Long poll: how long a receive that finds nothing waits for a message, and a pop for a
        /// value, milliseconds; 0 for every other command. A pop may wait for ever
        /// ([`FOREVER_MS`]).
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
    Stale {
        /// Greatest age of what is read.
        bound_ms: u64,
    },
    /// Any node, as it stands.
    Local,
}

/// How a reply is shown, where several commands of Redis share one of ours. A style that
/// does not concern a reply shows it as [`ReplyStyle::Full`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStyle {
    /// Everything the reply holds; the only style that can always be decoded again.
    Full,
    /// The only element of a list instead of the list: `CACHE.GETV`, `QUEUE.PUBLISH`, `LPOS`.
    Single,
    /// The figure alone: `INCR` without the version, `SESSION.OPEN` without the TTL.
    Number,
    /// Stored as `OK`, not stored as null: `SET`.
    Status,
    /// Stored as 1, not stored as 0: `SETNX`.
    Flag,
    /// The first value or null: `GET`, `LPOP`.
    Bulk,
    /// All values, null for absent ones: `MGET`, `LPOP` of several.
    Bulks,
    /// The key and the only value: `BLPOP`.
    Pair,
    /// How many of the values are present: `EXISTS`.
    Count,
    /// `string`, `list` or `none`: `TYPE`.
    TypeName,
    /// A lifetime in seconds, rounded to the nearest: `TTL`.
    Seconds,
    /// The length of the value: `STRLEN`.
    Length,
    /// A part of the value: `GETRANGE`.
    Range {
        /// As in the command; a negative one counts from the end.
        first: i64,
        /// Included.
        last: i64,
    },
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
    /// The same answer, whoever asks: RESP as it is sent.
    Fixed(&'static str),
    Quit,
    /// Forgets everything about the connection but its number.
    Reset,
    /// See [`super::encode_hello`].
    Hello {
        /// `None`: as before.
        version: Option<RespVersion>,
        /// User and password.
        auth: Option<(Bytes, Bytes)>,
        name: Option<Bytes>,
    },
    Auth {
        user: Bytes,
        password: Bytes,
    },
    Client(ClientCall),
    Command(CommandCall),
    /// Parameters whose names match one of the patterns.
    ConfigGet(Vec<Bytes>),
    /// Names and values.
    ConfigSet(Vec<(Bytes, Bytes)>),
    /// Sets the connection's read mode.
    Consistency(ReadMode),
    /// `READONLY`, `READWRITE`: whether a node that does not lead answers reads as it stands.
    ReadOnly(bool),
    /// Section names in lower case; empty: the default sections.
    Info {
        sections: Vec<String>,
    },
    Cluster(ClusterCall),
    Role,
    Time,
    /// Until so many other nodes have all that this one has applied.
    Wait {
        nodes: u64,
        timeout_ms: u64,
    },
    Transaction(TransactionCall),
    Script(ScriptCall),
}

/// `CLIENT` subcommands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCall {
    SetName(Bytes),
    GetName,
    SetInfo {
        attribute: ClientAttribute,
        value: Bytes,
    },
    Id,
    Info,
    /// All, or those with these numbers.
    List(Option<Vec<u64>>),
    Kill(KillFilter),
    Reply(ReplyMode),
    Tracking(TrackingCall),
    /// Whether keys of the next command are remembered.
    Caching(bool),
}

/// The changes that `CLIENT TRACKING` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackingCall {
    Off,
    /// Changes of keys that were read over the connection.
    Read(Remember),
    /// Changes of all keys with one of these prefixes; of all keys if there are none.
    Broadcast(Vec<Bytes>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAttribute {
    LibraryName,
    LibraryVersion,
}

/// Which connections to end; all that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KillFilter {
    pub id: Option<u64>,
    pub address: Option<Bytes>,
    pub user: Option<Bytes>,
    /// Spares the connection that asks, unless `SKIPME no` says otherwise.
    pub skips_me: bool,
    /// `CLIENT KILL address`: answers `OK` or an error, not how many.
    pub is_old_form: bool,
}

/// Whether commands of a connection are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyMode {
    On,
    Off,
    /// Not the next one.
    Skip,
}

/// Which keys that are read are remembered; `CLIENT CACHING` says otherwise of the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    All,
    /// None unless it says yes.
    OptIn,
    /// All unless it says no.
    OptOut,
}

/// `COMMAND` subcommands. Names as given, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandCall {
    /// The whole table, or the entries of these names, null for what is unknown.
    Info(Option<Vec<Bytes>>),
    Docs(Option<Vec<Bytes>>),
    Count,
    List,
    /// The keys among the arguments of a command.
    GetKeys(Vec<Bytes>),
}

/// Commands that are executed together, in one entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionCall {
    Begin,
    Execute,
    Discard,
    Watch(Vec<Bytes>),
    Unwatch,
}

/// Scripts are not run: a few are known by what they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptCall {
    Load(Bytes),
    Exists(Vec<Bytes>),
    Flush,
    /// `EVALSHA`; the arguments behind the digest.
    Evaluate {
        digest: Bytes,
        args: Vec<Bytes>,
    },
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
    CountKeysInSlot(u16),
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
    /// The node sends a snapshot of its state, and ends the connection.
    Backup,
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
