//! Queue clients: producers publish, consumers receive and acknowledge.
//!
//! As the workload's mix says, messages come in batches, delayed, with priorities or in
//! groups, a publish without an answer is sent again, and consumers take their time, give
//! messages back, or forget them.

use std::time::Duration;

use rand::RngExt;
use squall_cluster::state::command::{
    Command, Delivery, NewMessage, Query, QueueCommand, QueueInfo, QueueSettings,
};
use squall_world::World;

use super::{Caller, Over, Pace, payload, random_duration, sometimes, value_of};
use squall_history::{Action, Delivered, Outcome};
use squall_plan::plan::{ExactlyOnce, Pacing, QueueMix, WorkloadKind};

/// How long a receive waits for a message.
const POLL_MS: u64 = 500;

pub(super) async fn produce<W: World>(mut caller: Caller<W>) {
    let WorkloadKind::Queue { mix, .. } = caller.shared.plan.kind.clone() else {
        unreachable!("a producer has a queue workload")
    };
    if mix.max_depth > 0 || mix.max_deliveries > 0 {
        configure(&mut caller, &mix).await;
    }
    // Ends when the workload is over.
    while publish_one(&mut caller, &mix).await.is_ok() {}
}

/// Every producer does it before it publishes: the same settings again change nothing.
async fn configure<W: World>(caller: &mut Caller<W>, mix: &QueueMix) {
    let queue = pick_queue(caller);
    let max_deliveries = u32::try_from(mix.max_deliveries).expect("a scenario's limit is small");
    let settings = QueueSettings {
        max_depth: mix.max_depth,
        max_deliveries,
        ..QueueSettings::default()
    };
    let mut outcome = Outcome::NotGranted;
    while outcome != Outcome::Configured && !caller.setting.is_stopped() {
        let action = Action::Configure {
            queue: queue.clone(),
            max_depth: mix.max_depth,
            max_deliveries,
        };
        let command = Command::Queue(QueueCommand::Configure {
            queue: queue.clone(),
            settings: settings.clone(),
        });
        outcome = caller.write(None, action, command, 0).await;
    }
}

async fn publish_one<W: World>(caller: &mut Caller<W>, mix: &QueueMix) -> Result<(), Over> {
    let intended_us = caller.next().await?;
    let queue = pick_queue(caller);
    let bytes = caller.payload_bytes();
    let is_plain = mix.batch == 1 && mix.delayed_ppm == 0 && mix.priorities == 1 && mix.groups == 0;
    let (action, mut command) = match is_plain {
        true => publish(&queue, &caller.fresh_value(), bytes),
        false => publish_batch(caller, &queue, bytes, mix),
    };
    let once = match mix.exactly_once {
        None => {
            let outcome = caller.write(intended_us, action, command, 0).await;
            published(caller, &outcome);
            return Ok(());
        }
        Some(ExactlyOnce::Session) => match caller.next_once().await {
            None => return Ok(()),
            once => once,
        },
        Some(ExactlyOnce::Dedup) => {
            number(caller, &mut command);
            None
        }
    };
    let retries = mix.retries;
    let outcome = caller
        .write_once(intended_us, action, command, once, retries)
        .await;
    published(caller, &outcome);
    Ok(())
}

fn published<W: World>(caller: &Caller<W>, outcome: &Outcome) {
    caller.shared.limited.published(match outcome {
        Outcome::Published { .. } => 1,
        Outcome::PublishedBatch { ids } => ids.len() as u64,
        _ => 0,
    });
}

/// Gives each message of a publish its sequence: the number in its value, which rises.
fn number<W: World>(caller: &Caller<W>, command: &mut Command) {
    let Command::Queue(QueueCommand::Publish { messages, .. }) = command else {
        unreachable!("only publishes are numbered")
    };
    let first = caller.written + 1 - messages.len() as u64;
    for (sequence, message) in (first..).zip(messages) {
        message.dedup = Some((caller.name.clone(), sequence));
    }
}

