//! The client's side: from a reply frame back to the [`Reply`] of the state, or to the
//! reason why there is none.
//!
//! RESP does not say what a frame means, so decoding needs what was asked. Only the
//! spellings of [`super::write_command`] and [`super::read_query`] are understood.

use bytes::Bytes;
use redis_protocol::resp2::types::BytesFrame as Frame;

use super::decimal::parse_u64;
use super::push::Push;
use super::refusal;
use super::reply::{ABSENT, FOREVER, HOLD_MODES, OK, WAITING};
use crate::state::command::{
    CacheCommand, Command, Delivery, Lifetime, ListCommand, LockCommand, LockInfo, Popped, Query,
    QueueCommand, QueueInfo, Refusal, Reply, SessionCommand, SessionId, Token, Versioned,
};

/// How much of a frame that fits nothing an error shows.
const MAX_SHOWN_CHARS: usize = 200;

/// What a reply answers.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// A write, or one to be.
    Command(&'a Command),
    /// A read.
    Query(&'a Query),
}

impl<'a> From<&'a Command> for Asked<'a> {
    fn from(command: &'a Command) -> Self {
        Self::Command(command)
    }
}

impl<'a> From<&'a Query> for Asked<'a> {
    fn from(query: &'a Query) -> Self {
        Self::Query(query)
    }
}

/// Why a node's answer holds no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// No effect; ask the node at this address (`host:port`).
    #[error("moved to {addr}")]
    Moved {
        /// `host:port`.
        addr: String,
    },
    /// No effect: the node knows no leader.
    #[error("cluster down: {0}")]
    ClusterDown(String),
    /// No effect: the node cannot serve this now.
    #[error("try again: {0}")]
    TryAgain(String),
    /// The write may have taken effect, or may yet.
    #[error("unknown outcome: {0}")]
    Unknown(String),
    /// No effect, by decision of the replicated state.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// No effect, for another reason; the whole text of the error.
    #[error("{0}")]
    Other(String),
    /// Not an error, but no reply to what was asked either; a write may have taken
    /// effect. Client and node disagree on the protocol, which is a bug.
    #[error("unexpected reply: {0}")]
    Unexpected(String),
}

impl ReplyError {
    /// Whether a write that was answered so may have taken effect, or may yet.
    pub fn is_indefinite(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Unexpected(_))
    }

    fn from_text(text: &str) -> Self {
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        match code {
            "MOVED" => match rest.split_once(' ') {
                Some((_slot, addr)) => Self::Moved {
                    addr: bracketed(addr),
                },
                None => Self::Other(text.to_owned()),
            },
            "CLUSTERDOWN" => Self::ClusterDown(rest.to_owned()),
            "TRYAGAIN" | "OOM" => Self::TryAgain(rest.to_owned()),
            "UNKNOWN" => Self::Unknown(rest.to_owned()),
            _ => match refusal::parse(text) {
                Some(refusal) => Self::Refused(refusal),
                None => Self::Other(text.to_owned()),
            },
        }
    }
}

/// An address with brackets around an IPv6 host, as the rest of the program has it.
fn bracketed(addr: &str) -> String {
    match addr.rsplit_once(':') {
        Some((host, port)) if host.contains(':') && !host.starts_with('[') => {
            format!("[{host}]:{port}")
        }
        _ => addr.to_owned(),
    }
}

/// Understands the answer to a command or query. A refusal is [`ReplyError::Refused`].
pub fn decode_reply<'a>(asked: impl Into<Asked<'a>>, frame: Frame) -> Result<Reply, ReplyError> {
    if let Frame::Error(text) = &frame {
        return Err(ReplyError::from_text(text));
    }
    let reply = match asked.into() {
        Asked::Command(command) => command_reply(command, &frame),
        Asked::Query(query) => query_reply(query, &frame),
    };
    reply.ok_or_else(|| unexpected(&frame))
}

/// Understands a message of a stream; an error ends it.
pub fn decode_push(frame: &Frame) -> Result<Push, ReplyError> {
    if let Frame::Error(text) = frame {
        return Err(ReplyError::from_text(text));
    }
    Push::decode(frame).ok_or_else(|| unexpected(frame))
}

fn unexpected(frame: &Frame) -> ReplyError {
    let shown = format!("{frame:?}");
    ReplyError::Unexpected(shown.chars().take(MAX_SHOWN_CHARS).collect())
}

/// `None`: the frame does not fit the command.
fn command_reply(command: &Command, frame: &Frame) -> Option<Reply> {
    match command {
        Command::NewLeader | Command::Expire { .. } | Command::Raise { .. } => {
            ok(frame, Reply::Done)
        }
        Command::Session(command) => session_reply(command, frame),
        Command::Lock(command) => lock_reply(command, frame),
        Command::Queue(command) => queue_reply(command, frame),
        Command::Cache(command) => cache_reply(command, frame),
        Command::List(command) => list_reply(command, frame),
        Command::String(_) | Command::Transaction { .. } => None,
    }
}

