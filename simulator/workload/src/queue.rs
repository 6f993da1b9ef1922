//! Queues: producers publish, consumers receive and acknowledge.
//!
//! As the workload's mix says, messages come in batches, delayed, with priorities or in
//! groups, a publish without an answer is sent again, and consumers take their time, give
//! messages back, or forget them. The audit drains every queue until the cluster itself says
//! that it is empty.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use squall_cluster::state::command::{
    Command, Delivery, NewMessage, Query, QueueCommand, QueueInfo, QueueSettings, Reply,
};

use super::asked::{Asked, payload, value_of};
use super::driver::Extras;
use super::service::{Probe, Role, Service};
use super::{Audit, Client, LocalFuture, Over, Pace, random_duration, sometimes};
use squall_history::{self as history, Action, Delivered, Outcome, dead_letters_of};
use squall_plan::plan::{ExactlyOnce, Pacing, QueueMix, WorkloadKind, WorkloadPlan};

pub(super) struct Queue;

impl Service for Queue {
    fn name(&self) -> history::Service {
        history::Service::Queue
    }

    fn roles(&self, workload: &WorkloadPlan) -> Vec<Role> {
        let WorkloadKind::Queue {
            producers,
            consumers,
            ..
        } = workload.kind
        else {
            unreachable!("a queue client has a queue workload")
        };
        let consumers = Role {
            rests: false,
            ..Role::beside("consumer", consumers)
        };
        vec![Role::of_load("producer", producers), consumers]
    }

