//! Arbitrary commands, queries and replies to them, for the round trips.
//!
//! Only what a client may send and a node may answer: names are not empty, lifetimes not
//! zero, and figures in replies fit RESP2's signed integers.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::protocol::ReadMode;
use crate::state::command::*;

/// A figure in a reply.
fn figure() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, 0..=i64::MAX as u64]
}

fn name() -> impl Strategy<Value = String> {
    "[a-z:é]{1,12}"
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..16).prop_map(Bytes::from)
}

pub(super) fn once() -> impl Strategy<Value = Option<Once>> {
    of((any::<u64>(), any::<u64>()).prop_map(|(session, sequence)| Once { session, sequence }))
}

pub(super) fn read_mode() -> impl Strategy<Value = Option<ReadMode>> {
    of(prop_oneof![
        Just(ReadMode::Linearizable),
        Just(ReadMode::Lease),
        Just(ReadMode::Local),
        any::<u64>().prop_map(|bound_ms| ReadMode::Stale { bound_ms }),
    ])
}

fn session_command() -> impl Strategy<Value = SessionCommand> {
    any::<u64>().prop_flat_map(|session| {
        prop_oneof![
            Just(SessionCommand::Open { ttl_ms: session }),
            Just(SessionCommand::KeepAlive { session }),
            Just(SessionCommand::Close { session }),
        ]
    })
}

fn lock_command() -> impl Strategy<Value = LockCommand> {
    let acquire = (
        name(),
        any::<u64>(),
        any::<bool>(),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(
            |(name, session, shared, wait_ms, wait_die)| LockCommand::Acquire {
                name,
                session,
                mode: if shared {
                    LockMode::Shared
                } else {
                    LockMode::Exclusive
                },
                wait_ms,
                wait_die,
            },
        );
    let release = (name(), any::<u64>(), any::<u64>()).prop_map(|(name, session, token)| {
        LockCommand::Release {
            name,
            session,
            token,
        }
    });
    let cancel =
        (name(), any::<u64>()).prop_map(|(name, session)| LockCommand::Cancel { name, session });
    let check = (name(), any::<u64>()).prop_map(|(name, token)| LockCommand::Check { name, token });
    prop_oneof![acquire, release, cancel, check]
}

fn message() -> impl Strategy<Value = NewMessage> {
    let delay_ms = prop_oneof![Just(0), any::<u64>()];
    let priority = prop_oneof![Just(0), any::<u8>()];
    (
        bytes(),
        delay_ms,
        priority,
        of(name()),
        of((name(), any::<u64>())),
    )
        .prop_map(|(payload, delay_ms, priority, group, dedup)| NewMessage {
            payload,
            delay_ms,
            priority,
            group,
            dedup,
        })
}

fn messages() -> impl Strategy<Value = Vec<NewMessage>> {
    let plain = bytes().prop_map(|payload| NewMessage {
        payload,
        delay_ms: 0,
        priority: 0,
        group: None,
        dedup: None,
    });
    prop_oneof![vec(message(), 1..5), vec(plain, 1..14)]
}

fn settings() -> impl Strategy<Value = QueueSettings> {
    (any::<u64>(), any::<u32>(), of(name()), any::<u64>()).prop_map(
        |(max_depth, max_deliveries, dead_letter, visibility_ms)| QueueSettings {
            max_depth,
            max_deliveries,
            dead_letter,
            visibility_ms,
        },
    )
}

fn queue_command() -> impl Strategy<Value = QueueCommand> {
    prop_oneof![
        (name(), settings())
            .prop_map(|(queue, settings)| QueueCommand::Configure { queue, settings }),
        (name(), messages())
            .prop_map(|(queue, messages)| QueueCommand::Publish { queue, messages }),
        (name(), any::<u32>(), of(any::<u64>())).prop_map(|(queue, count, visibility_ms)| {
            QueueCommand::Receive {
                queue,
                count,
                visibility_ms,
            }
        }),
        (name(), vec(any::<u64>(), 1..14))
            .prop_map(|(queue, receipts)| QueueCommand::Ack { queue, receipts }),
        (name(), any::<u64>(), any::<u64>()).prop_map(|(queue, receipt, delay_ms)| {
            QueueCommand::Nack {
                queue,
                receipt,
                delay_ms,
            }
        }),
        (name(), any::<u64>(), any::<u64>()).prop_map(|(queue, receipt, visibility_ms)| {
            QueueCommand::Extend {
                queue,
                receipt,
                visibility_ms,
            }
        }),
        name().prop_map(|queue| QueueCommand::Purge { queue }),
        (name(), any::<bool>())
            .prop_map(|(queue, if_empty)| QueueCommand::Delete { queue, if_empty }),
        (name(), any::<u32>()).prop_map(|(from, count)| QueueCommand::Redrive {
            to: format!("{from}.again").chars().take(100).collect(),
            from,
            count,
        }),
    ]
}

fn lifetime_ms() -> impl Strategy<Value = u64> {
    1..=i64::MAX as u64
}

fn set_command() -> impl Strategy<Value = CacheCommand> {
    let condition = prop_oneof![
        Just(SetCondition::Always),
        Just(SetCondition::IfAbsent),
        Just(SetCondition::IfPresent),
        any::<u64>().prop_map(SetCondition::IfVersion),
    ];
    let lifetime = prop_oneof![
        of(lifetime_ms()).prop_map(|ttl_ms| (ttl_ms, false)),
        Just((None, true)),
    ];
    (bytes(), bytes(), lifetime, condition).prop_map(
        |(key, value, (ttl_ms, keep_ttl), condition)| CacheCommand::Set {
            key,
            value,
            ttl_ms,
            keep_ttl,
            condition,
        },
    )
}

fn cache_command() -> impl Strategy<Value = CacheCommand> {
    prop_oneof![
        set_command(),
        vec(bytes(), 1..14).prop_map(|keys| CacheCommand::Delete { keys }),
        (bytes(), any::<i64>()).prop_map(|(key, by)| CacheCommand::Increment { key, by }),
        (bytes(), of(lifetime_ms())).prop_map(|(key, ttl_ms)| CacheCommand::Expire { key, ttl_ms }),
        Just(CacheCommand::Flush),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Left), Just(End::Right)]
}

