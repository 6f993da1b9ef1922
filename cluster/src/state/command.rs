//! Defines the commands of the replicated state, and their replies.
//!
//! A [`Request`] is what one log entry carries; a [`Query`] reads without a log entry.
//! Both are plain data: the RESP layer builds them, the state machines interpret them,
//! and nothing here knows how they travel.
//!
//! All times are milliseconds of *log time*: the stamps that leaders write into entries.

mod list;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Limits;
pub(super) use list::bytes_of;
pub use list::{End, Found, Kind, ListCommand, Popped};

/// Position and time of a log entry, as the leader stamped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Log index of the entry; unique, never reused.
    pub index: u64,
    /// The leader's clock when it proposed the entry, milliseconds since the Unix epoch.
    /// The state's own clock is the maximum of all stamps applied so far.
    pub time_ms: u64,
}

/// Identifies a client session: the log index at which it was opened.
pub type SessionId = u64;
/// A fencing token: the log index at which a lock was granted.
pub type Token = u64;
/// Identifies a message; rises in publish order within a queue.
pub type MessageId = u64;
/// The right to settle one delivery of one message.
pub type Receipt = u64;

/// One replicated request: a command and, for exactly-once semantics, who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The proposing leader's clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Present when the client wants exactly-once execution (Raft dissertation §6.3).
    pub once: Option<Once>,
    pub command: Command,
}

/// The position of a request within its session. A sequence that repeats the last one
/// gets the recorded reply again; an older one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    pub session: SessionId,
    pub sequence: u64,
}

/// Everything that changes the replicated state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// First entry of every leader: time that passed without a leader counts for nobody.
    /// Every deadline moves on by the jump of the clock, and every session gets its
    /// full TTL again. Extends, never shortens.
    NewLeader,
    /// Ends sessions whose deadline has passed. Guarded: a session is ended only if its
    /// deadline is still the one seen by the proposer and the clock has reached it, so a
    /// proposal overtaken by a keep-alive does nothing. An empty list merely moves the clock.
    Expire {
        sessions: Vec<(SessionId, u64)>,
    },
    Session(SessionCommand),
    Lock(LockCommand),
    Queue(QueueCommand),
    Cache(CacheCommand),
    /// Commands for strings beyond [`CacheCommand`].
    String(StringCommand),
    /// Several commands in one entry, with nothing between them: all of them are executed, or
    /// none if the version of a watched key (0: absent) is another one now.
    Transaction {
        watched: Vec<(Bytes, u64)>,
        steps: Vec<Step>,
    },
    /// From here on the rules of this level hold, and these limits; proposed by a leader once
    /// every member knows the rules. Never lowers the level.
    Raise {
        level: u32,
        limits: Limits,
    },
    /// Commands for lists.
    List(ListCommand),
}

/// One command of a [`Command::Transaction`]. What hands out the index of its entry (a lock's
/// token, a session's number) is none: two of them would get the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Queue(QueueCommand),
    Cache(CacheCommand),
    String(StringCommand),
    /// Sees what the steps before it did.
    Read(Query),
    List(ListCommand),
}

/// What Redis's commands for strings do beyond [`CacheCommand`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StringCommand {
    /// Sets a key; replies with the value before, whether or not the condition held, if
    /// `give_old`.
    Set {
        key: Bytes,
        value: Bytes,
        expiry: Expiry,
        condition: SetCondition,
        give_old: bool,
    },
    /// Sets all keys, or with `if_absent` all or none.
    SetMany {
        pairs: Vec<(Bytes, Bytes)>,
        if_absent: bool,
    },
    /// Adds to the end of the value; replies with its length.
    Append { key: Bytes, value: Bytes },
    /// Writes over the value from `offset` on, zeros before it; replies with its length.
    SetRange {
        key: Bytes,
        offset: u64,
        value: Bytes,
    },
    /// Adds a decimal number, as text.
    AddFloat { key: Bytes, by: Bytes },
    /// Replies with the value and deletes the key.
    GetDelete { key: Bytes },
    /// Replies with the value and changes the key's lifetime.
    GetExpire { key: Bytes, expiry: Expiry },
    /// Changes the lifetime of an existing key if the condition holds.
    Expire {
        key: Bytes,
        expiry: Expiry,
        condition: ExpireCondition,
    },
    /// Moves value and lifetime to another key.
    Rename {
        from: Bytes,
        to: Bytes,
        if_absent: bool,
    },
    /// Copies value and lifetime to another key.
    Copy {
        from: Bytes,
        to: Bytes,
        replace: bool,
    },
    /// Deletes the key if it has this value: how a lock of one key is released.
    DeleteIf { key: Bytes, value: Bytes },
    /// Changes the lifetime of the key if it has this value: how such a lock is extended.
    ExpireIf {
        key: Bytes,
        value: Bytes,
        ttl_ms: u64,
        how: Extension,
    },
}

