//! From arguments to a [`Call`]: the spelling of every command.
//!
//! One file for each service. A parser checks everything that can be known without the
//! state (counts, keywords, integers, sizes), so that nothing malformed reaches the log;
//! whether a figure is sensible for the service is left to the service.

mod admin;
mod arguments;
mod cache;
mod connection;
mod lifetime;
mod listing;
mod lists;
mod lock;
mod queue;
mod scripts;
mod session;
mod strings;
mod table;

use bytes::Bytes;

use self::arguments::{Keyword, list_after, number};
use super::call::{Call, ReadMode};
use super::command_error::CommandError;
use crate::state::command::Once;

pub use self::scripts::Script;
pub use self::table::{COMMANDS, Flags, Keys, Spec};

/// Understands one command: `args` is its name, in any case, and its arguments.
pub fn parse(args: &[Bytes]) -> Result<Call, CommandError> {
    let Some((name, rest)) = args.split_first() else {
        return Err(CommandError::unknown(b"", &[]));
    };
    let spec = Spec::find(name).ok_or_else(|| CommandError::unknown(name, rest))?;
    if !spec.takes(args.len()) {
        return Err(CommandError::Arity(spec.name));
    }
    (spec.parse)(rest)
}

/// The command inside a wrapper. Another wrapper gives `nested`, without a look inside:
/// recursion as deep as a peer likes is not offered.
fn inner(args: &[Bytes], nested: CommandError) -> Result<Call, CommandError> {
    match args.first().map(|name| Keyword::new(name)).as_deref() {
        Some(b"ONCE" | b"READ") => Err(nested),
        _ => parse(args),
    }
}

/// `ONCE session sequence command...`
fn once(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([session, sequence], wrapped) = list_after("once", args)?;
    let asked = Once {
        session: number(session)?,
        sequence: number(sequence)?,
    };
    match inner(wrapped, CommandError::NotAWrite)? {
        Call::Write {
            once: None,
            command,
            style,
            wait_ms,
        } => Ok(Call::Write {
            once: Some(asked),
            command,
            style,
            wait_ms,
        }),
        _ => Err(CommandError::NotAWrite),
    }
}

/// `READ mode command...`
fn read(args: &[Bytes]) -> Result<Call, CommandError> {
    let (asked, wrapped) = read_mode("read", args)?;
    if wrapped.is_empty() {
        return Err(CommandError::Arity("read"));
    }
    match inner(wrapped, CommandError::NotARead)? {
        Call::Read {
            mode: None,
            query,
            style,
        } => Ok(Call::Read {
            mode: Some(asked),
            query,
            style,
        }),
        _ => Err(CommandError::NotARead),
    }
}

/// `LINEARIZABLE`, `LEASE`, `STALE ms` or `LOCAL`, and what follows.
fn read_mode<'a>(
    command: &'static str,
    args: &'a [Bytes],
) -> Result<(ReadMode, &'a [Bytes]), CommandError> {
    let ([mode], rest) = arguments::at_least(command, args)?;
    match &*Keyword::new(mode) {
        b"LINEARIZABLE" => Ok((ReadMode::Linearizable, rest)),
        b"LEASE" => Ok((ReadMode::Lease, rest)),
        b"LOCAL" => Ok((ReadMode::Local, rest)),
        b"STALE" => {
            let ([bound], rest) = arguments::at_least(command, rest)?;
            let bound_ms = number(bound)?;
            Ok((ReadMode::Stale { bound_ms }, rest))
        }
        _ => Err(CommandError::Syntax),
    }
}
