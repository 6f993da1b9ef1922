//! `LOCK.*`: locks.

use bytes::Bytes;

use super::arguments::{Options, at_least, exactly, name, number};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Command, LockCommand, LockMode, Query};

fn write(command: LockCommand) -> Call {
    Call::write(Command::Lock(command), ReplyStyle::Full)
}

pub(super) fn release(args: &[Bytes]) -> Result<Call, CommandError> {
    let [lock, session, token] = exactly("lock.release", args)?;
    Ok(write(LockCommand::Release {
        name: name(lock)?,
        session: number(session)?,
        token: number(token)?,
    }))
}

pub(super) fn cancel(args: &[Bytes]) -> Result<Call, CommandError> {
    let [lock, session] = exactly("lock.cancel", args)?;
    Ok(write(LockCommand::Cancel {
        name: name(lock)?,
        session: number(session)?,
    }))
}

pub(super) fn check(args: &[Bytes]) -> Result<Call, CommandError> {
    let [lock, token] = exactly("lock.check", args)?;
    Ok(write(LockCommand::Check {
        name: name(lock)?,
        token: number(token)?,
    }))
}

pub(super) fn info(args: &[Bytes]) -> Result<Call, CommandError> {
    let [lock] = exactly("lock.info", args)?;
    let query = Query::Lock { name: name(lock)? };
    Ok(Call::read(query, ReplyStyle::Full))
}

/// `LOCK.ACQUIRE name session [SHARED] [WAIT ms] [WAITDIE]`
pub(super) fn acquire(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([lock, session], rest) = at_least("lock.acquire", args)?;
    let mut mode = LockMode::Exclusive;
    let mut wait_ms = 0;
    let mut wait_die = false;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"SHARED" => mode = LockMode::Shared,
            b"WAIT" => wait_ms = options.number()?,
            b"WAITDIE" => wait_die = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(write(LockCommand::Acquire {
        name: name(lock)?,
        session: number(session)?,
        mode,
        wait_ms,
        wait_die,
    }))
}
