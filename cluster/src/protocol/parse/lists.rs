//! Redis's commands for lists.

use bytes::Bytes;

use super::arguments::{
    Keyword, Options, at_least, exactly, integer, key, keys, list_after, value,
};
use crate::protocol::call::{Call, FOREVER_MS, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::protocol::decimal::{parse_i64, parse_u64};
use crate::state::command::{Command, End, ListCommand, Query};

fn write(command: ListCommand, style: ReplyStyle) -> Call {
    Call::write(Command::List(command), style)
}

/// A write that waits until there is something to take.
fn waiting(command: ListCommand, style: ReplyStyle, wait_ms: u64) -> Call {
    Call::Write {
        once: None,
        command: Command::List(command),
        style,
        wait_ms,
    }
}

pub(super) fn length(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one] = exactly("llen", args)?;
    let query = Query::ListLength { key: key(one)? };
    Ok(Call::read(query, ReplyStyle::Full))
}

/// `LRANGE key first last`
pub(super) fn range(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, first, last] = exactly("lrange", args)?;
    let (first, last) = (integer(first)?, integer(last)?);
    let key = key(one)?;
    Ok(Call::read(
        Query::ListRange { key, first, last },
        ReplyStyle::Full,
    ))
}

pub(super) fn index(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, index] = exactly("lindex", args)?;
    let (key, index) = (key(one)?, integer(index)?);
    Ok(Call::read(
        Query::ListIndex { key, index },
        ReplyStyle::Full,
    ))
}

/// `LPOS key value [RANK n] [COUNT n] [MAXLEN n]`
pub(super) fn find(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([one, wanted], rest) = at_least("lpos", args)?;
    let (mut rank, mut count, mut most) = (1, None, 0);
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"RANK" => {
                rank = integer(options.value()?)?;
                if rank == 0 {
                    return Err(CommandError::Range(
                        "RANK can't be zero: use 1 to start from the first match, 2 from the \
                         second ... or use negative to start from the end of the list",
                    ));
                }
                if rank == i64::MIN {
                    return Err(CommandError::Range(
                        "value is out of range, value must between -9223372036854775807 and \
                         9223372036854775807",
                    ));
                }
            }
            b"COUNT" => count = Some(not_negative(&mut options, "COUNT can't be negative")?),
            b"MAXLEN" => most = not_negative(&mut options, "MAXLEN can't be negative")?,
            _ => return Err(CommandError::Syntax),
        }
    }
    let query = Query::ListFind {
        key: key(one)?,
        value: value(wanted)?,
        rank,
        count: count.unwrap_or(1),
        most,
    };
    let style = match count {
        Some(_) => ReplyStyle::Full,
        None => ReplyStyle::Single,
    };
    Ok(Call::read(query, style))
}

fn not_negative(options: &mut Options<'_>, why: &'static str) -> Result<u64, CommandError> {
    parse_u64(options.value()?).ok_or(CommandError::Range(why))
}

pub(super) fn push(
    command: &'static str,
    args: &[Bytes],
    end: End,
    if_present: bool,
) -> Result<Call, CommandError> {
    let ([one], values) = list_after(command, args)?;
    let command = ListCommand::Push {
        key: key(one)?,
        values: values.iter().map(value).collect::<Result<_, _>>()?,
        end,
        if_present,
    };
    Ok(write(command, ReplyStyle::Full))
}

/// `LINSERT key BEFORE|AFTER pivot value`
pub(super) fn insert(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, place, pivot, new] = exactly("linsert", args)?;
    let before = match &*Keyword::new(place) {
        b"BEFORE" => true,
        b"AFTER" => false,
        _ => return Err(CommandError::Syntax),
    };
    let command = ListCommand::Insert {
        key: key(one)?,
        before,
        pivot: value(pivot)?,
        value: value(new)?,
    };
    Ok(write(command, ReplyStyle::Number))
}

