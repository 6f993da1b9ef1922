//! Reading arguments: how many, keywords, integers, and the sizes of names and values.
//!
//! Shared by the parsers of all services; knows no command.

use std::ops::Deref;

use bytes::Bytes;

use crate::protocol::command_error::{CommandError, quoted};
use crate::protocol::decimal::{parse_i64, parse_u64};
use crate::protocol::limits::{MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_VALUE_BYTES};

/// Longer than any name or keyword of the protocol.
const MAX_KEYWORD_BYTES: usize = 24;

/// An argument in upper case, on the stack. What is too long to be any keyword becomes
/// the empty one, which matches nothing.
pub(super) struct Keyword {
    letters: [u8; MAX_KEYWORD_BYTES],
    length: usize,
}

impl Keyword {
    pub(super) fn new(argument: &[u8]) -> Self {
        let mut letters = [0; MAX_KEYWORD_BYTES];
        let length = match letters.get_mut(..argument.len()) {
            Some(room) => {
                room.copy_from_slice(argument);
                room.make_ascii_uppercase();
                argument.len()
            }
            None => 0,
        };
        Self { letters, length }
    }
}

impl Deref for Keyword {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.letters[..self.length]
    }
}

/// The options that follow a command's fixed arguments.
pub(super) struct Options<'a> {
    rest: &'a [Bytes],
}

impl<'a> Options<'a> {
    pub(super) fn new(rest: &'a [Bytes]) -> Self {
        Self { rest }
    }

    /// The next argument, as the name of an option.
    pub(super) fn keyword(&mut self) -> Option<Keyword> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(Keyword::new(first))
    }

    /// The next argument, as the value of the option just read.
    pub(super) fn value(&mut self) -> Result<&'a Bytes, CommandError> {
        let (first, rest) = self.rest.split_first().ok_or(CommandError::Syntax)?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn number(&mut self) -> Result<u64, CommandError> {
        number(self.value()?)
    }
}

/// Exactly `N` arguments after the name of `command`.
pub(super) fn exactly<'a, const N: usize>(
    command: &'static str,
    args: &'a [Bytes],
) -> Result<&'a [Bytes; N], CommandError> {
    args.try_into().map_err(|_| CommandError::Arity(command))
}

/// At least `N` arguments after the name of `command`, and those that follow them.
pub(super) fn at_least<'a, const N: usize>(
    command: &'static str,
    args: &'a [Bytes],
) -> Result<(&'a [Bytes; N], &'a [Bytes]), CommandError> {
    args.split_first_chunk().ok_or(CommandError::Arity(command))
}

/// As [`at_least`], with one more at least.
pub(super) fn list_after<'a, const N: usize>(
    command: &'static str,
    args: &'a [Bytes],
) -> Result<(&'a [Bytes; N], &'a [Bytes]), CommandError> {
    let (fixed, list) = at_least(command, args)?;
    if list.is_empty() {
        return Err(CommandError::Arity(command));
    }
    Ok((fixed, list))
}

pub(super) fn number(argument: &[u8]) -> Result<u64, CommandError> {
    parse_u64(argument).ok_or(CommandError::NotAnInteger)
}

/// A number that fits a smaller type.
pub(super) fn small_number<T: TryFrom<u64>>(argument: &[u8]) -> Result<T, CommandError> {
    T::try_from(number(argument)?).map_err(|_| CommandError::NotAnInteger)
}

pub(super) fn integer(argument: &[u8]) -> Result<i64, CommandError> {
    parse_i64(argument).ok_or(CommandError::NotAnInteger)
}

/// The name of a lock, queue, group or producer.
pub(super) fn name(argument: &[u8]) -> Result<String, CommandError> {
    match std::str::from_utf8(argument) {
        Ok(name) if (1..=MAX_NAME_BYTES).contains(&name.len()) => Ok(name.to_owned()),
        _ => Err(CommandError::Name),
    }
}

pub(super) fn key(argument: &Bytes) -> Result<Bytes, CommandError> {
    if argument.len() > MAX_KEY_BYTES {
        return Err(CommandError::Key);
    }
    Ok(argument.clone())
}

pub(super) fn keys(arguments: &[Bytes]) -> Result<Vec<Bytes>, CommandError> {
    arguments.iter().map(key).collect()
}

/// A cache value or a message's payload.
pub(super) fn value(argument: &Bytes) -> Result<Bytes, CommandError> {
    if argument.len() > MAX_VALUE_BYTES {
        return Err(CommandError::Value);
    }
    Ok(argument.clone())
}

/// `host:port` with a host of visible characters, so that it survives in a `MOVED`.
pub(super) fn address(argument: &[u8]) -> Result<String, CommandError> {
    let valid = std::str::from_utf8(argument).ok().filter(|address| {
        address.len() <= MAX_NAME_BYTES
            && address.bytes().all(|byte| byte.is_ascii_graphic())
            && address.rsplit_once(':').is_some_and(|(host, port)| {
                crate::world::is_reachable(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
    });
    match valid {
        Some(address) => Ok(address.to_owned()),
        None => Err(CommandError::Address(quoted(argument))),
    }
}
