//! One sequential client: when it asks next, and how what it asks gets into the history.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use squall_world::Instant;

use super::driver::{Connection, Extras, Request};
use super::pool::Pool;
use super::random::{random_duration, sometimes};
use super::shared::Shared;
use super::{ClientHandle, RunContext, client_handle};
use squall_history::{Action, Outcome, Service};
use squall_plan::plan::{OwnWorkload, Pacing, Payload, Seed, WorkloadKind, WorkloadPlan};

/// Even an impatient client takes a moment, or an idle service would be asked without end.
const STORM_REST: Duration = Duration::from_millis(1);
/// A client that does not wait for an answer goes on after this long: enough to have sent.
pub(super) const UNHEARD: Duration = Duration::from_millis(1);

/// The workload is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over;

/// One sequential client: a connection, a name, a stream of random numbers and a pace.
pub struct Client {
    pub(super) context: Rc<RunContext>,
    pub(super) shared: Rc<Shared>,
    /// The service that it asks.
    pub(super) service: Service,
    pub(super) name: String,
    /// Which of its role it is, from 0.
    pub(super) index: u64,
    pub(super) connection: Box<dyn Connection>,
    /// Connections that users share who think between their operations.
    pub(super) pool: Option<Rc<Pool>>,
    /// What stands in for `connection` while that is lent.
    unconnected: Option<Box<dyn Connection>>,
    pub(super) rng: ChaCha8Rng,
    pub(super) pace: Pace,
    /// Values written so far.
    pub(super) written: u64,
    pub(super) handle: Rc<ClientHandle>,
    /// For requests that are executed exactly once.
    pub(super) session: Option<Session>,
}

/// Where a client stands in its session.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) sequence: u64,
    /// What had that sequence, unless a second one has had it.
    pub(super) first: Option<Action>,
}

/// When the next operation is wanted.
pub(super) enum Pace {
    Closed {
        think_min: Duration,
        think_max: Duration,
    },
    Open {
        next: Instant,
        interval: Duration,
    },
    /// A user of the load, who is there or not.
    User {
        think_min: Duration,
        think_max: Duration,
    },
    /// Whichever client is free takes the next operation that the load wants.
    Arrivals,
}

impl Client {
    pub(super) fn new(
        context: Rc<RunContext>,
        shared: Rc<Shared>,
        name: String,
        index: u64,
        schedules: u64,
    ) -> Self {
        let pace = match shared.plan.pacing {
            Pacing::Closed {
                think_min_us,
                think_max_us,
            } => Pace::Closed {
                think_min: Duration::from_micros(think_min_us),
                think_max: Duration::from_micros(think_max_us),
            },
            Pacing::Users {
                think_min_us,
                think_max_us,
            } => Pace::User {
                think_min: Duration::from_micros(think_min_us),
                think_max: Duration::from_micros(think_max_us),
            },
            Pacing::Arrivals => Pace::Arrivals,
            Pacing::Open { interval_us } => Pace::Open {
                next: context.host.now() + Duration::from_micros(interval_us * index),
                interval: Duration::from_micros(interval_us * schedules),
            },
        };
        Self {
            connection: context.connect(&context.addresses, index as usize),
            rng: Seed(shared.plan.seed).fork(&name).rng(),
            service: shared.plan.kind.service(),
            context,
            shared,
            name,
            index,
            pool: None,
            unconnected: None,
            pace,
            written: 0,
            handle: Rc::default(),
            session: None,
        }
    }

    /// A client without a workload, of the harness itself, whose operations time out after
    /// `timeout_us`.
    pub(super) fn of_harness(
        context: Rc<RunContext>,
        name: String,
        seed: Seed,
        timeout_us: u64,
        index: u64,
        service: Service,
    ) -> Self {
        let plan = WorkloadPlan {
            name: name.clone(),
            seed: seed.0,
            kind: WorkloadKind::Own(OwnWorkload::of(service)),
            pacing: Pacing::Closed {
                think_min_us: 0,
                think_max_us: 0,
            },
            timeout_us,
            operations: None,
            payload: Payload::Fixed(0),
            also: BTreeMap::new(),
        };
        let shared = Rc::new(Shared::new(plan, None));
        Self::new(context, shared, name, index, 1)
    }