fn list_command() -> impl Strategy<Value = ListCommand> {
    prop_oneof![
        (bytes(), vec(bytes(), 1..14), end(), any::<bool>()).prop_map(
            |(key, values, end, if_present)| ListCommand::Push {
                key,
                values,
                end,
                if_present,
            }
        ),
        (vec(bytes(), 1..14), end(), 1..=i64::MAX as u64)
            .prop_map(|(keys, end, count)| ListCommand::Pop { keys, end, count }),
        (bytes(), bytes(), end(), end()).prop_map(|(from, to, take, put)| ListCommand::Move {
            from,
            to,
            take,
            put,
        }),
        (bytes(), any::<i64>(), bytes()).prop_map(|(key, count, value)| ListCommand::Remove {
            key,
            count,
            value
        }),
    ]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        session_command().prop_map(Command::Session),
        lock_command().prop_map(Command::Lock),
        queue_command().prop_map(Command::Queue),
        cache_command().prop_map(Command::Cache),
        list_command().prop_map(Command::List),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    prop_oneof![
        vec(bytes(), 1..12).prop_map(|keys| Query::Get { keys }),
        bytes().prop_map(|key| Query::Ttl { key }),
        Just(Query::CacheSize),
        name().prop_map(|name| Query::Lock { name }),
        name().prop_map(|queue| Query::Queue { queue }),
        any::<u64>().prop_map(|session| Query::Session { session }),
        bytes().prop_map(|key| Query::ListLength { key }),
        (bytes(), any::<i64>(), any::<i64>()).prop_map(|(key, first, last)| Query::ListRange {
            key,
            first,
            last
        }),
    ]
}

pub(super) fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::NoSession),
        any::<u64>().prop_map(|last| Refusal::StaleSequence { last }),
        Just(Refusal::NotHeld),
        Just(Refusal::WouldDeadlock),
        Just(Refusal::WrongMode),
        Just(Refusal::NoQueue),
        (any::<u64>(), any::<u64>()).prop_map(|(depth, limit)| Refusal::QueueFull { depth, limit }),
        Just(Refusal::NotAnInteger),
        Just(Refusal::Overflow),
        Just(Refusal::TooLarge),
        Just(Refusal::OutOfRange),
        Just(Refusal::WrongType),
        Just(Refusal::NoSuchIndex),
        Just(Refusal::TooMuchWork),
        Just(Refusal::SequenceReused),
        any::<u64>().prop_map(|messages| Refusal::NotEmpty { messages }),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    (figure(), figure(), any::<u32>(), bytes()).prop_map(|(id, receipt, deliveries, payload)| {
        Delivery {
            id,
            receipt,
            deliveries,
            payload,
        }
    })
}

