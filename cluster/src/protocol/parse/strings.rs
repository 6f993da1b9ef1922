//! Redis's commands for strings and keys beyond the plain ones of `cache.rs`.

use bytes::Bytes;

use super::arguments::{
    Keyword, Options, at_least, exactly, integer, key, list_after, number, value,
};
use super::cache::{delete_one, get_one, set_lifetime};
use super::lifetime::{Lifetime, end_ms, expiry, lifetime_ms};
use crate::protocol::call::{Call, ConnectionCall, ReplyStyle};
use crate::protocol::command_error::{CommandError, quoted};
use crate::protocol::decimal::parse_u64;
use crate::state::command::{
    Command, ExpireCondition, Expiry, Kind, Query, SetCondition, StringCommand,
};

/// Keys, or other things, looked at by one `SCAN` that does not say how many.
pub(super) const SCAN_COUNT: u64 = 10;
/// Most of them looked at by one `SCAN`.
pub(super) const MOST_SCANNED: u64 = 10_000;

pub(super) fn write(command: StringCommand, style: ReplyStyle) -> Call {
    Call::write(Command::String(command), style)
}

/// `GETRANGE key first last`
pub(super) fn get_range(command: &'static str, args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, first, last] = exactly(command, args)?;
    let style = ReplyStyle::Range {
        first: integer(first)?,
        last: integer(last)?,
    };
    let keys = vec![key(one)?];
    Ok(Call::read(Query::Get { keys }, style))
}

/// `OBJECT ENCODING|IDLETIME|REFCOUNT key`
pub(super) fn object(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([verb], rest) = at_least("object", args)?;
    let (name, style) = match &*Keyword::new(verb) {
        b"ENCODING" => ("object|encoding", ReplyStyle::Encoding),
        b"IDLETIME" => ("object|idletime", ReplyStyle::Zero),
        b"REFCOUNT" => ("object|refcount", ReplyStyle::Count),
        _ => return Err(CommandError::unknown_subcommand("OBJECT", verb)),
    };
    get_one(name, rest, style)
}

pub(super) fn expire_time(
    command: &'static str,
    args: &[Bytes],
    style: ReplyStyle,
) -> Result<Call, CommandError> {
    let [one] = exactly(command, args)?;
    Ok(Call::read(Query::ExpireTime { key: key(one)? }, style))
}

pub(super) fn keys_of(args: &[Bytes]) -> Result<Call, CommandError> {
    let [pattern] = exactly("keys", args)?;
    let pattern = key(pattern)?;
    Ok(Call::read(Query::Keys { pattern }, ReplyStyle::Full))
}

