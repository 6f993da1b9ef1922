//! Planted bugs: mistakes that real systems shipped, each behind its own name.
//!
//! They prove that Squall's checks can fail. Without the crate feature `planted`,
//! [`active`] is the constant `false` and the compiler removes every one of them. With the
//! feature, at most one is active at a time on a thread, chosen by `activate`.
//!
//! A bug is made in the code that does the right thing otherwise, never for a test's sake.
//! Code that only bugs need, because a correct cluster has no use for it, is
//! here ([`clock_ms`], [`random`]) and in `node/planted.rs`, both absent from normal builds.

/// Declares the bugs: name, id in the catalogue, mistake, and the properties it breaks.
macro_rules! bugs {
    ($($name:ident: $id:literal, $mistake:literal, [$($property:literal),+];)+) => {
        /// A mistake, named as in the catalogue of planted bugs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $mistake] $name,)+
        }

        impl Bug {
            /// In the order of the catalogue.
            pub const ALL: &[Bug] = &[$(Bug::$name),+];

            /// The catalogue's id.
            pub fn id(self) -> &'static str {
                match self { $(Bug::$name => $id),+ }
            }

            /// The mistake in one line.
            pub fn mistake(self) -> &'static str {
                match self { $(Bug::$name => $mistake),+ }
            }

            /// The properties that it breaks, by their numbers; the first is the one that
            /// it is known for.
            pub fn breaks(self) -> &'static [&'static str] {
                match self { $(Bug::$name => &[$($property),+]),+ }
            }
        }
    };
}

bugs! {
    GrantToTheDead: "ML-01",
        "a waiter is granted without re-checking that its session still lives", ["L6", "L1"];
    ExpireUnguarded: "ML-02",
        "an expiry is applied without its guard, so it revokes a session renewed meanwhile",
        ["L5", "L1"];
    DeadlinesNotExtended: "ML-05",
        "a new leader keeps the old deadlines of sessions instead of extending them", ["L5"];
    LeaseByLocalClock: "ML-07",
        "`apply` reads the node's clock for the deadlines of sessions", ["R2", "L1"];
    ReleaseUnchecked: "ML-09",
        "a lock is released without checking who holds it", ["L1"];
    CounterNotInSnapshot: "ML-11",
        "tokens come from a counter, and the counter is missing from the snapshot", ["L2", "L3"];
    RetryQueuesTwice: "ML-14",
        "a retried acquire enqueues a second waiter", ["L7", "L8"];
    TimeoutStaysQueued: "ML-15",
        "a wait that timed out leaves its waiter in the line", ["L8", "R4"];
    DeadHeadNotSkipped: "ML-16",
        "a dead waiter at the head of the line is never skipped", ["L8"];
    SharedReleasedTwice: "ML-18",
        "releasing a shared hold twice gives up somebody else's", ["L7", "L1"];
    TimeWithoutQuorum: "ML-19",
        "log time goes on while no quorum follows the leader, so sessions end that nobody could \
         renew", ["L5"];
    SharedOvertakes: "ML-20",
        "a shared request is admitted while an exclusive one waits", ["L4"];
    EndNotRecorded: "ML-21",
        "the end of a wait is sent to the connected client, not recorded for a retry", ["L8", "L7"];
    VictimDrawn: "ML-22",
        "wait-die draws its victim", ["R2"];
    HoldersUnconfirmed: "ML-23",
        "who holds a lock is read from the leader's memory without confirming that it still leads",
        ["L9", "L3"];
    AckBeforeCommit: "MQ-01",
        "a publish is acknowledged after the leader's append, before its commit", ["Q1"];
    SyncOnTimer: "MQ-02",
        "the log is synced on a timer, and flushed is reported at once", ["Q1", "R1"];
    DeadLetterApart: "MQ-03",
        "dead-lettering deletes the message, and publishes it again in an entry of its own",
        ["Q1", "Q5"];
    TimersInMemory: "MQ-04",
        "visibility timers live in the leader's memory only", ["Q11"];
    AckById: "MQ-06",
        "a message is acknowledged by its id instead of by the receipt of a delivery",
        ["Q4", "Q1"];
    DedupBeforeCommit: "MQ-08",
        "the deduplication id is recorded before the commit, and kept after a step-down", ["Q1"];
    DedupNotInSnapshot: "MQ-09",
        "the deduplication table is missing from the snapshot", ["Q6"];
    HashOrderRedelivery: "MQ-12",
        "hash order decides in `apply` which message is redelivered next", ["R2", "Q7"];
    HiddenNotInSnapshot: "MQ-20",
        "the snapshot omits messages that are in flight or delayed", ["Q1"];
    ChangeCountsAsDelivery: "MQ-21",
        "a change of leaders counts as a delivery", ["Q5"];
    BatchCutShort: "MQ-22",
        "a batch stops at the depth limit, and all of it is acknowledged", ["Q10", "Q1"];
    BatchNotCounted: "MQ-23",
        "the depth limit is checked before the batch is counted", ["Q10"];
    GroupNotHeldBack: "MQ-24",
        "the next of a group is delivered while an earlier one is in flight", ["Q7"];
    LetterCopied: "MQ-25",
        "the last delivery's expiry dead-letters a copy, and requeues the message", ["Q5"];
    ReadUnconfirmed: "MC-01",
        "a linearizable get is served from the leader's memory without confirming that it \
         still leads", ["C1"];
    ReadIndexTooEarly: "MC-02",
        "the read index is taken before a commit in the leader's own term", ["C1"];
    LeaseKeptOnTransfer: "MC-05",
        "the read lease is not dropped when leadership is handed over", ["C1"];
    PromiseBroken: "MC-06",
        "a voter whose connection from the leader is reset takes it for dead, and breaks the \
         promise on which the leader's lease rests", ["C1"];
    TtlByLocalClock: "MC-08",
        "each replica computes the deadline of a key from its own clock", ["C4", "C5"];
    OldExpiryKept: "MC-09",
        "setting a key again does not cancel its old expiry", ["C5"];
    RandomEviction: "MC-12",
        "the victim of an eviction is drawn at random in `apply`", ["C4"];
    CompareThenSet: "MC-14",
        "compare-and-set compares before it proposes, and sets blindly", ["C7", "C1"];
    ResumedFromNow: "MC-17",
        "the invalidation stream is lost on reconnect: it begins from now, and the local cache \
         is not flushed", ["C8"];
    ReadIndexNotAwaited: "MC-18",
        "a read index is obtained, and not awaited", ["C1"];
    ReadBeforeConfirmed: "MC-19",
        "a value is read before leadership is confirmed", ["C1"];
    DeadlineFromWallClock: "MC-20",
        "the deadline of a key is stamped with the leader's wall clock", ["C5"];
    ExpiryNotPushed: "MC-21",
        "the end of a lifetime emits no invalidation", ["C8"];
    KeysReadApart: "MC-22",
        "several keys are read at different indexes", ["C1"];
    EvictedBeforeInsert: "MC-23",
        "the capacity is checked before the insert", ["C6"];
    PopUnconfirmed: "MC-24",
        "a blocking pop is answered from the leader's memory, and its entry proposed afterwards",
        ["C10"];
    NextNotCalled: "MC-25",
        "who leaves the line of a list does not call the next in it", ["C13"];
    MoveInTwo: "MC-26",
        "a value is moved from list to list by two entries", ["C12", "C11"];
    SequenceDropped: "MC-27",
        "a blocking pop is proposed without its sequence, so who asks again pops again", ["C11"];
    FlushUnsynced: "MR-01",
        "\"flushed\" is reported after the write, not after the sync", ["R1"];
    AppliedIndexApart: "MR-03",
        "the applied index is stored apart from the data that it covers", ["R2", "R3"];
    SessionsNotInSnapshot: "MR-04",
        "the table of sessions' last replies is missing from the snapshot", ["R3"];
    VoteNotAwaited: "MR-05",
        "a vote is answered before it is durable", ["raft", "R1"];
    SessionRevived: "MR-06",
        "an unknown session is silently created anew", ["R3"];
    FollowerFlushUnsynced: "MR-07",
        "a follower acknowledges entries before it has flushed them", ["R1"];
    UselessLeaderStays: "MR-08",
        "an old leader that hears nobody is not deposed", ["R4"];
    SnapshotUnsynced: "MR-09",
        "the log is purged before its snapshot is durable", ["R1"];
    SequenceUncompared: "MR-10",
        "another command under a used sequence is answered with the first one's reply",
        ["R3", "C1", "C12"];
    LostEndAskedFor: "MR-11",
        "a follower whose log has lost its end is asked for ever, and never sent it again", ["R4"];
    StampFromMachineClock: "DET-01",
        "the leader stamps entries with the machine's clock, not the world's", ["determinism"];
    HashOrderAnswers: "DET-02",
        "clients whose wait one entry ends are answered in hash order", ["determinism"];
    SlowWrites: "MP-01",
        "every write is held back for 5 ms before it is proposed", ["performance"];
}