/// A reply to `command` that is no refusal.
pub(super) fn reply_to(command: &Command) -> BoxedStrategy<Reply> {
    match command {
        Command::Session(SessionCommand::Open { .. }) => (figure(), figure())
            .prop_map(|(session, ttl_ms)| Reply::SessionOpened { session, ttl_ms })
            .boxed(),
        Command::Session(SessionCommand::KeepAlive { .. }) => figure()
            .prop_map(|ttl_ms| Reply::SessionAlive { ttl_ms })
            .boxed(),
        Command::Session(SessionCommand::Close { .. }) => Just(Reply::SessionClosed).boxed(),
        Command::Lock(LockCommand::Acquire { .. }) => prop_oneof![
            figure().prop_map(|token| Reply::Granted { token }),
            any::<u64>().prop_map(|waiter| Reply::Waiting { waiter }),
            Just(Reply::NotGranted),
        ]
        .boxed(),
        Command::Lock(LockCommand::Release { .. }) => Just(Reply::Released).boxed(),
        Command::Lock(LockCommand::Check { .. }) => {
            any::<bool>().prop_map(Reply::TokenAccepted).boxed()
        }
        Command::Queue(QueueCommand::Publish { messages, .. }) => vec(figure(), messages.len())
            .prop_map(|ids| Reply::Published { ids })
            .boxed(),
        Command::Queue(QueueCommand::Receive { .. }) => {
            vec(delivery(), 0..5).prop_map(Reply::Messages).boxed()
        }
        Command::Queue(
            QueueCommand::Ack { .. } | QueueCommand::Nack { .. } | QueueCommand::Extend { .. },
        ) => any::<u32>().prop_map(Reply::Settled).boxed(),
        Command::Queue(QueueCommand::Purge { .. } | QueueCommand::Delete { .. }) => {
            figure().prop_map(Reply::Purged).boxed()
        }
        Command::Queue(QueueCommand::Redrive { .. }) => figure().prop_map(Reply::Size).boxed(),
        Command::Cache(CacheCommand::Set { .. }) => of(figure())
            .prop_map(|version| Reply::Stored { version })
            .boxed(),
        Command::Cache(CacheCommand::Delete { .. }) => figure().prop_map(Reply::Deleted).boxed(),
        Command::Cache(CacheCommand::Increment { .. }) => (any::<i64>(), figure())
            .prop_map(|(value, version)| Reply::Integer { value, version })
            .boxed(),
        Command::Cache(CacheCommand::Expire { .. }) => {
            any::<bool>().prop_map(Reply::LifetimeSet).boxed()
        }
        Command::List(ListCommand::Push { .. } | ListCommand::Remove { .. }) => {
            figure().prop_map(Reply::Size).boxed()
        }
        Command::List(ListCommand::Pop { .. }) => of((bytes(), vec(bytes(), 1..5)))
            .prop_map(|popped| Reply::Popped(popped.map(|(key, values)| Popped { key, values })))
            .boxed(),
        Command::List(ListCommand::Move { from, .. }) => {
            let key = from.clone();
            of(bytes())
                .prop_map(move |value| {
                    let key = key.clone();
                    Reply::Popped(value.map(|value| Popped {
                        key,
                        values: vec![value],
                    }))
                })
                .boxed()
        }
        _ => Just(Reply::Done).boxed(),
    }
}

fn lock_info() -> impl Strategy<Value = LockInfo> {
    let holders = vec((figure(), figure(), any::<bool>()), 0..4);
    (holders, vec(figure(), 0..4), figure()).prop_map(|(holders, waiters, last_token)| LockInfo {
        holders,
        waiters,
        last_token,
    })
}

fn queue_info() -> impl Strategy<Value = QueueInfo> {
    [
        figure(),
        figure(),
        figure(),
        figure(),
        figure(),
        figure(),
        figure(),
    ]
    .prop_map(
        |[
            ready,
            in_flight,
            delayed,
            published,
            acked,
            dead_lettered,
            purged,
        ]| QueueInfo {
            ready,
            in_flight,
            delayed,
            published,
            acked,
            dead_lettered,
            purged,
        },
    )
}

pub(super) fn answer_to(query: &Query) -> BoxedStrategy<Reply> {
    let versioned =
        || (bytes(), figure()).prop_map(|(value, version)| Versioned { value, version });
    match query {
        Query::Get { keys } => vec(of(versioned()), keys.len())
            .prop_map(Reply::Values)
            .boxed(),
        Query::Ttl { .. } => prop_oneof![
            Just(Lifetime::Absent),
            Just(Lifetime::Forever),
            figure().prop_map(|ms| Lifetime::Remaining { ms }),
        ]
        .prop_map(Reply::Lifetime)
        .boxed(),
        Query::CacheSize => figure().prop_map(Reply::Size).boxed(),
        Query::Lock { .. } => lock_info().prop_map(Reply::LockInfo).boxed(),
        Query::Queue { .. } => of(queue_info()).prop_map(Reply::QueueInfo).boxed(),
        Query::Session { .. } => of(figure())
            .prop_map(|ttl_ms| Reply::SessionInfo { ttl_ms })
            .boxed(),
        Query::ListLength { .. } => figure().prop_map(Reply::Size).boxed(),
        Query::ListRange { .. } => vec(bytes(), 0..5).prop_map(Reply::Elements).boxed(),
        other => unreachable!("this crate's client does not ask {other:?}"),
    }
}