    fn run(&self, role: &'static str, client: Client) -> LocalFuture<'static, ()> {
        match role {
            "consumer" => Box::pin(consume(client)),
            _ => Box::pin(produce(client)),
        }
    }

    fn probe(&self) -> Option<Box<dyn Probe>> {
        Some(Box::new(QueueProbe::default()))
    }

    fn audit<'a>(&'a self, audit: &'a mut Audit) -> LocalFuture<'a, ()> {
        Box::pin(async {
            for queue in queues(audit) {
                drain(audit, &queue).await;
            }
        })
    }
}

/// What a node is asked; a publish may have a producer and the number of its first message.
pub(super) fn asked(action: &Action, producer: Option<(&str, u64)>) -> Asked {
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
pub(super) fn answer(action: &Action, reply: Reply) -> Result<Outcome, Reply> {
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

/// How long a receive waits for a message.
const POLL_MS: u64 = 500;

async fn produce(mut client: Client) {
    let WorkloadKind::Queue { mix, .. } = client.shared.plan.kind.clone() else {
        unreachable!("a producer has a queue workload")
    };
    if mix.max_depth > 0 || mix.max_deliveries > 0 {
        configure(&mut client, &mix).await;
    }
    // Ends when the workload is over.
    while publish_one(&mut client, &mix).await.is_ok() {}
}

/// Every producer does it before it publishes: the same settings again change nothing.
async fn configure(client: &mut Client, mix: &QueueMix) {
    let configure = Action::Configure {
        queue: pick_queue(client),
        max_depth: mix.max_depth,
        max_deliveries: u32::try_from(mix.max_deliveries).expect("a scenario's limit is small"),
    };
    let mut outcome = Outcome::NotGranted;
    while outcome != Outcome::Configured && !client.context.is_stopped() {
        outcome = client.ask(None, configure.clone()).await;
    }
}

async fn publish_one(client: &mut Client, mix: &QueueMix) -> Result<(), Over> {
    let intended_us = client.next().await?;
    let queue = pick_queue(client);
    let bytes = client.payload_bytes();
    let is_plain = mix.batch == 1 && mix.delayed_ppm == 0 && mix.priorities == 1 && mix.groups == 0;
    let action = if is_plain {
        let value = client.fresh_value();
        Action::Publish {
            queue,
            value,
            bytes,
        }
    } else {
        batch(client, queue, bytes, mix)
    };
    let producer = client.name.clone();
    let mut extras = Extras::default();
    match mix.exactly_once {
        None => {
            let outcome = client.ask(intended_us, action).await;
            published(client, &outcome);
            return Ok(());
        }
        Some(ExactlyOnce::Session) => match client.next_once(&mix.retries).await {
            None => return Ok(()),
            once => extras.once = once,
        },
        // Each message has its sequence: the number in its value, which rises.
        Some(ExactlyOnce::Dedup) => {
            let count = match &action {
                Action::PublishBatch { values, .. } => values.len() as u64,
                _ => 1,
            };
            extras.producer = Some((&producer, client.written + 1 - count));
        }
    };
    let retries = mix.retries;
    let outcome = client
        .ask_until_known(intended_us, action, extras, retries)
        .await;
    published(client, &outcome);
    Ok(())
}

fn published(client: &Client, outcome: &Outcome) {
    client.shared.limited.published(match outcome {
        Outcome::Published { .. } => 1,
        Outcome::PublishedBatch { ids } => ids.len() as u64,
        _ => 0,
    });
}

fn batch(client: &mut Client, queue: String, bytes: u64, mix: &QueueMix) -> Action {
    let count = client.rng.random_range(1..=mix.batch);
    let values = (0..count).map(|_| client.fresh_value()).collect();
    let delay_ms = if sometimes(&mut client.rng, mix.delayed_ppm) {
        mix.delay_ms
    } else {
        0
    };
    let priority = client.rng.random_range(0..mix.priorities);
    let group = (mix.groups > 0).then(|| format!("g{}", client.rng.random_range(0..mix.groups)));
    Action::PublishBatch {
        queue,
        values,
        bytes,
        delay_ms,
        priority,
        group,
    }
}

async fn consume(mut client: Client) {
    let WorkloadKind::Queue {
        visibility_ms, mix, ..
    } = client.shared.plan.kind.clone()
    else {
        unreachable!("a consumer has a queue workload")
    };
    if let Pacing::Open { .. } = client.shared.plan.pacing {
        // The rate is the producers'; consumers take what there is.
        client.pace = Pace::Closed {
            think_min: Duration::ZERO,
            think_max: Duration::ZERO,
        };
    }
    while !client.context.is_stopped() {
        client.pause().await;
        let queue = pick_queue(&mut client);
        let receive = Action::Receive {
            queue: queue.clone(),
            max: u32::try_from(mix.prefetch).expect("a scenario's prefetch is small"),
            visibility_ms,
            wait_ms: POLL_MS,
        };
        if let Outcome::Received { messages } = client.ask(None, receive).await {
            client.shared.limited.received(messages.len());
            for message in messages {
                settle(&mut client, &queue, &message, &mix).await;
            }
        }
    }
}

/// Works on a message, and says what became of it.
async fn settle(client: &mut Client, queue: &str, message: &Delivered, mix: &QueueMix) {
    if mix.work_max_us > 0 {
        let [min, max] = [mix.work_min_us, mix.work_max_us].map(Duration::from_micros);
        let work = random_duration(&mut client.rng, min, max);
        client.sleep(work).await;
    }
    if sometimes(&mut client.rng, mix.crash_ppm) {
        return;
    }
    if sometimes(&mut client.rng, mix.nack_ppm) {
        let nack = Action::Nack {
            queue: queue.into(),
            receipt: message.receipt,
            value: message.value.clone(),
            delay_ms: 0,
        };
        client.ask(None, nack).await;
        return;
    }
    let outcome = client.ask(None, ack(queue, message)).await;
    if outcome == (Outcome::Settled { valid: true }) {
        client.shared.limited.consumed();
    }
}

fn pick_queue(client: &mut Client) -> String {
    let WorkloadKind::Queue { queues, .. } = client.shared.plan.kind else {
        unreachable!("a queue client has a queue workload")
    };
    let number = client.rng.random_range(0..queues.max(1));
    queue_name(&client.shared.plan.name, number)
}

/// Workloads do not share queues.
fn queue_name(workload: &str, number: u64) -> String {
    format!("{workload}-{number}")
}

fn ack(queue: &str, message: &Delivered) -> Action {
    Action::Ack {
        queue: queue.into(),
        receipt: message.receipt,
        value: message.value.clone(),
    }
}

/// Publishes, receives and acknowledges, in turn, on a queue of its own.
#[derive(Default)]
struct QueueProbe {
    received: Vec<Delivered>,
    published: bool,
}

impl Probe for QueueProbe {
    fn ask<'a>(&'a mut self, client: &'a mut Client) -> LocalFuture<'a, Outcome> {
        Box::pin(async {
            let queue = client.name.clone();
            if let Some(message) = self.received.pop() {
                return client.ask(None, ack(&queue, &message)).await;
            }
            self.published = !self.published;
            if self.published {
                let value = client.fresh_value();
                let bytes = 0;
                let publish = Action::Publish {
                    queue,
                    value,
                    bytes,
                };
                return client.ask(None, publish).await;
            }
            let receive = Action::Receive {
                queue,
                max: 1,
                visibility_ms: 10_000,
                wait_ms: 0,
            };
            let outcome = client.ask(None, receive).await;
            if let Outcome::Received { messages } = &outcome {
                self.received = messages.clone();
            }
            outcome
        })
    }
}

fn queues(audit: &Audit) -> Vec<String> {
    let mut names = Vec::new();
    for workload in audit.workloads(history::Service::Queue) {
        if let WorkloadKind::Queue { queues, mix, .. } = &workload.kind {
            for number in 0..(*queues).max(1) {
                let name = queue_name(&workload.name, number);
                let dead_letters = (mix.max_deliveries > 0).then(|| dead_letters_of(&name));
                names.push(name);
                names.extend(dead_letters);
            }
        }
    }
    names.extend(audit.probes(history::Service::Queue));
    names
}

/// Messages drained at a time.
const BATCH: u32 = 100;
/// Long enough that nothing drained comes back before it is acknowledged.
const DRAIN_VISIBILITY_MS: u64 = 600_000;
/// Rest while messages are still hidden with a client that is gone.
const REST: Duration = Duration::from_millis(100);

async fn drain(audit: &mut Audit, name: &str) {
    // What it said last: how much is left, if it stands still.
    let mut stuck = None;
    while !audit.is_over() {
        let client = &mut audit.client;
        let receive = Action::Receive {
            queue: name.into(),
            max: BATCH,
            visibility_ms: DRAIN_VISIBILITY_MS,
            wait_ms: 0,
        };
        let Outcome::Received { messages } = client.ask(None, receive).await else {
            stuck = Some("it did not answer".to_owned());
            continue;
        };
        stuck = None;
        if messages.is_empty() && client.context.is_foreign {
            // Another system has only its clients' words for it.
            return;
        }
        if messages.is_empty() {
            let depth = Action::Depth { queue: name.into() };
            stuck = Some(match client.ask(None, depth).await {
                Outcome::Depth {
                    ready: 0,
                    in_flight: 0,
                    delayed: 0,
                } => return,
                Outcome::Depth {
                    ready,
                    in_flight,
                    delayed,
                } => format!("{ready} ready, {in_flight} in flight, {delayed} delayed"),
                _ => "it did not tell its depth".into(),
            });
            client.sleep(REST).await;
            continue;
        }
        let acks: Vec<Action> = messages.iter().map(|message| ack(name, message)).collect();
        let asked = acks.len();
        if audit.acknowledge_all(acks).await == asked {
            stuck = Some("it answered no acknowledgement".into());
        }
    }
    let what = format!("queue {name} could not be drained in time");
    match stuck {
        Some(left) => audit.leave_unfinished(format!("{what}: {left}")),
        None => audit.leave_in_progress(what),
    }
}

#[cfg(test)]
mod tests {
    use squall_cluster::state::State;
    use squall_cluster::state::command::{
        Applied, Command, NewMessage, QueueCommand, QueueSettings, Reply, Request, Stamp,
    };

    use squall_history::{dead_lettered_from, dead_letters_of};

    #[test]
    fn dead_letters_are_looked_for_where_the_cluster_puts_them() {
        let mut state = State::new(Default::default());
        let mut index = 0;
        let mut apply = |command: QueueCommand| -> Applied {
            index += 1;
            let request = Request {
                time_ms: 0,
                once: None,
                command: Command::Queue(command),
            };
            state.apply(Stamp { index, time_ms: 0 }, &request)
        };
        let queue = || "q".to_owned();
        apply(QueueCommand::Configure {
            queue: queue(),
            settings: QueueSettings {
                max_deliveries: 1,
                ..QueueSettings::default()
            },
        });
        apply(QueueCommand::Publish {
            queue: queue(),
            messages: vec![NewMessage {
                payload: "a".into(),
                delay_ms: 0,
                priority: 0,
                group: None,
                dedup: None,
            }],
        });
        let received = apply(QueueCommand::Receive {
            queue: queue(),
            count: 1,
            visibility_ms: None,
        });
        let Reply::Messages(messages) = received.reply else {
            panic!("a receive answers with messages");
        };
        let failed = apply(QueueCommand::Nack {
            queue: queue(),
            receipt: messages[0].receipt,
            delay_ms: 0,
        });
        assert_eq!(failed.ready_queues, [dead_letters_of("q")]);
        assert_eq!(dead_lettered_from(&failed.ready_queues[0]), Some("q"));
        assert_eq!(dead_lettered_from("q"), None);
    }
}
