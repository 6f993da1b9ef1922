//! Lifetimes of keys: their units, the options that give them, and their bounds.

use super::arguments::integer;
use crate::protocol::command_error::CommandError;
use crate::state::command::Expiry;

/// Milliseconds in the unit of `EX`, `SETEX`, `EXPIRE`.
pub(super) const SECOND: i64 = 1000;
/// Milliseconds in the unit of `PX`, `PSETEX`, `PEXPIRE`.
pub(super) const MILLISECOND: i64 = 1;
/// Until the year 2109 such a lifetime ends at a time that 64 bits hold.
const LONGEST_LIFETIME_MS: u64 = i64::MAX as u64 - (1 << 42);

/// The option that gives a lifetime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// Milliseconds of its unit.
    pub(super) unit: i64,
    /// It says when the lifetime ends, not how long it is.
    pub(super) is_end: bool,
}

impl Lifetime {
    pub(super) fn of(option: &[u8]) -> Option<Self> {
        let (unit, is_end) = match option {
            b"EX" => (SECOND, false),
            b"PX" => (MILLISECOND, false),
            b"EXAT" => (SECOND, true),
            b"PXAT" => (MILLISECOND, true),
            _ => return None,
        };
        Some(Self { unit, is_end })
    }
}

/// A lifetime, or its end, of one millisecond or more.
pub(super) fn expiry(
    command: &'static str,
    time: &[u8],
    unit_ms: i64,
    is_end: bool,
) -> Result<Expiry, CommandError> {
    let time = integer(time)?;
    Ok(if is_end {
        let unix_ms = end_ms(command, time, unit_ms)?;
        Expiry::At { unix_ms }
    } else {
        let ms = lifetime_ms(command, time, unit_ms)?;
        Expiry::After { ms }
    })
}

/// A lifetime of one millisecond or more, whose end is a time of 64 bits.
pub(super) fn lifetime_ms(
    command: &'static str,
    time: i64,
    unit_ms: i64,
) -> Result<u64, CommandError> {
    let ms = end_ms(command, time, unit_ms)?;
    match ms <= LONGEST_LIFETIME_MS {
        true => Ok(ms),
        false => Err(CommandError::ExpireTime(command)),
    }
}

/// The end of a lifetime in Unix time, behind its beginning.
pub(super) fn end_ms(command: &'static str, time: i64, unit_ms: i64) -> Result<u64, CommandError> {
    time.checked_mul(unit_ms)
        .filter(|&ms| ms > 0)
        .and_then(|ms| u64::try_from(ms).ok())
        .ok_or(CommandError::ExpireTime(command))
}
