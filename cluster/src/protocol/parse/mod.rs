//! From arguments to a [`Call`]: the spelling of every command.
//!
//! One file for each service. A parser checks everything that can be known without the
//! state (counts, keywords, integers, sizes), so that nothing malformed reaches the log;
//! whether a figure is sensible for the service is left to the service.

mod admin;
mod arguments;
mod cache;
mod connection;
mod lock;
mod queue;
mod session;

use bytes::Bytes;

use self::arguments::{Keyword, list_after, number};
use super::call::{Call, ReadMode};
use super::command_error::CommandError;
use crate::state::command::Once;

/// Every command a node knows, in the order of the files here.
#[rustfmt::skip]
pub const COMMAND_NAMES: &[&str] = &[
    "ONCE", "READ",
    "RAFT.STATUS", "RAFT.ADD", "RAFT.REMOVE", "RAFT.REPLACE", "RAFT.TRANSFER",
    "RAFT.SNAPSHOT", "RAFT.DIGEST", "RAFT.INIT", "SHUTDOWN",
    "GET", "MGET", "EXISTS", "TYPE", "TTL", "PTTL", "DBSIZE",
    "SET", "SETNX", "SETEX", "PSETEX", "DEL", "UNLINK",
    "INCR", "DECR", "INCRBY", "DECRBY",
    "EXPIRE", "PEXPIRE", "PERSIST", "FLUSHALL", "FLUSHDB",
    "CACHE.GETV", "CACHE.MGETV", "CACHE.PUT", "CACHE.CAS", "CACHE.INCRBY",
    "CACHE.TRACK",
    "PING", "ECHO", "QUIT", "HELLO", "SELECT", "CLIENT", "COMMAND", "CONFIG",
    "READONLY", "READWRITE", "CONSISTENCY", "INFO", "CLUSTER", "TIME",
    "LOCK.ACQUIRE", "LOCK.RELEASE", "LOCK.CANCEL", "LOCK.CHECK", "LOCK.INFO",
    "QUEUE.CREATE", "QUEUE.PUBLISH", "QUEUE.PUBLISHBATCH", "QUEUE.PUBLISHEACH",
    "QUEUE.RECEIVE", "QUEUE.ACK", "QUEUE.NACK", "QUEUE.EXTEND", "QUEUE.PURGE",
    "QUEUE.INFO",
    "SESSION.OPEN", "SESSION.KEEPALIVE", "SESSION.CLOSE", "SESSION.TTL",
];

/// Understands one command: `args` is its name, in any case, and its arguments.
pub fn parse(args: &[Bytes]) -> Result<Call, CommandError> {
    let Some((name, rest)) = args.split_first() else {
        return Err(CommandError::unknown(b"", &[]));
    };
    match &*Keyword::new(name) {
        b"ONCE" => once(rest),
        b"READ" => read(rest),
        keyword => plain(keyword, rest)?.ok_or_else(|| CommandError::unknown(name, rest)),
    }
}

/// The command inside a wrapper. Another wrapper gives `nested`, without a look inside:
/// recursion as deep as a peer likes is not offered.
fn inner(args: &[Bytes], nested: CommandError) -> Result<Call, CommandError> {
    match args.first().map(|name| Keyword::new(name)).as_deref() {
        Some(b"ONCE" | b"READ") => Err(nested),
        _ => parse(args),
    }
}

/// A command without a wrapper; `None` when there is none of that name.
fn plain(name: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    if let Some(verb) = name.strip_prefix(b"CACHE.") {
        cache::parse_own(verb, args)
    } else if let Some(verb) = name.strip_prefix(b"LOCK.") {
        lock::parse(verb, args)
    } else if let Some(verb) = name.strip_prefix(b"QUEUE.") {
        queue::parse(verb, args)
    } else if let Some(verb) = name.strip_prefix(b"SESSION.") {
        session::parse(verb, args)
    } else if let Some(verb) = name.strip_prefix(b"RAFT.") {
        admin::parse(verb, args)
    } else if let Some(call) = cache::parse(name, args)? {
        Ok(Some(call))
    } else {
        connection::parse(name, args)
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