    /// Waits for the start of the chaos phase, from which on operations count.
    pub(super) async fn wait_for_count(&self) {
        while !self.context.counting.get() && !self.context.is_stopped() {
            self.context.counted.notified().await;
        }
    }

    /// Waits for the time of the next operation and counts it. Returns when it was intended,
    /// for an open loop, or `None` for a closed one; or `Err` when the workload is over.
    pub async fn next(&mut self) -> Result<Option<u64>, Over> {
        let intended_us = self.pause().await;
        let rests = matches!(self.pace, Pace::Closed { .. });
        if rests && !self.context.counting.get() && !self.shared.limited.warm_up() {
            self.wait_for_count().await;
        }
        let is_counting = self.context.counting.get();
        if self.context.is_stopped() || !self.shared.limited.begin(is_counting) {
            return Err(Over);
        }
        Ok(intended_us)
    }

    /// Waits for the time of the next operation.
    pub async fn pause(&mut self) -> Option<u64> {
        if self.handle.is_storming() && matches!(self.pace, Pace::Closed { .. } | Pace::User { .. })
        {
            self.handle.count_stormed();
            self.context.host.sleep(STORM_REST).await;
            return None;
        }
        match &mut self.pace {
            Pace::Closed {
                think_min,
                think_max,
            } => {
                let think = random_duration(&mut self.rng, *think_min, *think_max);
                if !think.is_zero() {
                    self.context.host.sleep(think).await;
                }
                None
            }
            Pace::User {
                think_min,
                think_max,
            } => {
                let schedule = self.shared.schedule.as_ref().expect("users have a load");
                let schedule = schedule.clone();
                let usual = (*think_min, *think_max);
                let (min, max) = schedule.think().unwrap_or(usual);
                let think = random_duration(&mut self.rng, min, max);
                if !think.is_zero() || schedule.is_away(self.index) {
                    self.lend_connection();
                    let is_over = || self.context.is_stopped();
                    schedule.wait_for_turn(self.index, is_over).await;
                    self.context.host.sleep(think).await;
                    self.borrow_connection();
                }
                None
            }
            Pace::Arrivals => {
                let schedule = self
                    .shared
                    .schedule
                    .as_ref()
                    .expect("a rate is that of a load");
                let schedule = schedule.clone();
                let is_over = || self.context.is_stopped();
                let at_us = schedule.next_arrival(is_over).await?;
                let now_us = self.context.recorder.now_us();
                if let Some(left_us @ 1..) = at_us.checked_sub(now_us) {
                    self.context
                        .host
                        .sleep(Duration::from_micros(left_us))
                        .await;
                }
                Some(at_us)
            }
            Pace::Open { next, interval } => {
                let at = *next;
                *next = at + *interval;
                self.context.host.sleep_until(at).await;
                let late_us = (self.context.host.now() - at).as_micros() as u64;
                Some(self.context.recorder.now_us().saturating_sub(late_us))
            }
        }
    }

    /// While a user thinks, another may use the connection: there are as many of them as
    /// operations at a time, not as users.
    fn lend_connection(&mut self) {
        if let Some(pool) = &self.pool {
            let (context, index) = (&self.context, self.index as usize);
            let unconnected = &mut self.unconnected;
            pool.lend(&mut self.connection, || {
                let kept = unconnected.take();
                kept.unwrap_or_else(|| context.connect(&context.addresses, index))
            });
        }
    }

    fn borrow_connection(&mut self) {
        let pool = self.pool.as_ref();
        let replaced = pool.and_then(|pool| pool.borrow(&mut self.connection));
        self.unconnected = replaced.or(self.unconnected.take());
    }

    /// Bytes of the next message or value.
    pub(super) fn payload_bytes(&mut self) -> u64 {
        self.shared.plan.payload.draw(&mut self.rng)
    }

    /// A key of the workload, by number.
    pub fn draw_key(&mut self) -> u64 {
        let now_us = self.context.recorder.now_us();
        self.shared.keys.draw(&mut self.rng, now_us)
    }

    /// One of the operations that the workload sends beside what it does, if one is due.
    pub(super) fn draw_also(&mut self) -> Option<&str> {
        let rng = &mut self.rng;
        let mut also = self.shared.plan.also.iter();
        let (name, _) = also.find(|(_, ppm)| sometimes(rng, **ppm))?;
        Some(name)
    }