/// How [`StringCommand::ExpireIf`] changes a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extension {
    Set,
    /// Only of a key that has a lifetime.
    Replace,
    /// To what is left, of a key that has a lifetime.
    Add,
}

/// How long a key lives from an entry on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// As long as before.
    Keep,
    Never,
    After {
        ms: u64,
    },
    /// Until log time reaches this many milliseconds since the Unix epoch.
    At {
        unix_ms: u64,
    },
}

/// When a lifetime may be changed; no lifetime counts as an infinite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpireCondition {
    Always,
    IfNone,
    IfSome,
    IfLater,
    IfEarlier,
    /// Earlier than one that there is.
    IfSomeEarlier,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionCommand {
    /// Opens a session that lives for `ttl_ms` after its last keep-alive.
    Open {
        ttl_ms: u64,
    },
    KeepAlive {
        session: SessionId,
    },
    /// Ends the session and frees all it holds.
    Close {
        session: SessionId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockMode {
    Exclusive,
    Shared,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockCommand {
    /// Takes the lock, or queues for it, first come first served.
    /// `wait_ms` = 0 is try-lock. Asking again while holding returns the same token;
    /// asking again while queued keeps the place.
    Acquire {
        name: String,
        session: SessionId,
        mode: LockMode,
        wait_ms: u64,
        /// Wait-die: refuse with [`Refusal::WouldDeadlock`] instead of waiting for an
        /// older session (a session with a smaller id).
        wait_die: bool,
    },
    /// Gives up the hold that `token` names.
    Release {
        name: String,
        session: SessionId,
        token: Token,
    },
    /// Leaves the waiting line.
    Cancel { name: String, session: SessionId },
    /// A fenced resource's check: accepts `token` unless a larger one was accepted before.
    Check { name: String, token: Token },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueCommand {
    /// Creates the queue or changes its settings.
    Configure {
        queue: String,
        settings: QueueSettings,
    },
    /// Publishes all messages or none (depth limit).
    Publish {
        queue: String,
        messages: Vec<NewMessage>,
    },
    /// Hands out up to `count` ready messages, hidden from others for `visibility_ms`
    /// (`None`: the queue's setting).
    Receive {
        queue: String,
        count: u32,
        visibility_ms: Option<u64>,
    },
    Ack {
        queue: String,
        receipts: Vec<Receipt>,
    },
    /// Returns a message at once or after a delay; counts as a delivery.
    Nack {
        queue: String,
        receipt: Receipt,
        delay_ms: u64,
    },
    /// Hides the message for `visibility_ms` from now on.
    Extend {
        queue: String,
        receipt: Receipt,
        visibility_ms: u64,
    },
    /// Drops every message; replies with how many.
    Purge { queue: String },
    /// Drops the queue with its messages, settings and producers; replies with how many
    /// messages there were. Of level 2.
    Delete { queue: String, if_empty: bool },
    /// Moves up to `count` deliverable messages to another queue that there is, as far as that
    /// has room; replies with how many. They count as acknowledged in the one and as published
    /// in the other. Of level 2.
    Redrive {
        from: String,
        to: String,
        count: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Most messages the queue holds (ready, delayed and in flight); 0 = no limit.
    pub max_depth: u64,
    /// Deliveries after which a message is dead-lettered; 0 = never.
    pub max_deliveries: u32,
    /// Where dead letters go; `None` with a limit: `<queue>.dead`.
    pub dead_letter: Option<String>,
    pub visibility_ms: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            max_depth: 0,
            max_deliveries: 0,
            dead_letter: None,
            visibility_ms: 30_000,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    pub payload: Bytes,
    /// Not delivered before this much log time has passed.
    pub delay_ms: u64,
    /// Larger is delivered first.
    pub priority: u8,
    /// Messages of a group are delivered in publish order, one in flight at a time.
    pub group: Option<String>,
    /// Producer id and its rising sequence: a repeat is answered with the first id.
    pub dedup: Option<(String, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheCommand {
    Set {
        key: Bytes,
        value: Bytes,
        /// Lifetime; `None` lives until deleted or evicted.
        ttl_ms: Option<u64>,
        /// Keep the lifetime the key already has (`ttl_ms` is then `None`).
        keep_ttl: bool,
        condition: SetCondition,
    },
    Delete {
        keys: Vec<Bytes>,
    },
    /// Adds to the integer stored at the key, 0 when absent; keeps the lifetime.
    Increment {
        key: Bytes,
        by: i64,
    },
    /// Sets the lifetime of an existing key; `None` removes it.
    Expire {
        key: Bytes,
        ttl_ms: Option<u64>,
    },
    /// Marks keys as read, for eviction; proposed by leaders now and then.
    Touch {
        keys: Vec<Bytes>,
    },
    /// Drops every key.
    Flush,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetCondition {
    Always,
    IfAbsent,
    IfPresent,
    /// Compare-and-set: only if the key's version is this one; 0 = absent.
    IfVersion(u64),
}

/// Reads that need no log entry. Served from the state of one node; the read mode decides
/// how that node makes sure it is recent enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// All keys at one applied index.
    Get {
        keys: Vec<Bytes>,
    },
    /// Remaining lifetime.
    Ttl {
        key: Bytes,
    },
    CacheSize,
    Lock {
        name: String,
    },
    Queue {
        queue: String,
    },
    Session {
        session: SessionId,
    },
    /// When the key's lifetime ends: a [`Lifetime`] in milliseconds since the Unix epoch.
    ExpireTime {
        key: Bytes,
    },
    /// Every key that matches the pattern.
    Keys {
        pattern: Bytes,
    },
    /// Looks at `count` keys from `cursor` on, and gives those that match.
    Scan {
        cursor: u64,
        count: u64,
        pattern: Option<Bytes>,
    },
    /// Some key; which one depends on `salt`.
    RandomKey {
        salt: u64,
    },
    /// Looks at `count` names in order, from behind `after` on, and gives those that match. Of
    /// level 2.
    List {
        of: Listing,
        after: Option<Bytes>,
        count: u64,
        pattern: Option<Bytes>,
    },
    /// As [`Query::Scan`], of keys of one kind. This and what follows is of level 3.
    ScanOf {
        cursor: u64,
        count: u64,
        pattern: Option<Bytes>,
        kind: Kind,
    },
    ListLength {
        key: Bytes,
    },
    /// The values from `first` to `last`, both included; negative ones count from the end.
    ListRange {
        key: Bytes,
        first: i64,
        last: i64,
    },
    ListIndex {
        key: Bytes,
        index: i64,
    },
    /// Where in a list the value is.
    ListFind {
        key: Bytes,
        value: Bytes,
        /// Which of several is returned first: 1 is the first from the left, -1 from the right.
        rank: i64,
        /// How many are returned; 0: all.
        count: u64,
        /// How many values are looked at; 0: all.
        most: u64,
    },
}

/// What [`Query::List`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listing {
    /// With the messages that are ready, in flight and delayed.
    Queues,
    /// With how many hold the lock and how many wait for it; all names that were ever locked,
    /// or those that somebody holds.
    Locks { held: bool },
    /// With the time to live and what is left of it, milliseconds.
    Sessions,
}

/// What a request or query is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, nothing to say (`NewLeader`, `Expire`, `Touch`, `Flush`, `Cancel`, `Configure`).
    Done,
    Refused(Refusal),
    SessionOpened {
        session: SessionId,
        ttl_ms: u64,
    },
    /// Keep-alive accepted.
    SessionAlive {
        ttl_ms: u64,
    },
    SessionClosed,
    Granted {
        token: Token,
    },
    /// Not yet: the reply comes later as a [`Wake`] with this waiter id (the index at
    /// which the waiter joined the line).
    Waiting {
        waiter: u64,
    },
    /// The wait, or the try, ended without the lock.
    NotGranted,
    Released,
    /// `Check`: whether the resource accepts the token.
    TokenAccepted(bool),
    Published {
        ids: Vec<MessageId>,
    },
    Messages(Vec<Delivery>),
    /// How many receipts were still valid (`Ack`, `Nack`, `Extend`).
    Settled(u32),
    Purged(u64),
    /// `Set`: the new version, or `None` when the condition did not hold.
    Stored {
        version: Option<u64>,
    },
    Deleted(u64),
    Integer {
        value: i64,
        version: u64,
    },
    /// `Expire`: whether the key existed.
    LifetimeSet(bool),
    Values(Vec<Option<Versioned>>),
    /// `Ttl`: absent key; present with or without a lifetime.
    Lifetime(Lifetime),
    Size(u64),
    LockInfo(LockInfo),
    QueueInfo(Option<QueueInfo>),
    SessionInfo {
        ttl_ms: Option<u64>,
    },
    /// A value, if there is or was one.
    Text(Option<Bytes>),
    /// Whether something was done.
    Flag(bool),
    Keys(Vec<Bytes>),
    /// Keys found, and where to go on; 0: nowhere.
    Scanned {
        cursor: u64,
        keys: Vec<Bytes>,
    },
    /// A reply for each step; `None`: a watched key had changed.
    Transaction(Option<Vec<Reply>>),
    /// Rows found, and behind which name to go on; `None`: there is no more.
    Listed {
        after: Option<Bytes>,
        rows: Vec<Row>,
    },
    /// As [`Reply::Values`], where one of the keys is a list.
    Found(Vec<Option<Found>>),
    /// What was taken, if there was anything.
    Popped(Option<Popped>),
    /// Values of a list.
    Elements(Vec<Bytes>),
    /// Positions in a list.
    Positions(Vec<u64>),
}

/// A line of a [`Reply::Listed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub name: Bytes,
    pub figures: Vec<u64>,
}

/// Why a request had no effect. Definite: retrying the same request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    NoSession,
    /// A sequence older than the last one of the session.
    StaleSequence {
        last: u64,
    },
    /// The session or token does not hold the lock.
    NotHeld,
    WouldDeadlock,
    /// Held in the other mode by the same session: upgrading is not offered.
    WrongMode,
    NoQueue,
    QueueFull {
        depth: u64,
        limit: u64,
    },
    NotAnInteger,
    Overflow,
    /// A value larger than the cache may hold.
    TooLarge,
    /// A duration or count outside its range.
    OutOfRange,
    NotAFloat,
    /// The result of an addition is no finite number.
    NotFinite,
    NoSuchKey,
    /// The replies of a transaction's steps together are larger than a reply may be.
    ReplyTooLarge,
    /// A queue that was to be deleted only if it was empty.
    NotEmpty {
        messages: u64,
    },
    /// The key is a list where a string is wanted, or the other way round.
    WrongType,
    /// No such position in a list.
    NoSuchIndex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    Absent,
    Forever,
    Remaining { ms: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    pub value: Bytes,
    /// Log index of the write; never reused, so compare-and-set has no ABA problem.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: MessageId,
    pub receipt: Receipt,
    /// 1 for the first delivery.
    pub deliveries: u32,
    pub payload: Bytes,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Session, token and whether shared, in grant order.
    pub holders: Vec<(SessionId, Token, bool)>,
    /// Sessions in waiting order.
    pub waiters: Vec<SessionId>,
    /// The last token granted under this name.
    pub last_token: Token,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueInfo {
    pub ready: u64,
    pub in_flight: u64,
    pub delayed: u64,
    pub published: u64,
    pub acked: u64,
    pub dead_lettered: u64,
    pub purged: u64,
}

/// The late answer to a request that replied [`Reply::Waiting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    pub waiter: u64,
    pub reply: Reply,
}

/// What applying one entry produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub reply: Reply,
    /// Waiters of earlier entries that this entry answered, in order.
    pub wakes: Vec<Wake>,
    /// Queues that gained a deliverable message (for long polls).
    pub ready_queues: Vec<String>,
    /// Cache keys whose value is another one now, or gone (for clients that keep copies).
    pub changed: Changed,
}

/// What an entry did to the values of the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// In order of happening, with repeats: eviction, expiry and writes alike.
    pub keys: Vec<Bytes>,
    /// Every key went at once.
    pub all: bool,
}
