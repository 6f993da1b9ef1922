//! `SESSION.*`: sessions, which hold locks and order exactly-once requests.

use bytes::Bytes;

use super::arguments::{Options, at_least, exactly, number};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Command, Query, SessionCommand};

pub(super) fn parse(verb: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let (command, style) = match verb {
        b"OPEN" => open(args)?,
        b"KEEPALIVE" => {
            let [session] = exactly("session.keepalive", args)?;
            let session = number(session)?;
            (SessionCommand::KeepAlive { session }, ReplyStyle::Full)
        }
        b"CLOSE" => {
            let [session] = exactly("session.close", args)?;
            let session = number(session)?;
            (SessionCommand::Close { session }, ReplyStyle::Full)
        }
        b"TTL" => {
            let [session] = exactly("session.ttl", args)?;
            let session = number(session)?;
            return Ok(Some(Call::read(
                Query::Session { session },
                ReplyStyle::Full,
            )));
        }
        _ => return Ok(None),
    };
    Ok(Some(Call::write(Command::Session(command), style)))
}

/// `SESSION.OPEN ttl-ms [WITHTTL]`; with the option, the reply repeats the TTL.
fn open(args: &[Bytes]) -> Result<(SessionCommand, ReplyStyle), CommandError> {
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
    Ok((SessionCommand::Open { ttl_ms }, style))
}
