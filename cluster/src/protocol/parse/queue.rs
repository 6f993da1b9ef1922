//! `QUEUE.*`: queues.

use bytes::Bytes;

use super::arguments::{Options, at_least, exactly, list_after, name, number, small_number, value};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Command, NewMessage, Query, QueueCommand, QueueSettings};
use crate::state::{LARGEST_BATCH, LONGEST_MS};

pub(super) fn publish(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], message_args) = list_after("queue.publish", args)?;
    let command = QueueCommand::Publish {
        queue: name(queue)?,
        messages: vec![message(message_args)?],
    };
    Ok(write(command, ReplyStyle::Single))
}

pub(super) fn publish_batch(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], payloads) = list_after("queue.publishbatch", args)?;
    let command = QueueCommand::Publish {
        queue: name(queue)?,
        messages: payloads
            .iter()
            .map(plain_message)
            .collect::<Result<_, _>>()?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn ack(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], receipts) = list_after("queue.ack", args)?;
    let command = QueueCommand::Ack {
        queue: name(queue)?,
        receipts: receipts
            .iter()
            .map(|receipt| number(receipt))
            .collect::<Result<_, _>>()?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn extend(args: &[Bytes]) -> Result<Call, CommandError> {
    let [queue, receipt, visibility_ms] = exactly("queue.extend", args)?;
    let command = QueueCommand::Extend {
        queue: name(queue)?,
        receipt: number(receipt)?,
        visibility_ms: number(visibility_ms)?,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn purge(args: &[Bytes]) -> Result<Call, CommandError> {
    let [queue] = exactly("queue.purge", args)?;
    let command = QueueCommand::Purge {
        queue: name(queue)?,
    };
    Ok(write(command, ReplyStyle::Full))
}

/// `QUEUE.DELETE name [IFEMPTY]`
pub(super) fn delete(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], rest) = at_least("queue.delete", args)?;
    let mut if_empty = false;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"IFEMPTY" => if_empty = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    let command = QueueCommand::Delete {
        queue: name(queue)?,
        if_empty,
    };
    Ok(write(command, ReplyStyle::Full))
}

/// `QUEUE.REDRIVE from to [COUNT n]`
pub(super) fn redrive(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([from, to], rest) = at_least("queue.redrive", args)?;
    let mut count = LARGEST_BATCH as u32;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"COUNT" => count = small_number(options.value()?)?,
            _ => return Err(CommandError::Syntax),
        }
    }
    if from == to {
        return Err(CommandError::SameQueue);
    }
    let command = QueueCommand::Redrive {
        from: name(from)?,
        to: name(to)?,
        count,
    };
    Ok(write(command, ReplyStyle::Full))
}

pub(super) fn info(args: &[Bytes]) -> Result<Call, CommandError> {
    let [queue] = exactly("queue.info", args)?;
    let query = Query::Queue {
        queue: name(queue)?,
    };
    Ok(Call::read(query, ReplyStyle::Full))
}

fn write(command: QueueCommand, style: ReplyStyle) -> Call {
    Call::write(Command::Queue(command), style)
}

/// `QUEUE.CREATE name [MAXDEPTH n] [MAXDELIVERIES n] [DEADLETTER q] [VISIBILITY ms]`
pub(super) fn create(args: &[Bytes]) -> Result<Call, CommandError> {
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
    let command = QueueCommand::Configure {
        queue: name(queue)?,
        settings,
    };
    Ok(write(command, ReplyStyle::Full))
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
pub(super) fn publish_each(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], mut rest) = list_after("queue.publisheach", args)?;
    let mut messages = Vec::new();
    while let Some((count, after)) = rest.split_first() {
        let count = small_number(count)?;
        let (message_args, others) = after.split_at_checked(count).ok_or(CommandError::Syntax)?;
        messages.push(message(message_args)?);
        rest = others;
    }
    let command = QueueCommand::Publish {
        queue: name(queue)?,
        messages,
    };
    Ok(write(command, ReplyStyle::Full))
}

/// `QUEUE.RECEIVE name [COUNT n] [VISIBILITY ms] [WAIT ms]`
pub(super) fn receive(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue], rest) = at_least("queue.receive", args)?;
    let mut count = 1;
    let mut visibility_ms = None;
    let mut wait_ms = 0;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"COUNT" => count = small_number(options.value()?)?,
            b"VISIBILITY" => visibility_ms = Some(options.number()?),
            b"WAIT" => {
                wait_ms = options.number()?;
                if wait_ms > LONGEST_MS {
                    return Err(CommandError::OutOfRange);
                }
            }
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
pub(super) fn nack(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([queue, receipt], rest) = at_least("queue.nack", args)?;
    let mut delay_ms = 0;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"DELAY" => delay_ms = options.number()?,
            _ => return Err(CommandError::Syntax),
        }
    }
    let command = QueueCommand::Nack {
        queue: name(queue)?,
        receipt: number(receipt)?,
        delay_ms,
    };
    Ok(write(command, ReplyStyle::Full))
}
