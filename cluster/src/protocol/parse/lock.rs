//! `LOCK.*`: locks.

use bytes::Bytes;

use super::arguments::{Options, at_least, exactly, name, number};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Command, LockCommand, LockMode, Query};

pub(super) fn parse(verb: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let command = match verb {
        b"ACQUIRE" => acquire(args)?,
        b"RELEASE" => {
            let [lock, session, token] = exactly("lock.release", args)?;
            LockCommand::Release {
                name: name(lock)?,
                session: number(session)?,
                token: number(token)?,
            }
        }
        b"CANCEL" => {
            let [lock, session] = exactly("lock.cancel", args)?;
            LockCommand::Cancel {
                name: name(lock)?,
                session: number(session)?,
            }
        }
        b"CHECK" => {
            let [lock, token] = exactly("lock.check", args)?;
            LockCommand::Check {
                name: name(lock)?,
                token: number(token)?,
            }
        }
        b"INFO" => {
            let [lock] = exactly("lock.info", args)?;
            let query = Query::Lock { name: name(lock)? };
            return Ok(Some(Call::read(query, ReplyStyle::Full)));
        }
        _ => return Ok(None),
    };
    Ok(Some(Call::write(Command::Lock(command), ReplyStyle::Full)))
}

/// `LOCK.ACQUIRE name session [SHARED] [WAIT ms] [WAITDIE]`
fn acquire(args: &[Bytes]) -> Result<LockCommand, CommandError> {
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
    Ok(LockCommand::Acquire {
        name: name(lock)?,
        session: number(session)?,
        mode,
        wait_ms,
        wait_die,
    })
}