/// `SCAN cursor [MATCH pattern] [COUNT n] [TYPE string|list]`; of another type there is nothing.
pub(super) fn scan(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([cursor], rest) = at_least("scan", args)?;
    let cursor = parse_u64(cursor).ok_or(CommandError::Cursor)?;
    let (mut count, mut pattern, mut kind) = (SCAN_COUNT, None, None);
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"MATCH" => pattern = Some(key(options.value()?)?),
            b"COUNT" => count = options.number()?,
            b"TYPE" => {
                kind = Some(match &*Keyword::new(options.value()?) {
                    b"STRING" => Some(Kind::Text),
                    b"LIST" => Some(Kind::List),
                    _ => None,
                });
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    if count == 0 {
        return Err(CommandError::Syntax);
    }
    let count = count.min(MOST_SCANNED);
    let query = match kind {
        None => Query::Scan {
            cursor,
            count,
            pattern,
        },
        Some(Some(kind)) => Query::ScanOf {
            cursor,
            count,
            pattern,
            kind,
        },
        Some(None) => {
            let nothing = ConnectionCall::Fixed("*2\r\n$1\r\n0\r\n*0\r\n");
            return Ok(Call::Connection(nothing));
        }
    };
    Ok(Call::read(query, ReplyStyle::Full))
}

pub(super) fn random_key(args: &[Bytes]) -> Result<Call, CommandError> {
    let [] = exactly("randomkey", args)?;
    Ok(Call::read(Query::RandomKey { salt: 0 }, ReplyStyle::Full))
}

pub(super) fn get_set(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, new] = exactly("getset", args)?;
    let command = StringCommand::Set {
        key: key(one)?,
        value: value(new)?,
        expiry: Expiry::Never,
        condition: SetCondition::Always,
        give_old: true,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn set_many(
    command: &'static str,
    args: &[Bytes],
    if_absent: bool,
) -> Result<Call, CommandError> {
    let (pairs, []) = args.as_chunks::<2>() else {
        return Err(CommandError::Arity(command));
    };
    let pairs = pairs
        .iter()
        .map(|[one, new]| Ok((key(one)?, value(new)?)))
        .collect::<Result<_, CommandError>>()?;
    let style = if if_absent {
        ReplyStyle::Full
    } else {
        ReplyStyle::Status
    };
    Ok(write(StringCommand::SetMany { pairs, if_absent }, style))
}

pub(super) fn append(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, more] = exactly("append", args)?;
    let command = StringCommand::Append {
        key: key(one)?,
        value: value(more)?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn set_range(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, offset, part] = exactly("setrange", args)?;
    let offset = u64::try_from(integer(offset)?).map_err(|_| CommandError::Offset)?;
    let command = StringCommand::SetRange {
        key: key(one)?,
        offset,
        value: value(part)?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn add_float(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, by] = exactly("incrbyfloat", args)?;
    let text = std::str::from_utf8(by).map_err(|_| CommandError::NotAFloat)?;
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => {}
        Ok(number) if number.is_infinite() => return Err(CommandError::NotFinite),
        _ => return Err(CommandError::NotAFloat),
    }
    let command = StringCommand::AddFloat {
        key: key(one)?,
        by: by.clone(),
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn get_delete(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one] = exactly("getdel", args)?;
    let command = StringCommand::GetDelete { key: key(one)? };
    Ok(write(command, ReplyStyle::Full))
}

/// `GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]`; without an option a plain read.
pub(super) fn get_expire(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([one], rest) = at_least("getex", args)?;
    let expiry = match rest {
        [] => return get_one("getex", args, ReplyStyle::Bulk),
        [option] if *Keyword::new(option) == *b"PERSIST" => Expiry::Never,
        [option, time] => {
            let Lifetime { unit, is_end } =
                Lifetime::of(&Keyword::new(option)).ok_or(CommandError::Syntax)?;
            expiry("getex", time, unit, is_end)?
        }
        _ => return Err(CommandError::Syntax),
    };
    let command = StringCommand::GetExpire {
        key: key(one)?,
        expiry,
    };
    Ok(write(command, ReplyStyle::Full))
}

/// `EXPIRE key s [NX|XX|GT|LT]`. A time in the past deletes the key, as in Redis.
pub(super) fn expire(
    command: &'static str,
    args: &[Bytes],
    unit_ms: i64,
) -> Result<Call, CommandError> {
    let ([one, time], rest) = at_least(command, args)?;
    let (key, time) = (key(one)?, integer(time)?);
    let condition = expire_condition(rest)?;
    let ms = match time {
        1.. => lifetime_ms(command, time, unit_ms)?,
        _ => over(command, time, unit_ms)?,
    };
    Ok(match (condition, ms) {
        (ExpireCondition::Always, 0) => delete_one(key),
        (ExpireCondition::Always, ms) => set_lifetime(key, ms),
        (condition, ms) => expire_if(key, Expiry::After { ms }, condition),
    })
}

/// A lifetime that is over when it begins.
fn over(command: &'static str, time: i64, unit_ms: i64) -> Result<u64, CommandError> {
    let ms = time.checked_mul(unit_ms).map(|_| 0);
    ms.ok_or(CommandError::ExpireTime(command))
}

/// `EXPIREAT key s [NX|XX|GT|LT]`
pub(super) fn expire_at(
    command: &'static str,
    args: &[Bytes],
    unit_ms: i64,
) -> Result<Call, CommandError> {
    let ([one, time], rest) = at_least(command, args)?;
    let (key, time) = (key(one)?, integer(time)?);
    let condition = expire_condition(rest)?;
    let unix_ms = match time {
        1.. => end_ms(command, time, unit_ms)?,
        _ => over(command, time, unit_ms)?,
    };
    Ok(expire_if(key, Expiry::At { unix_ms }, condition))
}

fn expire_if(key: Bytes, expiry: Expiry, condition: ExpireCondition) -> Call {
    let command = StringCommand::Expire {
        key,
        expiry,
        condition,
    };
    write(command, ReplyStyle::Full)
}

fn expire_condition(options: &[Bytes]) -> Result<ExpireCondition, CommandError> {
    let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
    for option in options {
        match &*Keyword::new(option) {
            b"NX" => nx = true,
            b"XX" => xx = true,
            b"GT" => gt = true,
            b"LT" => lt = true,
            _ => return Err(CommandError::UnsupportedOption(quoted(option))),
        }
    }
    match (nx, xx, gt, lt) {
        (false, false, false, false) => Ok(ExpireCondition::Always),
        (true, false, false, false) => Ok(ExpireCondition::IfNone),
        (true, ..) => Err(CommandError::ExpireConditions),
        (_, _, true, true) => Err(CommandError::ExpireDirections),
        (_, _, true, false) => Ok(ExpireCondition::IfLater),
        (_, true, _, true) => Ok(ExpireCondition::IfSomeEarlier),
        (_, false, _, true) => Ok(ExpireCondition::IfEarlier),
        (_, true, false, false) => Ok(ExpireCondition::IfSome),
    }
}

pub(super) fn rename(
    command: &'static str,
    args: &[Bytes],
    if_absent: bool,
) -> Result<Call, CommandError> {
    let [from, to] = exactly(command, args)?;
    let command = StringCommand::Rename {
        from: key(from)?,
        to: key(to)?,
        if_absent,
    };
    let style = if if_absent {
        ReplyStyle::Full
    } else {
        ReplyStyle::Status
    };
    Ok(write(command, style))
}

/// `COPY from to [DB 0] [REPLACE]`
pub(super) fn copy(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([from, to], rest) = at_least("copy", args)?;
    let mut replace = false;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"REPLACE" => replace = true,
            b"DB" if number(options.value()?)? == 0 => {}
            b"DB" => return Err(CommandError::Database),
            _ => return Err(CommandError::Syntax),
        }
    }
    let command = StringCommand::Copy {
        from: key(from)?,
        to: key(to)?,
        replace,
    };
    Ok(write(command, ReplyStyle::Full))
}

/// The keys of `WATCH`.
pub(super) fn watched(args: &[Bytes]) -> Result<Vec<Bytes>, CommandError> {
    let ([], list) = list_after("watch", args)?;
    list.iter().map(key).collect()
}