impl Bug {
    /// `None`: no such bug.
    pub fn from_id(id: &str) -> Option<Bug> {
        Self::ALL.iter().copied().find(|bug| bug.id() == id)
    }
}

/// Whether planted bugs are compiled into this build at all.
pub const COMPILED_IN: bool = cfg!(feature = "planted");

/// The running node's wall clock in milliseconds, and its random numbers.
type Sources = (fn() -> u64, fn() -> u64);

#[cfg(feature = "planted")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
    static SOURCES: std::cell::Cell<Option<Sources>> = const { std::cell::Cell::new(None) };
}

/// Activates one bug, or none, on this thread.
#[cfg(feature = "planted")]
pub fn activate(bug: Option<Bug>) {
    ACTIVE.set(bug);
}

/// The bug that is active on this thread.
#[cfg(feature = "planted")]
pub fn current() -> Option<Bug> {
    ACTIVE.get()
}

/// Whether `bug` is to be made.
#[inline(always)]
pub fn active(bug: Bug) -> bool {
    #[cfg(feature = "planted")]
    return ACTIVE.get() == Some(bug);
    #[cfg(not(feature = "planted"))]
    {
        let _ = bug;
        false
    }
}

/// Tells where the pure state finds what it must not use: the wall clock in milliseconds and
/// random numbers of the node whose task runs.
#[cfg(feature = "planted")]
pub fn set_sources(clock_ms: fn() -> u64, random: fn() -> u64) {
    SOURCES.set(Some((clock_ms, random)));
}

/// The running node's wall clock, milliseconds.
///
/// # Panics
/// Outside a node: only an active bug asks.
pub fn clock_ms() -> u64 {
    source(|(clock_ms, _)| clock_ms())
}

/// A random number of the running node.
///
/// # Panics
/// Outside a node: only an active bug asks.
pub fn random() -> u64 {
    source(|(_, random)| random())
}

fn source(ask: impl Fn(Sources) -> u64) -> u64 {
    #[cfg(feature = "planted")]
    if let Some(sources) = SOURCES.get() {
        return ask(sources);
    }
    let _ = ask;
    unreachable!("only an active bug asks, and a bug is active only in a node")
}