    /// A value that nobody writes twice.
    pub fn fresh_value(&mut self) -> String {
        self.written += 1;
        format!("{}.{}", self.name, self.written)
    }

    /// By when the next answer must have come, `extra_ms` of waiting on request included.
    pub(super) fn deadline(&self, extra_ms: u64) -> Instant {
        if self.handle.is_storming() {
            return self.now() + client_handle::STORM_TIMEOUT;
        }
        self.now()
            + Duration::from_micros(self.shared.plan.timeout_us)
            + Duration::from_millis(extra_ms)
    }

    /// Sends an operation, and leaves it to the caller to record it.
    pub(super) async fn send(&mut self, action: &Action, extras: Extras<'_>) -> Outcome {
        let deadline = self.deadline(action.wait_ms());
        let is_storming = self.handle.is_storming();
        let outcome = self.send_by(action, extras, deadline).await;
        if is_storming {
            unheard(outcome)
        } else {
            outcome
        }
    }

    async fn send_by(&mut self, action: &Action, extras: Extras<'_>, deadline: Instant) -> Outcome {
        let request = Request {
            action,
            extras,
            deadline,
        };
        self.connection.send(request).await
    }

    /// Sends an operation, and waits for the answer no longer than `patience`.
    pub(super) async fn send_briefly(
        &mut self,
        action: &Action,
        extras: Extras<'_>,
        patience: Duration,
    ) -> Outcome {
        let deadline = self.now() + patience;
        unheard(self.send_by(action, extras, deadline).await)
    }

    /// Sends an operation and records it, with when it was intended in an open loop.
    pub async fn ask(&mut self, intended_us: Option<u64>, action: Action) -> Outcome {
        self.ask_with(intended_us, action, Extras::default()).await
    }

    pub(super) async fn ask_with(
        &mut self,
        intended_us: Option<u64>,
        action: Action,
        extras: Extras<'_>,
    ) -> Outcome {
        let recorder = &self.context.recorder;
        let op = recorder.invoke(&self.name, intended_us, action.clone());
        let outcome = self.send(&action, extras).await;
        self.context.recorder.complete(op, outcome.clone());
        outcome
    }

    /// Sends an operation, records it, and does not wait for the answer: the client is gone.
    pub(super) async fn ask_unheard(&mut self, action: Action, extras: Extras<'_>) -> Outcome {
        self.ask_briefly(action, extras, UNHEARD).await
    }

    /// Sends an operation, records it, and waits for the answer no longer than `patience`.
    pub(super) async fn ask_briefly(
        &mut self,
        action: Action,
        extras: Extras<'_>,
        patience: Duration,
    ) -> Outcome {
        let op = (self.context.recorder).invoke(&self.name, None, action.clone());
        let outcome = self.send_briefly(&action, extras, patience).await;
        self.context.recorder.complete(op, outcome.clone());
        outcome
    }

    /// Whether the system has the operation of this name at all.
    pub fn offers(&self, operation: &str) -> bool {
        self.connection.offers(operation)
    }

    /// Unique among the clients of the run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The workload that it belongs to, which is also its service's name but for a number.
    pub fn workload(&self) -> &WorkloadPlan {
        &self.shared.plan
    }

    /// The service that it asks.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Its stream of random numbers, which the run's seed decides.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// What the scenario's `options` say under `key`, of a service that does not ship with
    /// Squall.
    pub fn option(&self, key: &str) -> Option<&serde_json::Value> {
        match &self.shared.plan.kind {
            WorkloadKind::Own(own) => own.options.get(key),
            _ => None,
        }
    }

    /// Whether the harness asks clients to finish what they are at.
    pub fn is_stopped(&self) -> bool {
        self.context.is_stopped()
    }

    /// The time of the client's host.
    pub fn now(&self) -> Instant {
        self.context.host.now()
    }

    /// Waits on the client's host.
    pub async fn sleep(&self, duration: Duration) {
        self.context.host.sleep(duration).await;
    }
}

/// An unknown outcome whose client gave up before an answer was due.
fn unheard(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Unknown { .. } => Outcome::not_awaited(),
        heard => heard,
    }
}
