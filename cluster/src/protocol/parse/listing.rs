//! `QUEUE.SCAN`, `LOCK.SCAN`, `SESSION.SCAN`: what there is, step by step, for operators.

use bytes::Bytes;

use super::arguments::{Options, at_least, key};
use super::strings::{MOST_SCANNED, SCAN_COUNT};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::protocol::reply::{CURSOR_BEHIND, CURSOR_START};
use crate::state::command::{Listing, Query};

/// `QUEUE.SCAN cursor [MATCH pattern] [COUNT n]`, and the same of locks, with `[HELD]`, and of
/// sessions.
pub(super) fn scan(
    command: &'static str,
    args: &[Bytes],
    mut of: Listing,
) -> Result<Call, CommandError> {
    let ([cursor], rest) = at_least(command, args)?;
    let after = behind(cursor)?;
    let (mut count, mut pattern) = (SCAN_COUNT, None);
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match (&*option, &mut of) {
            (b"MATCH", _) => pattern = Some(key(options.value()?)?),
            (b"COUNT", _) => count = options.number()?,
            (b"HELD", Listing::Locks { held }) => *held = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    if count == 0 {
        return Err(CommandError::Syntax);
    }
    let query = Query::List {
        of,
        after,
        count: count.min(MOST_SCANNED),
        pattern,
    };
    Ok(Call::read(query, ReplyStyle::Full))
}

/// The name that a cursor stands behind; none at the beginning.
fn behind(cursor: &Bytes) -> Result<Option<Bytes>, CommandError> {
    if cursor == CURSOR_START {
        return Ok(None);
    }
    match cursor.split_first() {
        Some((&CURSOR_BEHIND, _)) => Ok(Some(key(&cursor.slice(1..))?)),
        _ => Err(CommandError::Cursor),
    }
}
