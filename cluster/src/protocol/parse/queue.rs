//! `QUEUE.*`: queues.

use bytes::Bytes;

use super::arguments::{Options, at_least, exactly, list_after, name, number, small_number, value};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Command, NewMessage, Query, QueueCommand, QueueSettings};

pub(super) fn parse(verb: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let command = match verb {
        b"CREATE" => create(args)?,
        b"PUBLISH" => {
            let ([queue], message_args) = list_after("queue.publish", args)?;
            let command = QueueCommand::Publish {
                queue: name(queue)?,
                messages: vec![message(message_args)?],
            };
            return Ok(Some(write(command, ReplyStyle::Single)));
        }
        b"PUBLISHBATCH" => {
            let ([queue], payloads) = list_after("queue.publishbatch", args)?;
            QueueCommand::Publish {
                queue: name(queue)?,
                messages: payloads
                    .iter()
                    .map(plain_message)
                    .collect::<Result<_, _>>()?,
            }
        }
        b"PUBLISHEACH" => publish_each(args)?,
        b"RECEIVE" => return receive(args).map(Some),
        b"ACK" => {
            let ([queue], receipts) = list_after("queue.ack", args)?;
            QueueCommand::Ack {
                queue: name(queue)?,
                receipts: receipts
                    .iter()
                    .map(|receipt| number(receipt))
                    .collect::<Result<_, _>>()?,
            }
        }
        b"NACK" => nack(args)?,
        b"EXTEND" => {
            let [queue, receipt, visibility_ms] = exactly("queue.extend", args)?;
            QueueCommand::Extend {
                queue: name(queue)?,
                receipt: number(receipt)?,
                visibility_ms: number(visibility_ms)?,
            }
        }
        b"PURGE" => {
            let [queue] = exactly("queue.purge", args)?;
            QueueCommand::Purge {
                queue: name(queue)?,
            }
        }
        b"INFO" => {
            let [queue] = exactly("queue.info", args)?;
            let query = Query::Queue {
                queue: name(queue)?,
            };
            return Ok(Some(Call::read(query, ReplyStyle::Full)));
        }
        _ => return Ok(None),
    };
    Ok(Some(write(command, ReplyStyle::Full)))
}

fn write(command: QueueCommand, style: ReplyStyle) -> Call {
    Call::write(Command::Queue(command), style)
}

/// `QUEUE.CREATE name [MAXDEPTH n] [MAXDELIVERIES n] [DEADLETTER q] [VISIBILITY ms]`
fn create(args: &[Bytes]) -> Result<QueueCommand, CommandError> {
    let ([queue], rest) = at_least("queue.create", args)?;
    let mut settings = QueueSettings::default();
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"MAXDEPTH" => settings.max_depth = options.number()?,
            b"MAXDELIVERIES" => settings.max_deliveries = small_number(options.value()?)?,
            b"DEADLETTER" => settings.dead_letter = Some(name(options.value()?)?),
            b"VISIBILITY" => settings.visibility_ms = options.number()?,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(QueueCommand::Configure {
        queue: name(queue)?,
        settings,
    })
}

/// `payload [DELAY ms] [PRIORITY 0-255] [GROUP g] [DEDUP producer sequence]`
fn message(args: &[Bytes]) -> Result<NewMessage, CommandError> {
    let (payload, rest) = args.split_first().ok_or(CommandError::Syntax)?;
    let mut message = plain_message(payload)?;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"DELAY" => message.delay_ms = options.number()?,
            b"PRIORITY" => message.priority = small_number(options.value()?)?,
            b"GROUP" => message.group = Some(name(options.value()?)?),
            b"DEDUP" => message.dedup = Some((name(options.value()?)?, options.number()?)),
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(message)
}

fn plain_message(payload: &Bytes) -> Result<NewMessage, CommandError> {
    Ok(NewMessage {
        payload: value(payload)?,
        delay_ms: 0,
        priority: 0,
        group: None,
        dedup: None,
    })
}

/// `QUEUE.PUBLISHEACH name (n payload [option ...]) ...`: a batch in which each message
/// has options of its own; `n` counts the payload and the options after it.
fn publish_each(args: &[Bytes]) -> Result<QueueCommand, CommandError> {
    let ([queue], mut rest) = list_after("queue.publisheach", args)?;
    let mut messages = Vec::new();
    while let Some((count, after)) = rest.split_first() {
        let count = small_number(count)?;
        let (message_args, others) = after.split_at_checked(count).ok_or(CommandError::Syntax)?;
        messages.push(message(message_args)?);
        rest = others;
    }
    Ok(QueueCommand::Publish {
        queue: name(queue)?,
        messages,
    })
}

/// `QUEUE.RECEIVE name [COUNT n] [VISIBILITY ms] [WAIT ms]`
fn receive(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], rest) = at_least("queue.receive", args)?;
    let mut count = 1;
    let mut visibility_ms = None;
    let mut wait_ms = 0;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"COUNT" => count = small_number(options.value()?)?,
            b"VISIBILITY" => visibility_ms = Some(options.number()?),
            b"WAIT" => wait_ms = options.number()?,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(Call::Write {
        once: None,
        command: Command::Queue(QueueCommand::Receive {
            queue: name(queue)?,
            count,
            visibility_ms,
        }),
        style: ReplyStyle::Full,
        wait_ms,
    })
}

/// `QUEUE.NACK name receipt [DELAY ms]`
fn nack(args: &[Bytes]) -> Result<QueueCommand, CommandError> {
    let ([queue, receipt], rest) = at_least("queue.nack", args)?;
    let mut delay_ms = 0;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"DELAY" => delay_ms = options.number()?,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(QueueCommand::Nack {
        queue: name(queue)?,
        receipt: number(receipt)?,
        delay_ms,
    })
}
