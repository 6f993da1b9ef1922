//! The cache: Redis's commands for strings under their names, and `CACHE.*` for what
//! Redis has no word for (versions, compare-and-set).
//!
//! Not offered: `MSET` (one entry of the log sets one key), `SET`'s `GET`, `EXAT` and
//! `PXAT`, and the conditions of `EXPIRE`.

use bytes::Bytes;

use super::arguments::{
    Keyword, Options, at_least, exactly, integer, key, keys, list_after, number, value,
};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::{CommandError, quoted};
use crate::state::command::{CacheCommand, Command, Query, SetCondition};

/// Milliseconds in the unit of `EX`, `SETEX`, `EXPIRE`.
const SECOND: i64 = 1000;
/// Milliseconds in the unit of `PX`, `PSETEX`, `PEXPIRE`.
const MILLISECOND: i64 = 1;

/// Redis's commands.
pub(super) fn parse(name: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let call = match name {
        b"GET" => get_one("get", args, ReplyStyle::Bulk)?,
        b"SET" => set("set", args, Offer::Redis, ReplyStyle::Status)?,
        b"MGET" => get_all("mget", args, ReplyStyle::Bulks)?,
        b"DEL" => delete("del", args)?,
        b"INCR" => increment("incr", args, 1)?,
        b"DECR" => increment("decr", args, -1)?,
        b"INCRBY" => increment_by("incrby", args, ReplyStyle::Number)?,
        b"DECRBY" => decrement_by(args)?,
        b"EXPIRE" => expire("expire", args, SECOND)?,
        b"PEXPIRE" => expire("pexpire", args, MILLISECOND)?,
        b"TTL" => ttl("ttl", args, ReplyStyle::Seconds)?,
        b"PTTL" => ttl("pttl", args, ReplyStyle::Full)?,
        b"EXISTS" => get_all("exists", args, ReplyStyle::Count)?,
        b"TYPE" => get_one("type", args, ReplyStyle::TypeName)?,
        b"SETNX" => set_if_absent(args)?,
        b"SETEX" => set_with_ttl("setex", args, SECOND)?,
        b"PSETEX" => set_with_ttl("psetex", args, MILLISECOND)?,
        b"UNLINK" => delete("unlink", args)?,
        b"PERSIST" => persist(args)?,
        b"DBSIZE" => {
            let [] = exactly("dbsize", args)?;
            Call::read(Query::CacheSize, ReplyStyle::Full)
        }
        b"FLUSHALL" => flush(args)?,
        b"FLUSHDB" => flush(args)?,
        _ => return Ok(None),
    };
    Ok(Some(call))
}

/// `CACHE.*`.
pub(super) fn parse_own(verb: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let call = match verb {
        b"GETV" => get_one("cache.getv", args, ReplyStyle::Single)?,
        b"MGETV" => get_all("cache.mgetv", args, ReplyStyle::Full)?,
        b"PUT" => set("cache.put", args, Offer::All, ReplyStyle::Full)?,
        b"CAS" => compare_and_set(args)?,
        b"INCRBY" => increment_by("cache.incrby", args, ReplyStyle::Full)?,
        b"TRACK" => track(args)?,
        _ => return Ok(None),
    };
    Ok(Some(call))
}

/// `CACHE.TRACK FROM index`
fn track(args: &[Bytes]) -> Result<Call, CommandError> {
    let [keyword, index] = exactly("cache.track", args)?;
    match &*Keyword::new(keyword) {
        b"FROM" => Ok(Call::Track {
            from: number(index)?,
        }),
        _ => Err(CommandError::Syntax),
    }
}

fn write(command: CacheCommand, style: ReplyStyle) -> Call {
    Call::write(Command::Cache(command), style)
}

fn get_one(command: &'static str, args: &[Bytes], style: ReplyStyle) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    let keys = vec![key(one)?];
    Ok(Call::read(Query::Get { keys }, style))
}

fn get_all(command: &'static str, args: &[Bytes], style: ReplyStyle) -> Result<Call, CommandError> {
    let ([], list) = list_after(command, args)?;
    let keys = keys(list)?;
    Ok(Call::read(Query::Get { keys }, style))
}

fn ttl(command: &'static str, args: &[Bytes], style: ReplyStyle) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    Ok(Call::read(Query::Ttl { key: key(one)? }, style))
}

fn delete(command: &'static str, args: &[Bytes]) -> Result<Call, CommandError> {
    let ([], list) = list_after(command, args)?;
    let keys = keys(list)?;
    Ok(write(CacheCommand::Delete { keys }, ReplyStyle::Full))
}

fn increment(command: &'static str, args: &[Bytes], by: i64) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    let key = key(one)?;
    Ok(write(
        CacheCommand::Increment { key, by },
        ReplyStyle::Number,
    ))
}

fn increment_by(
    command: &'static str,
    args: &[Bytes],
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let [one, by] = exactly(command, args)?;
    let (key, by) = (key(one)?, integer(by)?);
    Ok(write(CacheCommand::Increment { key, by }, style))
}

fn decrement_by(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, by] = exactly("decrby", args)?;
    let by = integer(by)?.checked_neg();
    let by = by.ok_or(CommandError::DecrementOverflow)?;
    let key = key(one)?;
    Ok(write(
        CacheCommand::Increment { key, by },
        ReplyStyle::Number,
    ))
}

