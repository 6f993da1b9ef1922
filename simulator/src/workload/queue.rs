//! Queue clients: producers publish, consumers receive and acknowledge.

use rand::RngExt;
use squall_cluster::state::command::{Command, Delivery, NewMessage, QueueCommand};
use squall_cluster::world::World;

use super::{Caller, Over, payload, value_of};
use crate::history::{Action, Delivered, Outcome};
use crate::plan::{Pacing, WorkloadKind};

/// Messages asked for at a time.
const PREFETCH: u32 = 10;
/// How long a receive waits for a message.
const POLL_MS: u64 = 500;

pub(super) async fn produce<W: World>(mut caller: Caller<W>) {
    // Ends when the workload is over.
    while publish_one(&mut caller).await.is_ok() {}
}

async fn publish_one<W: World>(caller: &mut Caller<W>) -> Result<(), Over> {
    let intended_us = caller.next().await?;
    let queue = pick_queue(caller);
    let bytes = caller.shared.plan.payload_bytes;
    let value = caller.fresh_value();
    let (action, command) = publish(&queue, &value, bytes);
    caller.write(intended_us, action, command, 0).await;
    Ok(())
}

pub(super) async fn consume<W: World>(mut caller: Caller<W>) {
    let WorkloadKind::Queue { visibility_ms, .. } = caller.shared.plan.kind else {
        unreachable!("a consumer has a queue workload")
    };
    if let Pacing::Open { .. } = caller.shared.plan.pacing {
        // The rate is the producers'; consumers take what there is.
        caller.pace = super::Pace::Closed {
            think_min: std::time::Duration::ZERO,
            think_max: std::time::Duration::ZERO,
        };
    }
    while !caller.setting.is_stopped() {
        caller.pause().await;
        let queue = pick_queue(&mut caller);
        let action = Action::Receive {
            queue: queue.clone(),
            max: PREFETCH,
            visibility_ms,
            wait_ms: POLL_MS,
        };
        let command = Command::Queue(QueueCommand::Receive {
            queue: queue.clone(),
            count: PREFETCH,
            visibility_ms: Some(visibility_ms),
        });
        if let Outcome::Received { messages } = caller.write(None, action, command, POLL_MS).await {
            for message in messages {
                let (action, command) = ack(&queue, &message);
                caller.write(None, action, command, 0).await;
            }
        }
    }
}

fn pick_queue<W: World>(caller: &mut Caller<W>) -> String {
    let WorkloadKind::Queue { queues, .. } = caller.shared.plan.kind else {
        unreachable!("a queue client has a queue workload")
    };
    let number = caller.rng.random_range(0..queues.max(1));
    queue_name(&caller.shared.plan.name, number)
}

/// Workloads do not share queues.
pub(super) fn queue_name(workload: &str, number: u64) -> String {
    format!("{workload}-{number}")
}

pub(super) fn publish(queue: &str, value: &str, bytes: u64) -> (Action, Command) {
    let action = Action::Publish {
        queue: queue.into(),
        value: value.into(),
        bytes,
    };
    let command = Command::Queue(QueueCommand::Publish {
        queue: queue.into(),
        messages: vec![NewMessage {
            payload: payload(value, bytes),
            delay_ms: 0,
            priority: 0,
            group: None,
            dedup: None,
        }],
    });
    (action, command)
}

pub(super) fn ack(queue: &str, message: &Delivered) -> (Action, Command) {
    let action = Action::Ack {
        queue: queue.into(),
        receipt: message.receipt,
        value: message.value.clone(),
    };
    let command = Command::Queue(QueueCommand::Ack {
        queue: queue.into(),
        receipts: vec![message.receipt],
    });
    (action, command)
}

pub(super) fn delivered(delivery: &Delivery) -> Delivered {
    Delivered {
        id: delivery.id,
        receipt: delivery.receipt,
        deliveries: delivery.deliveries,
        value: value_of(&delivery.payload),
    }
}
