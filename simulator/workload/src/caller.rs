//! One sequential client: when it asks next, and how what it asks gets into the history.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use squall_cluster::client::Client;
use squall_cluster::protocol::ReadMode;
use squall_cluster::state::command::{Command, Query};
use squall_world::{Instant, World};

use super::outcome::outcome_of;
use super::random::random_duration;
use super::shared::Shared;
use super::{Control, Issuer, Setting, control, exactly_once};
use squall_history::{Action, Outcome};
use squall_plan::plan::{CacheMix, Pacing, Payload, Seed, WorkloadKind, WorkloadPlan};

/// Even an impatient client takes a moment, or an idle service would be asked without end.
const STORM_REST: Duration = Duration::from_millis(1);
/// A client that does not wait for an answer goes on after this long: enough to have sent.
pub(super) const UNHEARD: Duration = Duration::from_millis(1);

/// The workload is over.
pub(super) struct Over;

/// One sequential client: a connection, a name, a stream of random numbers and a pace.
pub(super) struct Caller<W: World> {
    pub(super) setting: Rc<Setting>,
    pub(super) shared: Rc<Shared>,
    pub(super) name: String,
    /// Which of its role it is, from 0.
    pub(super) index: u64,
    pub(super) client: Client<W>,
    /// Connections that users share who think between their operations.
    pub(super) pool: Option<Pool<W>>,
    /// What stands in for `client` while that is lent.
    unconnected: Option<Client<W>>,
    /// Takes the place of `client`.
    pub(super) issuer: Option<Box<dyn Issuer>>,
    pub(super) rng: ChaCha8Rng,
    pub(super) pace: Pace,
    /// Values written so far.
    pub(super) written: u64,
    pub(super) control: Rc<Control>,
    /// For requests that are executed exactly once.
    pub(super) session: Option<exactly_once::Session>,
}

/// Connections that nobody uses at the moment, the one used last on top.
pub(super) type Pool<W> = Rc<RefCell<Vec<Client<W>>>>;

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