/// A time in the past deletes the key, as in Redis; the reply is the same.
fn expire(command: &'static str, args: &[Bytes], unit_ms: i64) -> Result<Call, CommandError> {
    let ([one, time], rest) = at_least(command, args)?;
    if let Some(option) = rest.first() {
        return Err(CommandError::UnsupportedOption(quoted(option)));
    }
    let (key, time) = (key(one)?, integer(time)?);
    if time <= 0 {
        let keys = vec![key];
        return Ok(write(CacheCommand::Delete { keys }, ReplyStyle::Full));
    }
    let ttl_ms = Some(lifetime_ms(command, time, unit_ms)?);
    Ok(write(
        CacheCommand::Expire { key, ttl_ms },
        ReplyStyle::Full,
    ))
}

fn persist(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one] = exactly("persist", args)?;
    let (key, ttl_ms) = (key(one)?, None);
    Ok(write(
        CacheCommand::Expire { key, ttl_ms },
        ReplyStyle::Full,
    ))
}

/// `FLUSHALL [ASYNC|SYNC]`; either way the keys are gone when the reply comes.
fn flush(args: &[Bytes]) -> Result<Call, CommandError> {
    let known = match args {
        [] => true,
        [option] => matches!(&*Keyword::new(option), b"ASYNC" | b"SYNC"),
        _ => false,
    };
    if !known {
        return Err(CommandError::Syntax);
    }
    Ok(write(CacheCommand::Flush, ReplyStyle::Full))
}

fn set_if_absent(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, new] = exactly("setnx", args)?;
    let command = CacheCommand::Set {
        key: key(one)?,
        value: value(new)?,
        ttl_ms: None,
        keep_ttl: false,
        condition: SetCondition::IfAbsent,
    };
    Ok(write(command, ReplyStyle::Flag))
}

fn set_with_ttl(command: &'static str, args: &[Bytes], unit_ms: i64) -> Result<Call, CommandError> {
    let [one, time, new] = exactly(command, args)?;
    let set = CacheCommand::Set {
        key: key(one)?,
        value: value(new)?,
        ttl_ms: Some(lifetime_ms(command, integer(time)?, unit_ms)?),
        keep_ttl: false,
        condition: SetCondition::Always,
    };
    Ok(write(set, ReplyStyle::Status))
}

/// `SET key value [EX s|PX ms|KEEPTTL] [NX|XX]`, and `CACHE.PUT` with `VERSION n` too.
fn set(
    command: &'static str,
    args: &[Bytes],
    offer: Offer,
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let ([one, new], rest) = at_least(command, args)?;
    let options = SetOptions::parse(rest, offer)?;
    let set = CacheCommand::Set {
        key: key(one)?,
        value: value(new)?,
        ttl_ms: options.ttl_ms(command)?,
        keep_ttl: options.keep_ttl,
        condition: options.condition,
    };
    Ok(write(set, style))
}

/// `CACHE.CAS key version value [PX ms]`
fn compare_and_set(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([one, version, new], rest) = at_least("cache.cas", args)?;
    let options = SetOptions::parse(rest, Offer::Lifetime)?;
    let set = CacheCommand::Set {
        key: key(one)?,
        value: value(new)?,
        ttl_ms: options.ttl_ms("cache.cas")?,
        keep_ttl: false,
        condition: SetCondition::IfVersion(number(version)?),
    };
    Ok(write(set, ReplyStyle::Full))
}

/// Which options a command that sets a key has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// `EX` and `PX`.
    Lifetime,
    /// And `KEEPTTL`, `NX`, `XX`.
    Redis,
    /// And `VERSION`.
    All,
}

struct SetOptions<'a> {
    /// The argument, and how many milliseconds its unit has.
    lifetime: Option<(&'a Bytes, i64)>,
    keep_ttl: bool,
    condition: SetCondition,
}

impl<'a> SetOptions<'a> {
    /// Refuses the combinations that Redis refuses; like there, repeating an option is
    /// none of them, and times are looked at only after all options were understood.
    fn parse(rest: &'a [Bytes], offer: Offer) -> Result<Self, CommandError> {
        use SetCondition::{Always, IfAbsent, IfPresent, IfVersion};
        let mut parsed = Self {
            lifetime: None,
            keep_ttl: false,
            condition: Always,
        };
        let mut options = Options::new(rest);
        while let Some(option) = options.keyword() {
            let (unit, condition) = (parsed.lifetime.map(|(_, unit)| unit), parsed.condition);
            match &*option {
                b"EX" if !parsed.keep_ttl && unit != Some(MILLISECOND) => {
                    parsed.lifetime = Some((options.value()?, SECOND));
                }
                b"PX" if !parsed.keep_ttl && unit != Some(SECOND) => {
                    parsed.lifetime = Some((options.value()?, MILLISECOND));
                }
                _ if offer == Offer::Lifetime => return Err(CommandError::Syntax),
                b"KEEPTTL" if unit.is_none() => parsed.keep_ttl = true,
                b"NX" if matches!(condition, Always | IfAbsent) => parsed.condition = IfAbsent,
                b"XX" if matches!(condition, Always | IfPresent) => parsed.condition = IfPresent,
                b"VERSION" if offer == Offer::All && condition == Always => {
                    parsed.condition = IfVersion(options.number()?);
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(parsed)
    }

    fn ttl_ms(&self, command: &'static str) -> Result<Option<u64>, CommandError> {
        self.lifetime
            .map(|(time, unit_ms)| lifetime_ms(command, integer(time)?, unit_ms))
            .transpose()
    }
}

/// A lifetime of one millisecond or more.
fn lifetime_ms(command: &'static str, time: i64, unit_ms: i64) -> Result<u64, CommandError> {
    time.checked_mul(unit_ms)
        .filter(|&ms| ms > 0)
        .and_then(|ms| u64::try_from(ms).ok())
        .ok_or(CommandError::ExpireTime(command))
}
