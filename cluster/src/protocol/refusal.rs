//! Refusals by the replicated state as RESP errors, and back.
//!
//! Both directions stand side by side so that they cannot drift apart. The code in
//! front is for programs, the rest for people; where a refusal carries figures they are
//! part of the text.

use std::borrow::Cow;

use super::decimal::parse_u64;
use crate::state::command::Refusal;

const NO_SESSION: &str = "NOSESSION the session does not exist or has expired";
const STALE_SEQUENCE: &str = "STALESEQ the last sequence of this session is ";
const NOT_HELD: &str = "NOTHELD the lock is not held by this session and token";
const WOULD_DEADLOCK: &str = "WOULDDEADLOCK an older session is in the way";
const WRONG_MODE: &str = "WRONGMODE this session holds the lock in the other mode";
const NO_QUEUE: &str = "NOQUEUE no such queue";
const QUEUE_FULL: &str = "QUEUEFULL the queue holds ";
const QUEUE_LIMIT: &str = " messages and its limit is ";
const NOT_EMPTY: &str = "NOTEMPTY messages in the queue: ";
/// Also the text for an argument that is not an integer, as in Redis.
pub(super) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const OVERFLOW: &str = "ERR increment or decrement would overflow";
const TOO_LARGE: &str = "TOOLARGE the value is larger than the cache may hold";
pub(super) const OUT_OF_RANGE: &str = "OUTOFRANGE a duration or count is outside its range";
/// Also the text for an argument that is no float.
pub(super) const NOT_A_FLOAT: &str = "ERR value is not a valid float";
/// Also the text where infinity is to be added.
pub(super) const NOT_FINITE: &str = "ERR increment would produce NaN or Infinity";
const NO_SUCH_KEY: &str = "ERR no such key";
/// Also the text where a key is a list and its value is asked for.
pub(super) const WRONG_TYPE: &str =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
const NO_SUCH_INDEX: &str = "ERR index out of range";
const SEQUENCE_REUSED: &str =
    "ERR this sequence of the session was used for another command; a new command has a larger one";
const REPLY_TOO_LARGE: &str =
    "ERR the reply exceeds the limit of 67108864 bytes; ask for less at a time";
const TOO_MUCH_WORK: &str = "ERR this read takes too long: ask for less in one transaction or with \
                            a simpler pattern";

pub(super) fn text(refusal: &Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::StaleSequence { last } => format!("{STALE_SEQUENCE}{last}").into(),
        Refusal::QueueFull { depth, limit } => {
            format!("{QUEUE_FULL}{depth}{QUEUE_LIMIT}{limit}").into()
        }
        Refusal::NotEmpty { messages } => format!("{NOT_EMPTY}{messages}").into(),
        Refusal::NoSession => NO_SESSION.into(),
        Refusal::NotHeld => NOT_HELD.into(),
        Refusal::WouldDeadlock => WOULD_DEADLOCK.into(),
        Refusal::WrongMode => WRONG_MODE.into(),
        Refusal::NoQueue => NO_QUEUE.into(),
        Refusal::NotAnInteger => NOT_AN_INTEGER.into(),
        Refusal::Overflow => OVERFLOW.into(),
        Refusal::TooLarge => TOO_LARGE.into(),
        Refusal::OutOfRange => OUT_OF_RANGE.into(),
        Refusal::NotAFloat => NOT_A_FLOAT.into(),
        Refusal::NotFinite => NOT_FINITE.into(),
        Refusal::NoSuchKey => NO_SUCH_KEY.into(),
        Refusal::ReplyTooLarge => REPLY_TOO_LARGE.into(),
        Refusal::WrongType => WRONG_TYPE.into(),
        Refusal::NoSuchIndex => NO_SUCH_INDEX.into(),
        Refusal::TooMuchWork => TOO_MUCH_WORK.into(),
        Refusal::SequenceReused => SEQUENCE_REUSED.into(),
    }
}

/// `None` when the text is not a refusal.
pub(super) fn parse(text: &str) -> Option<Refusal> {
    if let Some(last) = text.strip_prefix(STALE_SEQUENCE) {
        return Some(Refusal::StaleSequence {
            last: parse_u64(last.as_bytes())?,
        });
    }
    if let Some(figures) = text.strip_prefix(QUEUE_FULL) {
        let (depth, limit) = figures.split_once(QUEUE_LIMIT)?;
        return Some(Refusal::QueueFull {
            depth: parse_u64(depth.as_bytes())?,
            limit: parse_u64(limit.as_bytes())?,
        });
    }
    if let Some(messages) = text.strip_prefix(NOT_EMPTY) {
        return Some(Refusal::NotEmpty {
            messages: parse_u64(messages.as_bytes())?,
        });
    }
    Some(match text {
        NO_SESSION => Refusal::NoSession,
        NOT_HELD => Refusal::NotHeld,
        WOULD_DEADLOCK => Refusal::WouldDeadlock,
        WRONG_MODE => Refusal::WrongMode,
        NO_QUEUE => Refusal::NoQueue,
        NOT_AN_INTEGER => Refusal::NotAnInteger,
        OVERFLOW => Refusal::Overflow,
        TOO_LARGE => Refusal::TooLarge,
        OUT_OF_RANGE => Refusal::OutOfRange,
        NOT_A_FLOAT => Refusal::NotAFloat,
        NOT_FINITE => Refusal::NotFinite,
        NO_SUCH_KEY => Refusal::NoSuchKey,
        REPLY_TOO_LARGE => Refusal::ReplyTooLarge,
        WRONG_TYPE => Refusal::WrongType,
        NO_SUCH_INDEX => Refusal::NoSuchIndex,
        TOO_MUCH_WORK => Refusal::TooMuchWork,
        SEQUENCE_REUSED => Refusal::SequenceReused,
        _ => return None,
    })
}