fn session_reply(command: &SessionCommand, frame: &Frame) -> Option<Reply> {
    match command {
        SessionCommand::Open { .. } => {
            let [session, ttl] = elements(frame)?;
            Some(Reply::SessionOpened {
                session: unsigned(session)?,
                ttl_ms: unsigned(ttl)?,
            })
        }
        SessionCommand::KeepAlive { .. } => Some(Reply::SessionAlive {
            ttl_ms: unsigned(frame)?,
        }),
        SessionCommand::Close { .. } => ok(frame, Reply::SessionClosed),
    }
}

fn lock_reply(command: &LockCommand, frame: &Frame) -> Option<Reply> {
    match (command, frame) {
        (LockCommand::Acquire { .. }, Frame::Null) => Some(Reply::NotGranted),
        (LockCommand::Acquire { .. }, Frame::SimpleString(text)) => {
            let waiter = text.strip_prefix(WAITING.as_bytes())?.strip_prefix(b" ")?;
            let waiter = parse_u64(waiter)?;
            Some(Reply::Waiting { waiter })
        }
        (LockCommand::Acquire { .. }, _) => Some(Reply::Granted {
            token: unsigned(frame)?,
        }),
        (LockCommand::Release { .. }, _) => ok(frame, Reply::Released),
        (LockCommand::Cancel { .. }, _) => ok(frame, Reply::Done),
        (LockCommand::Check { .. }, _) => Some(Reply::TokenAccepted(flag(frame)?)),
    }
}

fn queue_reply(command: &QueueCommand, frame: &Frame) -> Option<Reply> {
    match command {
        QueueCommand::Configure { .. } => ok(frame, Reply::Done),
        QueueCommand::Publish { .. } => Some(Reply::Published {
            ids: match frame {
                Frame::Integer(_) => vec![unsigned(frame)?],
                _ => list(frame, unsigned)?,
            },
        }),
        QueueCommand::Receive { .. } => Some(Reply::Messages(list(frame, delivery)?)),
        QueueCommand::Ack { .. } | QueueCommand::Nack { .. } | QueueCommand::Extend { .. } => {
            let count = u32::try_from(unsigned(frame)?).ok()?;
            Some(Reply::Settled(count))
        }
        QueueCommand::Purge { .. } | QueueCommand::Delete { .. } => {
            Some(Reply::Purged(unsigned(frame)?))
        }
        QueueCommand::Redrive { .. } => Some(Reply::Size(unsigned(frame)?)),
    }
}

fn cache_reply(command: &CacheCommand, frame: &Frame) -> Option<Reply> {
    match (command, frame) {
        (CacheCommand::Set { .. }, Frame::Null) => Some(Reply::Stored { version: None }),
        (CacheCommand::Set { .. }, _) => Some(Reply::Stored {
            version: Some(unsigned(frame)?),
        }),
        (CacheCommand::Delete { .. }, _) => Some(Reply::Deleted(unsigned(frame)?)),
        (CacheCommand::Increment { .. }, _) => {
            let [value, version] = elements(frame)?;
            Some(Reply::Integer {
                value: integer(value)?,
                version: unsigned(version)?,
            })
        }
        (CacheCommand::Expire { .. }, _) => Some(Reply::LifetimeSet(flag(frame)?)),
        (CacheCommand::Touch { .. } | CacheCommand::Flush, _) => ok(frame, Reply::Done),
    }
}

fn list_reply(command: &ListCommand, frame: &Frame) -> Option<Reply> {
    match (command, frame) {
        (ListCommand::Push { .. } | ListCommand::Remove { .. }, _) => {
            Some(Reply::Size(unsigned(frame)?))
        }
        (ListCommand::Pop { .. } | ListCommand::Move { .. }, Frame::Null) => {
            Some(Reply::Popped(None))
        }
        (ListCommand::Pop { .. }, _) => {
            let [key, values] = elements(frame)?;
            Some(Reply::Popped(Some(Popped {
                key: bulk(key)?.clone(),
                values: list(values, |value| bulk(value).cloned())?,
            })))
        }
        (ListCommand::Move { from, .. }, _) => Some(Reply::Popped(Some(Popped {
            key: from.clone(),
            values: vec![bulk(frame)?.clone()],
        }))),
        (ListCommand::Insert { .. } | ListCommand::Set { .. } | ListCommand::Trim { .. }, _) => {
            None
        }
    }
}