impl<W: World> Caller<W> {
    pub(super) fn new(
        setting: Rc<Setting>,
        shared: Rc<Shared>,
        name: String,
        index: u64,
        lanes: u64,
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
                next: W::now() + Duration::from_micros(interval_us * index),
                interval: Duration::from_micros(interval_us * lanes),
            },
        };
        let client = Client::new(setting.addresses.clone(), index as usize);
        let issuers = setting.issuers.as_ref();
        Self {
            issuer: issuers.map(|issuers| issuers(index as usize)),
            rng: Seed(shared.plan.seed).fork(&name).rng(),
            setting,
            shared,
            name,
            index,
            client,
            pool: None,
            unconnected: None,
            pace,
            written: 0,
            control: Rc::default(),
            session: None,
        }
    }

    /// A client without a workload, of the harness itself, whose operations time out after
    /// `timeout_us`.
    pub(super) fn of_harness(
        setting: Rc<Setting>,
        name: String,
        seed: Seed,
        timeout_us: u64,
        index: u64,
    ) -> Self {
        let plan = WorkloadPlan {
            name: name.clone(),
            seed: seed.0,
            kind: WorkloadKind::Cache {
                clients: 1,
                keys: 1,
                reads_ppm: 0,
                mix: CacheMix::default(),
            },
            pacing: Pacing::Closed {
                think_min_us: 0,
                think_max_us: 0,
            },
            timeout_us,
            operations: None,
            payload: Payload::Fixed(0),
        };
        let shared = Rc::new(Shared::new(plan, None));
        Self::new(setting, shared, name, index, 1)
    }

    /// Waits for the start of the chaos phase, from which on operations count.
    pub(super) async fn wait_for_count(&self) {
        while !self.setting.counting.get() && !self.setting.is_stopped() {
            self.setting.counted.notified().await;
        }
    }

    /// Waits for the time of the next operation and counts it. Returns when it was intended,
    /// for an open loop, or `None` for a closed one; or `Err` when the workload is over.
    pub(super) async fn next(&mut self) -> Result<Option<u64>, Over> {
        let intended_us = self.pause().await;
        let rests = matches!(self.pace, Pace::Closed { .. });
        if rests && !self.setting.counting.get() && !self.shared.limited.warm_up() {
            self.wait_for_count().await;
        }
        let is_counting = self.setting.counting.get();
        if self.setting.is_stopped() || !self.shared.limited.begin(is_counting) {
            return Err(Over);
        }
        Ok(intended_us)
    }

    /// Waits for the time of the next operation.
    pub(super) async fn pause(&mut self) -> Option<u64> {
        if self.control.is_storming()
            && matches!(self.pace, Pace::Closed { .. } | Pace::User { .. })
        {
            self.control.count_stormed();
            W::sleep(STORM_REST).await;
            return None;
        }
        match &mut self.pace {
            Pace::Closed {
                think_min,
                think_max,
            } => {
                let think = random_duration(&mut self.rng, *think_min, *think_max);
                if !think.is_zero() {
                    W::sleep(think).await;
                }
                None
            }
            Pace::User {
                think_min,
                think_max,
            } => {
                let lane = self.shared.lane.as_ref().expect("users have a load");
                let lane = lane.clone();
                let usual = (*think_min, *think_max);
                let (min, max) = lane.think().unwrap_or(usual);
                let think = random_duration(&mut self.rng, min, max);
                if !think.is_zero() || lane.is_away(self.index) {
                    self.lend_connection();
                    lane.wait_for_turn(self.index, &self.setting).await;
                    W::sleep(think).await;
                    self.borrow_connection();
                }
                None
            }
            Pace::Arrivals => {
                let lane = self.shared.lane.as_ref().expect("a rate is that of a load");
                let lane = lane.clone();
                let at_us = lane.next_arrival(&self.setting).await?;
                let now_us = self.setting.recorder.now_us();
                if let Some(left_us @ 1..) = at_us.checked_sub(now_us) {
                    W::sleep(Duration::from_micros(left_us)).await;
                }
                Some(at_us)
            }
            Pace::Open { next, interval } => {
                let at = *next;
                *next = at + *interval;
                W::sleep_until(at).await;
                let late_us = (W::now() - at).as_micros() as u64;
                Some(self.setting.recorder.now_us().saturating_sub(late_us))
            }
        }
    }

    /// While a user thinks, another may use the connection: there are as many of them as
    /// operations at a time, not as users.
    fn lend_connection(&mut self) {
        if let Some(pool) = &self.pool {
            let client = self.unconnected.take().unwrap_or_else(|| {
                Client::new(self.setting.addresses.clone(), self.index as usize)
            });
            let connected = std::mem::replace(&mut self.client, client);
            pool.borrow_mut().push(connected);
        }
    }

    fn borrow_connection(&mut self) {
        let connected = self.pool.as_ref().and_then(|pool| pool.borrow_mut().pop());
        if let Some(connected) = connected {
            let client = std::mem::replace(&mut self.client, connected);
            self.unconnected = Some(client);
        }
    }

    /// Bytes of the next message or value.
    pub(super) fn payload_bytes(&mut self) -> u64 {
        self.shared.plan.payload.draw(&mut self.rng)
    }

    /// A key of the workload, by number.
    pub(super) fn draw_key(&mut self) -> u64 {
        let now_us = self.setting.recorder.now_us();
        self.shared.keys.draw(&mut self.rng, now_us)
    }

    /// A value that nobody writes twice.
    pub(super) fn fresh_value(&mut self) -> String {
        self.written += 1;
        format!("{}.{}", self.name, self.written)
    }

    pub(super) fn deadline(&self, extra_ms: u64) -> Instant {
        if self.control.is_storming() {
            return W::now() + control::STORM_TIMEOUT;
        }
        W::now()
            + Duration::from_micros(self.shared.plan.timeout_us)
            + Duration::from_millis(extra_ms)
    }

    /// Sends a write and records it. `wait_ms` is how long the cluster may make it wait.
    pub(super) async fn write(
        &mut self,
        intended_us: Option<u64>,
        action: Action,
        command: Command,
        wait_ms: u64,
    ) -> Outcome {
        let deadline = self.deadline(wait_ms);
        let recorder = &self.setting.recorder;
        let op = recorder.invoke(&self.name, intended_us, action.clone());
        let outcome = match &mut self.issuer {
            Some(issuer) => issuer.issue(&action, deadline).await,
            None => {
                let result = self.client.write(None, &command, wait_ms, deadline).await;
                outcome_of(&action, result)
            }
        };
        self.setting.recorder.complete(op, outcome.clone());
        outcome
    }

    /// Sends a write, records it, and does not wait for the answer: the client is gone.
    pub(super) async fn write_unheard(
        &mut self,
        action: Action,
        command: Command,
        wait_ms: u64,
    ) -> Outcome {
        let op = (self.setting.recorder).invoke(&self.name, None, action.clone());
        let gone_at = W::now() + UNHEARD;
        let result = self.client.write(None, &command, wait_ms, gone_at).await;
        let outcome = outcome_of(&action, result);
        self.setting.recorder.complete(op, outcome.clone());
        outcome
    }

    /// Sends a linearizable read and records it.
    pub(super) async fn read(
        &mut self,
        intended_us: Option<u64>,
        action: Action,
        query: Query,
    ) -> Outcome {
        self.read_as(None, intended_us, action, query).await
    }

    /// Sends a read that is served as `mode` says, and records it.
    pub(super) async fn read_as(
        &mut self,
        mode: Option<ReadMode>,
        intended_us: Option<u64>,
        action: Action,
        query: Query,
    ) -> Outcome {
        let deadline = self.deadline(0);
        let op = (self.setting.recorder).invoke(&self.name, intended_us, action.clone());
        let outcome = match &mut self.issuer {
            Some(issuer) => issuer.issue(&action, deadline).await,
            None => {
                let result = self.client.read(mode, &query, deadline).await;
                outcome_of(&action, result)
            }
        };
        self.setting.recorder.complete(op, outcome.clone());
        outcome
    }
}