pub(super) async fn consume<W: World>(mut caller: Caller<W>) {
    let WorkloadKind::Queue {
        visibility_ms, mix, ..
    } = caller.shared.plan.kind.clone()
    else {
        unreachable!("a consumer has a queue workload")
    };
    if let Pacing::Open { .. } = caller.shared.plan.pacing {
        // The rate is the producers'; consumers take what there is.
        caller.pace = Pace::Closed {
            think_min: Duration::ZERO,
            think_max: Duration::ZERO,
        };
    }
    while !caller.setting.is_stopped() {
        caller.pause().await;
        let queue = pick_queue(&mut caller);
        let count = u32::try_from(mix.prefetch).expect("a scenario's prefetch is small");
        let (action, command) = receive(&queue, count, visibility_ms, POLL_MS);
        if let Outcome::Received { messages } = caller.write(None, action, command, POLL_MS).await {
            caller.shared.limited.received(messages.len());
            for message in messages {
                settle(&mut caller, &queue, &message, &mix).await;
            }
        }
    }
}

/// Works on a message, and says what became of it.
async fn settle<W: World>(
    caller: &mut Caller<W>,
    queue: &str,
    message: &Delivered,
    mix: &QueueMix,
) {
    if mix.work_max_us > 0 {
        let [min, max] = [mix.work_min_us, mix.work_max_us].map(Duration::from_micros);
        W::sleep(random_duration(&mut caller.rng, min, max)).await;
    }
    if sometimes(&mut caller.rng, mix.crash_ppm) {
        return;
    }
    let (action, command) = match sometimes(&mut caller.rng, mix.nack_ppm) {
        true => nack(queue, message),
        false => ack(queue, message),
    };
    let is_ack = matches!(action, Action::Ack { .. });
    let outcome = caller.write(None, action, command, 0).await;
    if is_ack && outcome == (Outcome::Settled { valid: true }) {
        caller.shared.limited.consumed();
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

fn publish_batch<W: World>(
    caller: &mut Caller<W>,
    queue: &str,
    bytes: u64,
    mix: &QueueMix,
) -> (Action, Command) {
    let count = caller.rng.random_range(1..=mix.batch);
    let values: Vec<String> = (0..count).map(|_| caller.fresh_value()).collect();
    let delay_ms = match sometimes(&mut caller.rng, mix.delayed_ppm) {
        true => mix.delay_ms,
        false => 0,
    };
    let priority = caller.rng.random_range(0..mix.priorities);
    let group = match mix.groups {
        0 => None,
        groups => Some(format!("g{}", caller.rng.random_range(0..groups))),
    };
    let messages = values.iter().map(|value| NewMessage {
        payload: payload(value, bytes),
        delay_ms,
        priority: u8::try_from(priority).expect("a scenario has at most 256 priorities"),
        group: group.clone(),
        dedup: None,
    });
    let command = Command::Queue(QueueCommand::Publish {
        queue: queue.into(),
        messages: messages.collect(),
    });
    let action = Action::PublishBatch {
        queue: queue.into(),
        values,
        bytes,
        delay_ms,
        priority,
        group,
    };
    (action, command)
}

pub(super) fn receive(
    queue: &str,
    count: u32,
    visibility_ms: u64,
    wait_ms: u64,
) -> (Action, Command) {
    let action = Action::Receive {
        queue: queue.into(),
        max: count,
        visibility_ms,
        wait_ms,
    };
    let command = Command::Queue(QueueCommand::Receive {
        queue: queue.into(),
        count,
        visibility_ms: Some(visibility_ms),
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

fn nack(queue: &str, message: &Delivered) -> (Action, Command) {
    let action = Action::Nack {
        queue: queue.into(),
        receipt: message.receipt,
        value: message.value.clone(),
        delay_ms: 0,
    };
    let command = Command::Queue(QueueCommand::Nack {
        queue: queue.into(),
        receipt: message.receipt,
        delay_ms: 0,
    });
    (action, command)
}

pub(super) fn depth(queue: &str) -> (Action, Query) {
    let queue = queue.to_owned();
    (
        Action::Depth {
            queue: queue.clone(),
        },
        Query::Queue { queue },
    )
}

/// What a queue holds, in the terms of the history; one that never was is empty.
pub(super) fn depth_of(info: Option<QueueInfo>) -> Outcome {
    let info = info.unwrap_or_default();
    Outcome::Depth {
        ready: info.ready,
        in_flight: info.in_flight,
        delayed: info.delayed,
    }
}

pub(super) fn delivered(delivery: &Delivery) -> Delivered {
    Delivered {
        id: delivery.id,
        receipt: delivery.receipt,
        deliveries: delivery.deliveries,
        value: value_of(&delivery.payload),
    }
}