/// `None`: the frame does not fit the query.
fn query_reply(query: &Query, frame: &Frame) -> Option<Reply> {
    match query {
        Query::Get { keys } if keys.len() == 1 => Some(Reply::Values(vec![versioned(frame)?])),
        Query::Get { keys } => {
            let values = list(frame, versioned)?;
            (values.len() == keys.len()).then_some(Reply::Values(values))
        }
        Query::Ttl { .. } => Some(Reply::Lifetime(match integer(frame)? {
            ABSENT => Lifetime::Absent,
            FOREVER => Lifetime::Forever,
            ms => Lifetime::Remaining {
                ms: u64::try_from(ms).ok()?,
            },
        })),
        Query::CacheSize => Some(Reply::Size(unsigned(frame)?)),
        Query::Lock { .. } => lock_info(frame).map(Reply::LockInfo),
        Query::Queue { .. } if *frame == Frame::Null => Some(Reply::QueueInfo(None)),
        Query::Queue { .. } => Some(Reply::QueueInfo(Some(queue_info(frame)?))),
        Query::Session { .. } => Some(Reply::SessionInfo {
            ttl_ms: match integer(frame)? {
                ABSENT => None,
                ttl => Some(u64::try_from(ttl).ok()?),
            },
        }),
        Query::ListLength { .. } => Some(Reply::Size(unsigned(frame)?)),
        Query::ListRange { .. } => {
            Some(Reply::Elements(list(frame, |value| bulk(value).cloned())?))
        }
        Query::ExpireTime { .. }
        | Query::Keys { .. }
        | Query::Scan { .. }
        | Query::RandomKey { .. }
        | Query::List { .. }
        | Query::ScanOf { .. }
        | Query::ListIndex { .. }
        | Query::ListFind { .. } => None,
    }
}

fn lock_info(frame: &Frame) -> Option<LockInfo> {
    let [_, holders, _, waiters, _, last_token] = elements(frame)?;
    Some(LockInfo {
        holders: list(holders, holder)?,
        waiters: list(waiters, unsigned)?,
        last_token: unsigned(last_token)?,
    })
}

fn holder(frame: &Frame) -> Option<(SessionId, Token, bool)> {
    let [session, token, mode] = elements(frame)?;
    let mode = bulk(mode)?;
    let shared = HOLD_MODES.iter().position(|name| name.as_bytes() == mode)?;
    Some((unsigned(session)?, unsigned(token)?, shared == 1))
}

fn queue_info(frame: &Frame) -> Option<QueueInfo> {
    let [
        _,
        ready,
        _,
        in_flight,
        _,
        delayed,
        _,
        published,
        _,
        acked,
        _,
        dead_lettered,
        _,
        purged,
    ] = elements(frame)?;
    Some(QueueInfo {
        ready: unsigned(ready)?,
        in_flight: unsigned(in_flight)?,
        delayed: unsigned(delayed)?,
        published: unsigned(published)?,
        acked: unsigned(acked)?,
        dead_lettered: unsigned(dead_lettered)?,
        purged: unsigned(purged)?,
    })
}

fn delivery(frame: &Frame) -> Option<Delivery> {
    let [id, receipt, deliveries, payload] = elements(frame)?;
    Some(Delivery {
        id: unsigned(id)?,
        receipt: unsigned(receipt)?,
        deliveries: u32::try_from(unsigned(deliveries)?).ok()?,
        payload: bulk(payload)?.clone(),
    })
}

/// The outer `None` is a frame that does not fit, the inner one an absent key.
fn versioned(frame: &Frame) -> Option<Option<Versioned>> {
    if *frame == Frame::Null {
        return Some(None);
    }
    let [value, version] = elements(frame)?;
    Some(Some(Versioned {
        value: bulk(value)?.clone(),
        version: unsigned(version)?,
    }))
}

fn ok(frame: &Frame, reply: Reply) -> Option<Reply> {
    matches!(frame, Frame::SimpleString(text) if text == OK).then_some(reply)
}

fn integer(frame: &Frame) -> Option<i64> {
    match frame {
        Frame::Integer(value) => Some(*value),
        _ => None,
    }
}

fn unsigned(frame: &Frame) -> Option<u64> {
    u64::try_from(integer(frame)?).ok()
}

fn flag(frame: &Frame) -> Option<bool> {
    match integer(frame)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn bulk(frame: &Frame) -> Option<&Bytes> {
    match frame {
        Frame::BulkString(value) => Some(value),
        _ => None,
    }
}

fn elements<const N: usize>(frame: &Frame) -> Option<&[Frame; N]> {
    match frame {
        Frame::Array(elements) => elements.as_slice().try_into().ok(),
        _ => None,
    }
}

fn list<T>(frame: &Frame, element: impl Fn(&Frame) -> Option<T>) -> Option<Vec<T>> {
    match frame {
        Frame::Array(elements) => elements.iter().map(element).collect(),
        _ => None,
    }
}
