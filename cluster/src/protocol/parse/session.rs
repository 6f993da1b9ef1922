//! `SESSION.*`: sessions, which hold locks and order exactly-once requests.

use bytes::Bytes;

use super::arguments::{Options, at_least, exactly, number};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Command, Query, SessionCommand};

pub(super) fn keep_alive(args: &[Bytes]) -> Result<Call, CommandError> {
    let [session] = exactly("session.keepalive", args)?;
    let session = number(session)?;
    Ok(write(
        SessionCommand::KeepAlive { session },
        ReplyStyle::Full,
    ))
}

pub(super) fn close(args: &[Bytes]) -> Result<Call, CommandError> {
    let [session] = exactly("session.close", args)?;
    let session = number(session)?;
    Ok(write(SessionCommand::Close { session }, ReplyStyle::Full))
}

pub(super) fn ttl(args: &[Bytes]) -> Result<Call, CommandError> {
    let [session] = exactly("session.ttl", args)?;
    let session = number(session)?;
    Ok(Call::read(Query::Session { session }, ReplyStyle::Full))
}

fn write(command: SessionCommand, style: ReplyStyle) -> Call {
    Call::write(Command::Session(command), style)
}

/// `SESSION.OPEN ttl-ms [WITHTTL]`; with the option, the reply repeats the TTL.
pub(super) fn open(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([ttl_ms], rest) = at_least("session.open", args)?;
    let mut style = ReplyStyle::Number;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"WITHTTL" => style = ReplyStyle::Full,
            _ => return Err(CommandError::Syntax),
        }
    }
    let ttl_ms = number(ttl_ms)?;
    Ok(write(SessionCommand::Open { ttl_ms }, style))
}