pub(super) fn set(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, index, new] = exactly("lset", args)?;
    let command = ListCommand::Set {
        key: key(one)?,
        index: integer(index)?,
        value: value(new)?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn remove(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, count, gone] = exactly("lrem", args)?;
    let command = ListCommand::Remove {
        key: key(one)?,
        count: integer(count)?,
        value: value(gone)?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn trim(args: &[Bytes]) -> Result<Call, CommandError> {
    let [one, first, last] = exactly("ltrim", args)?;
    let (first, last) = (integer(first)?, integer(last)?);
    let key = key(one)?;
    Ok(write(
        ListCommand::Trim { key, first, last },
        ReplyStyle::Full,
    ))
}

/// `LPOP key [count]`
pub(super) fn pop(command: &'static str, args: &[Bytes], end: End) -> Result<Call, CommandError> {
    let ([one], rest) = at_least(command, args)?;
    let (count, style) = match rest {
        [] => (1, ReplyStyle::Bulk),
        [count] => match parse_u64(count) {
            Some(count) => (count, ReplyStyle::Bulks),
            None => return Err(CommandError::NotPositive),
        },
        _ => return Err(CommandError::Arity(command)),
    };
    let keys = vec![key(one)?];
    Ok(write(ListCommand::Pop { keys, end, count }, style))
}

/// `LMPOP n key... LEFT|RIGHT [COUNT n]`
pub(super) fn pop_of_many(command: &'static str, args: &[Bytes]) -> Result<Call, CommandError> {
    Ok(write(pop_first(command, args)?, ReplyStyle::Full))
}

fn pop_first(command: &'static str, args: &[Bytes]) -> Result<ListCommand, CommandError> {
    let ([number], rest) = at_least(command, args)?;
    let number = parse_i64(number).filter(|number| *number > 0);
    let number = number.ok_or(CommandError::Range("numkeys should be greater than 0"))?;
    let number = usize::try_from(number).map_err(|_| CommandError::Syntax)?;
    let (list, rest) = rest.split_at_checked(number).ok_or(CommandError::Syntax)?;
    let ([side], rest) = rest.split_first_chunk().ok_or(CommandError::Syntax)?;
    let end = end(side)?;
    let count = match rest {
        [] => 1,
        [option, count] if *Keyword::new(option) == *b"COUNT" => {
            let count = parse_u64(count).filter(|count| *count > 0);
            count.ok_or(CommandError::Range("count should be greater than 0"))?
        }
        _ => return Err(CommandError::Syntax),
    };
    let keys = keys(list)?;
    Ok(ListCommand::Pop { keys, end, count })
}

fn end(side: &[u8]) -> Result<End, CommandError> {
    match &*Keyword::new(side) {
        b"LEFT" => Ok(End::Left),
        b"RIGHT" => Ok(End::Right),
        _ => Err(CommandError::Syntax),
    }
}

/// `LMOVE from to LEFT|RIGHT LEFT|RIGHT`
pub(super) fn move_value(args: &[Bytes]) -> Result<Call, CommandError> {
    let [from, to, take, put] = exactly("lmove", args)?;
    let command = moving(from, to, end(take)?, end(put)?)?;
    Ok(write(command, ReplyStyle::Bulk))
}

pub(super) fn rotate(args: &[Bytes]) -> Result<Call, CommandError> {
    let [from, to] = exactly("rpoplpush", args)?;
    let command = moving(from, to, End::Right, End::Left)?;
    Ok(write(command, ReplyStyle::Bulk))
}

fn moving(from: &Bytes, to: &Bytes, take: End, put: End) -> Result<ListCommand, CommandError> {
    let (from, to) = (key(from)?, key(to)?);
    Ok(ListCommand::Move {
        from,
        to,
        take,
        put,
    })
}

/// `BLPOP key... seconds`
pub(super) fn wait_and_pop(
    command: &'static str,
    args: &[Bytes],
    end: End,
) -> Result<Call, CommandError> {
    let Some((list, [seconds])) = args.split_last_chunk() else {
        return Err(CommandError::Arity(command));
    };
    let (wait_ms, keys) = (timeout_ms(seconds)?, keys(list)?);
    let command = ListCommand::Pop {
        keys,
        end,
        count: 1,
    };
    Ok(waiting(command, ReplyStyle::Pair, wait_ms))
}

/// `BLMPOP seconds n key... LEFT|RIGHT [COUNT n]`
pub(super) fn wait_and_pop_of_many(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([seconds], rest) = at_least("blmpop", args)?;
    let wait_ms = timeout_ms(seconds)?;
    let command = pop_first("blmpop", rest)?;
    Ok(waiting(command, ReplyStyle::Full, wait_ms))
}

/// `BLMOVE from to LEFT|RIGHT LEFT|RIGHT seconds`
pub(super) fn wait_and_move(args: &[Bytes]) -> Result<Call, CommandError> {
    let [from, to, take, put, seconds] = exactly("blmove", args)?;
    let command = moving(from, to, end(take)?, end(put)?)?;
    Ok(waiting(command, ReplyStyle::Bulk, timeout_ms(seconds)?))
}

pub(super) fn wait_and_rotate(args: &[Bytes]) -> Result<Call, CommandError> {
    let [from, to, seconds] = exactly("brpoplpush", args)?;
    let command = moving(from, to, End::Right, End::Left)?;
    Ok(waiting(command, ReplyStyle::Bulk, timeout_ms(seconds)?))
}

/// Seconds, with a fraction if need be; 0 is for ever.
fn timeout_ms(seconds: &[u8]) -> Result<u64, CommandError> {
    let text = std::str::from_utf8(seconds).map_err(|_| CommandError::Timeout)?;
    let seconds: f64 = text.parse().map_err(|_| CommandError::Timeout)?;
    if !seconds.is_finite() {
        return Err(CommandError::Timeout);
    }
    if seconds < 0.0 {
        return Err(CommandError::NegativeTimeout);
    }
    // As in Redis: rounded up, so that a wait is never none by being short.
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 {
        return Err(CommandError::Range("timeout is out of range"));
    }
    match ms as u64 {
        0 => Ok(FOREVER_MS),
        ms => Ok(ms),
    }
}
