//! Queues: producers publish, consumers receive and acknowledge.
//!
//! As the workload's mix says, messages come in batches, delayed, with priorities or in
//! groups, a publish without an answer is sent again, and consumers take their time, give
//! messages back, or forget them. The audit drains every queue (`drain`).

mod drain;
mod requests;

use std::time::Duration;

use rand::RngExt;

use self::drain::{drain, queues};
pub(super) use self::requests::{answer, asked};
use super::driver::Extras;
use super::service::{Probe, Role, Service};
use super::{Audit, Client, LocalFuture, Over, Pace, random_duration, sometimes};
use squall_history::{self as history, Action, Delivered, Outcome};
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
        Some(ExactlyOnce::Session) => match client.next_once(&mix.retries, &action).await {
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
