//! Turns operations on queues into requests to a node, and its replies into outcomes.

use bytes::Bytes;
use squall_cluster::state::command::{
    Command, Delivery, NewMessage, Query, QueueCommand, QueueInfo, QueueSettings, Reply,
};

use crate::asked::{Asked, payload, value_of};
use squall_history::{Action, Delivered, Outcome};

/// What a node is asked; a publish may have a producer and the number of its first message.
pub(crate) fn asked(action: &Action, producer: Option<(&str, u64)>) -> Asked {
    Asked::Write(Command::Queue(match action {
        Action::Publish {
            queue,
            value,
            bytes,
        } => QueueCommand::Publish {
            queue: queue.clone(),
            messages: vec![message(payload(value, *bytes), numbered(producer, 0))],
        },
        Action::PublishBatch {
            queue,
            values,
            bytes,
            delay_ms,
            priority,
            group,
        } => QueueCommand::Publish {
            queue: queue.clone(),
            messages: (values.iter().enumerate())
                .map(|(nth, value)| NewMessage {
                    delay_ms: *delay_ms,
                    priority: u8::try_from(*priority).expect("at most 256 priorities"),
                    group: group.clone(),
                    ..message(payload(value, *bytes), numbered(producer, nth as u64))
                })
                .collect(),
        },
        Action::Configure {
            queue,
            max_depth,
            max_deliveries,
        } => QueueCommand::Configure {
            queue: queue.clone(),
            settings: QueueSettings {
                max_depth: *max_depth,
                max_deliveries: *max_deliveries,
                ..QueueSettings::default()
            },
        },
        Action::Receive {
            queue,
            max,
            visibility_ms,
            ..
        } => QueueCommand::Receive {
            queue: queue.clone(),
            count: *max,
            visibility_ms: Some(*visibility_ms),
        },
        Action::Ack { queue, receipt, .. } => QueueCommand::Ack {
            queue: queue.clone(),
            receipts: vec![*receipt],
        },
        Action::Nack {
            queue,
            receipt,
            delay_ms,
            ..
        } => QueueCommand::Nack {
            queue: queue.clone(),
            receipt: *receipt,
            delay_ms: *delay_ms,
        },
        Action::Depth { queue } => {
            let queue = queue.clone();
            return Asked::Read(None, Query::Queue { queue });
        }
        other => unreachable!("the queue service is not asked {other:?}"),
    }))
}

fn message(payload: Bytes, dedup: Option<(String, u64)>) -> NewMessage {
    NewMessage {
        payload,
        delay_ms: 0,
        priority: 0,
        group: None,
        dedup,
    }
}

fn numbered(producer: Option<(&str, u64)>, nth: u64) -> Option<(String, u64)> {
    producer.map(|(name, first)| (name.to_owned(), first + nth))
}

/// What a reply says in the terms of the history; back if it answers something else.
pub(crate) fn answer(action: &Action, reply: Reply) -> Result<Outcome, Reply> {
    Ok(match (reply, action) {
        (Reply::Published { ids }, Action::PublishBatch { values, .. })
            if values.len() == ids.len() =>
        {
            Outcome::PublishedBatch { ids }
        }
        (Reply::Published { ids }, Action::Publish { .. }) if ids.len() == 1 => {
            Outcome::Published { id: ids[0] }
        }
        (Reply::Done, Action::Configure { .. }) => Outcome::Configured,
        (Reply::QueueInfo(info), _) => depth_of(info),
        (Reply::Messages(messages), _) => Outcome::Received {
            messages: messages.iter().map(delivered).collect(),
        },
        (Reply::Settled(count), _) => Outcome::Settled { valid: count > 0 },
        (other, _) => return Err(other),
    })
}

/// What a queue holds; one that never was is empty.
fn depth_of(info: Option<QueueInfo>) -> Outcome {
    let info = info.unwrap_or_default();
    Outcome::Depth {
        ready: info.ready,
        in_flight: info.in_flight,
        delayed: info.delayed,
    }
}

fn delivered(delivery: &Delivery) -> Delivered {
    Delivered {
        id: delivery.id,
        receipt: delivery.receipt,
        deliveries: delivery.deliveries,
        value: value_of(&delivery.payload),
    }
}
