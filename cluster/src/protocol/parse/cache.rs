//! The cache: Redis's commands for strings under their names, and `CACHE.*` for what
//! Redis has no word for (versions, compare-and-set).

use bytes::Bytes;

use super::arguments::{
    Keyword, Options, at_least, exactly, integer, key, keys, list_after, number, value,
};
use super::lifetime::{Lifetime, expiry, lifetime_ms};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{CacheCommand, Command, Expiry, Query, SetCondition, StringCommand};

/// `CACHE.TRACK FROM index`
pub(super) fn track(args: &[Bytes]) -> Result<Call, CommandError> {
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

pub(super) fn get_one(
    command: &'static str,
    args: &[Bytes],
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    let keys = vec![key(one)?];
    Ok(Call::read(Query::Get { keys }, style))
}

pub(super) fn get_all(
    command: &'static str,
    args: &[Bytes],
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let ([], list) = list_after(command, args)?;
    let keys = keys(list)?;
    Ok(Call::read(Query::Get { keys }, style))
}

pub(super) fn ttl(
    command: &'static str,
    args: &[Bytes],
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    Ok(Call::read(Query::Ttl { key: key(one)? }, style))
}

pub(super) fn delete(command: &'static str, args: &[Bytes]) -> Result<Call, CommandError> {
    let ([], list) = list_after(command, args)?;
    let keys = keys(list)?;
    Ok(write(CacheCommand::Delete { keys }, ReplyStyle::Full))
}

pub(super) fn increment(
    command: &'static str,
    args: &[Bytes],
    by: i64,
) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    let key = key(one)?;
    Ok(write(
        CacheCommand::Increment { key, by },
        ReplyStyle::Number,
    ))
}

pub(super) fn increment_by(
    command: &'static str,
    args: &[Bytes],
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let [one, by] = exactly(command, args)?;
    let (key, by) = (key(one)?, integer(by)?);
    Ok(write(CacheCommand::Increment { key, by }, style))
}

pub(super) fn decrement_by(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, by] = exactly("decrby", args)?;
    let by = integer(by)?.checked_neg();
    let by = by.ok_or(CommandError::DecrementOverflow)?;
    let key = key(one)?;
    Ok(write(
        CacheCommand::Increment { key, by },
        ReplyStyle::Number,
    ))
}

pub(super) fn size(args: &[Bytes]) -> Result<Call, CommandError> {
    let [] = exactly("dbsize", args)?;
    Ok(Call::read(Query::CacheSize, ReplyStyle::Full))
}

pub(super) fn delete_one(key: Bytes) -> Call {
    let keys = vec![key];
    write(CacheCommand::Delete { keys }, ReplyStyle::Full)
}

pub(super) fn set_lifetime(key: Bytes, ms: u64) -> Call {
    let ttl_ms = Some(ms);
    write(CacheCommand::Expire { key, ttl_ms }, ReplyStyle::Full)
}

pub(super) fn persist(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one] = exactly("persist", args)?;
    let (key, ttl_ms) = (key(one)?, None);
    Ok(write(
        CacheCommand::Expire { key, ttl_ms },
        ReplyStyle::Full,
    ))
}

/// `FLUSHALL [ASYNC|SYNC]`; either way the keys are gone when the reply comes.
pub(super) fn flush(args: &[Bytes]) -> Result<Call, CommandError> {
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

pub(super) fn set_if_absent(args: &[Bytes]) -> Result<Call, CommandError> {
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

pub(super) fn set_with_ttl(
    command: &'static str,
    args: &[Bytes],
    unit_ms: i64,
) -> Result<Call, CommandError> {
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

/// `SET key value [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL] [NX|XX] [GET]`; `CACHE.PUT` with
/// `VERSION n` in place of `GET`.
pub(super) fn set(
    command: &'static str,
    args: &[Bytes],
    offer: Offer,
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let ([one, new], rest) = at_least(command, args)?;
    let options = SetOptions::parse(rest, offer)?;
    let (key, value) = (key(one)?, value(new)?);
    if options.needs_more() {
        let set = StringCommand::Set {
            key,
            value,
            expiry: options.expiry(command)?,
            condition: options.condition,
            give_old: options.give_old,
        };
        return Ok(Call::write(Command::String(set), style));
    }
    let set = CacheCommand::Set {
        key,
        value,
        ttl_ms: options.ttl_ms(command)?,
        keep_ttl: options.keep_ttl,
        condition: options.condition,
    };
    Ok(write(set, style))
}

/// `CACHE.CAS key version value [PX ms]`
pub(super) fn compare_and_set(args: &[Bytes]) -> Result<Call, CommandError> {
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
pub(super) enum Offer {
    /// `EX` and `PX`.
    Lifetime,
    /// And `EXAT`, `PXAT`, `KEEPTTL`, `NX`, `XX`, `GET`.
    Redis,
    /// The same with `VERSION` in place of `GET`.
    All,
}

struct SetOptions<'a> {
    lifetime: Option<(Lifetime, &'a Bytes)>,
    keep_ttl: bool,
    condition: SetCondition,
    give_old: bool,
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
            give_old: false,
        };
        let mut options = Options::new(rest);
        while let Some(option) = options.keyword() {
            let condition = parsed.condition;
            let is_same = |lifetime| parsed.lifetime.is_none_or(|(other, _)| other == lifetime);
            if let Some(lifetime) = Lifetime::of(&option) {
                let is_offered = offer != Offer::Lifetime || !lifetime.is_end;
                if !is_offered || parsed.keep_ttl || !is_same(lifetime) {
                    return Err(CommandError::Syntax);
                }
                parsed.lifetime = Some((lifetime, options.value()?));
                continue;
            }
            match &*option {
                _ if offer == Offer::Lifetime => return Err(CommandError::Syntax),
                b"KEEPTTL" if parsed.lifetime.is_none() => parsed.keep_ttl = true,
                b"NX" if matches!(condition, Always | IfAbsent) => parsed.condition = IfAbsent,
                b"XX" if matches!(condition, Always | IfPresent) => parsed.condition = IfPresent,
                b"GET" if offer == Offer::Redis => parsed.give_old = true,
                b"VERSION" if offer == Offer::All && condition == Always => {
                    parsed.condition = IfVersion(options.number()?);
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(parsed)
    }

    /// Whether it takes more than [`CacheCommand::Set`] can say.
    fn needs_more(&self) -> bool {
        self.give_old || self.lifetime.is_some_and(|(lifetime, _)| lifetime.is_end)
    }

    fn ttl_ms(&self, command: &'static str) -> Result<Option<u64>, CommandError> {
        self.lifetime
            .map(|(lifetime, time)| lifetime_ms(command, integer(time)?, lifetime.unit))
            .transpose()
    }

    fn expiry(&self, command: &'static str) -> Result<Expiry, CommandError> {
        match self.lifetime {
            Some((lifetime, time)) => expiry(command, time, lifetime.unit, lifetime.is_end),
            None if self.keep_ttl => Ok(Expiry::Keep),
            None => Ok(Expiry::Never),
        }
    }
}
