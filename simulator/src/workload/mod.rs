//! Clients: what they ask of the cluster, and when.
//!
//! Every workload is a set of sequential clients; each records what it asked and what it
//! was told, and tells apart what it knows from what it does not. The drivers are generic
//! over the [`World`], so the same clients can run in a simulation and against containers.
//! Every written value is unique within a run, which is what lets a check tell writes apart.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use squall_cluster::client::{CallError, Client};
use squall_cluster::protocol::ReadMode;
use squall_cluster::state::command::{Command, Query, Reply};
use squall_cluster::world::{Instant, World};
use tokio::sync::Notify;

use crate::history::{Action, Outcome, Recorder};
use crate::plan::{CacheMix, KeyDraw, Pacing, Payload, Plan, Seed, WorkloadKind, WorkloadPlan};
use limited::Limited;
use load::{Lane, Load};

pub mod audit;
mod cache;
mod control;
mod exactly_once;
mod gauge;
mod issuer;
mod limited;
pub mod load;
mod lock;
mod near;
pub mod probe;
mod queue;
mod records;

pub use control::Control;
pub use gauge::{Gauge, Usage};
pub use issuer::{Issuer, Issuers, LocalFuture};

/// What all clients of a run share.
pub struct Setting {
    pub recorder: Recorder,
    /// Clients of a system that is not Squall's own.
    issuers: Option<Issuers>,
    /// Client addresses of the nodes.
    pub addresses: Vec<String>,
    stopped: Cell<bool>,
    running: Cell<usize>,
    /// Whether operations count for workloads that end after so many.
    counting: Cell<bool>,
    counted: Notify,
    /// Workloads that end after so many operations.
    limited: RefCell<Vec<Rc<Shared>>>,
    load: RefCell<Option<Rc<Load>>>,
    /// Records that a workload has made, by its name: how many numbers it has used.
    records: RefCell<BTreeMap<String, u64>>,
    /// The clients of workloads, in order of their start.
    clients: RefCell<Vec<Rc<Control>>>,
    gauge: RefCell<Option<Gauge>>,
}

impl Setting {
    pub fn new(recorder: Recorder, addresses: Vec<String>) -> Rc<Self> {
        Self::with_issuers(recorder, addresses, None)
    }

    /// For clients of another system, if `issuers` are given.
    pub fn with_issuers(
        recorder: Recorder,
        addresses: Vec<String>,
        issuers: Option<Issuers>,
    ) -> Rc<Self> {
        Rc::new(Self {
            recorder,
            issuers,
            addresses,
            stopped: Cell::new(false),
            running: Cell::new(0),
            counting: Cell::new(false),
            counted: Notify::new(),
            limited: RefCell::default(),
            load: RefCell::default(),
            records: RefCell::default(),
            clients: RefCell::default(),
            gauge: RefCell::default(),
        })
    }

    /// The clients of workloads that were started, for faults to pick from.
    pub fn clients(&self) -> Vec<Rc<Control>> {
        self.clients.borrow().clone()
    }

    /// Asks the clients to finish what they are at.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.counted.notify_waiters();
        if let Some(load) = &*self.load.borrow() {
            load.wake();
        }
    }

    /// From now on operations count for workloads that end after so many.
    pub fn count_operations(&self) {
        self.counting.set(true);
        self.counted.notify_waiters();
    }

    /// Workloads that end after so many operations begin no more of them.
    pub fn close_operations(&self) {
        let limited = self.limited.borrow();
        limited.iter().for_each(|shared| shared.limited.close());
    }

    /// From now on it can be told what nodes use.
    pub fn measure_by(&self, gauge: Gauge) {
        *self.gauge.borrow_mut() = Some(gauge);
    }

    /// What nodes used from one moment to another, microseconds of the run.
    fn usage(&self, from_us: u64, to_us: u64) -> Usage {
        let gauge = self.gauge.borrow();
        gauge
            .as_ref()
            .map_or_else(Usage::default, |gauge| gauge(from_us, to_us))
    }

    /// Whether the workloads have nothing more to do: those that end after so many
    /// operations have ended, or the stress test is over.
    pub fn is_done(&self) -> bool {
        match &*self.load.borrow() {
            Some(load) => load.is_over(),
            None => self.limited.borrow().iter().all(|shared| shared.is_done()),
        }
    }

    /// Lets clients that are started from now on run.
    pub fn resume(&self) {
        self.stopped.set(false);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Whether no client runs.
    pub fn is_finished(&self) -> bool {
        self.running.get() == 0
    }

    /// Runs a client as a task of the present host.
    pub fn spawn<W: World>(self: &Rc<Self>, client: impl Future<Output = ()> + 'static) {
        let setting = self.clone();
        self.running.set(self.running.get() + 1);
        W::spawn(async move {
            client.await;
            setting.running.set(setting.running.get() - 1);
        });
    }
}

/// Starts the clients of all workloads on the present host, and whoever tells them how much
/// to ask, if the plan has a load.
pub fn start<W: World>(setting: &Rc<Setting>, plan: &Plan) {
    let load = plan.load.as_ref().map(|load| Load::new(load, plan));
    *setting.load.borrow_mut() = load.clone();
    for (index, workload) in plan.workloads.iter().enumerate() {
        let lane = load.as_ref().map(|load| load.lane(index));
        start_workload::<W>(setting, workload, lane);
    }
    if let Some(load) = load {
        setting.spawn::<W>(load::drive::<W>(setting.clone(), load));
    }
}

fn start_workload<W: World>(setting: &Rc<Setting>, plan: &WorkloadPlan, lane: Option<Rc<Lane>>) {
    let shared = Rc::new(Shared::new(plan.clone(), lane));
    if plan.operations.is_some() {
        setting.limited.borrow_mut().push(shared.clone());
    }
    match &plan.kind {
        WorkloadKind::Lock { clients, mix, .. } => {
            start_role::<W, _>(setting, &shared, "", *clients, lock::run);
            start_role::<W, _>(setting, &shared, "watcher", mix.watchers, lock::watch);
        }
        WorkloadKind::Queue {
            producers,
            consumers,
            ..
        } => {
            start_role::<W, _>(setting, &shared, "producer", *producers, queue::produce);
            start_role::<W, _>(setting, &shared, "consumer", *consumers, queue::consume);
        }
        WorkloadKind::Cache { clients, mix, .. } => {
            if mix.records.is_some() {
                start_role::<W, _>(setting, &shared, "", *clients, records::run);
            } else {
                start_role::<W, _>(setting, &shared, "", *clients, cache::run);
            }
            start_role::<W, _>(setting, &shared, "near", mix.near, near::run);
        }
    }
}

/// Starts `count` clients that all do `run`.
fn start_role<W: World, F: Future<Output = ()> + 'static>(
    setting: &Rc<Setting>,
    shared: &Rc<Shared>,
    role: &str,
    count: u64,
    run: fn(Caller<W>) -> F,
) {
    // Watchers and consumers go on as long as there is anything to see.
    let ends = matches!(role, "" | "producer");
    let pool: Option<Pool<W>> = (ends && shared.lane.is_some()).then(Rc::default);
    let role_rests = role != "consumer";
    if ends {
        shared.limited.enter(count);
    }
    for index in 0..count {
        let workload = &shared.plan.name;
        let name = match role {
            "" => format!("{workload}-{}", index + 1),
            role => format!("{workload}-{role}-{}", index + 1),
        };
        let (setting_of, shared_of) = (setting.clone(), shared.clone());
        let pool = pool.clone();
        let live = move |control, name| {
            let (setting, shared) = (setting_of.clone(), shared_of.clone());
            let mut caller = Caller::<W>::new(setting, shared, name, index, count);
            caller.control = control;
            caller.pool = pool.clone();
            if !ends && shared_of.lane.is_some() {
                // The load is that of the others.
                let rest = if role_rests {
                    LOOK_REST
                } else {
                    Duration::ZERO
                };
                caller.pace = Pace::Closed {
                    think_min: rest,
                    think_max: rest,
                };
            }
            run(caller)
        };
        let shared = shared.clone();
        let ended = move || {
            if ends {
                shared.limited.leave();
            }
        };
        control::spawn::<W, _>(setting, name, live, ended);
    }
}

/// What the clients of one workload share.
struct Shared {
    plan: WorkloadPlan,
    limited: Limited,
    /// Its part of the load, if there is one.
    lane: Option<Rc<Lane>>,
    keys: KeyDraw,
    /// Keys set before the rest begins.
    preloaded: Cell<u64>,
    records: RefCell<records::Live>,
}

impl Shared {
    fn new(plan: WorkloadPlan, lane: Option<Rc<Lane>>) -> Self {
        let seed = Seed(plan.seed);
        let keys = match &plan.kind {
            WorkloadKind::Lock { locks, mix, .. } => KeyDraw::new(*locks, &mix.access, seed),
            WorkloadKind::Cache { keys, mix, .. } => KeyDraw::new(*keys, &mix.access, seed),
            WorkloadKind::Queue { queues, .. } => KeyDraw::new(*queues, &Default::default(), seed),
        };
        let preload = match &plan.kind {
            WorkloadKind::Cache { keys, mix, .. } => mix.preload.min(*keys),
            _ => 0,
        };
        Self {
            limited: Limited::new(plan.operations, preload),
            plan,
            lane,
            keys,
            preloaded: Cell::new(0),
            records: RefCell::default(),
        }
    }

    /// Whether it has sent, and been answered, all that it was to; queues are empty then.
    fn is_done(&self) -> bool {
        let consumers = match self.plan.kind {
            WorkloadKind::Queue { consumers, .. } => consumers,
            _ => 0,
        };
        self.limited.is_done(consumers)
    }
}

/// One sequential client: a connection, a name, a stream of random numbers and a pace.
struct Caller<W: World> {
    setting: Rc<Setting>,
    shared: Rc<Shared>,
    name: String,
    /// Which of its role it is, from 0.
    index: u64,
    client: Client<W>,
    /// Connections that users share who think between their operations.
    pool: Option<Pool<W>>,
    /// What stands in for `client` while that is lent.
    unconnected: Option<Client<W>>,
    /// Takes the place of `client`.
    issuer: Option<Box<dyn Issuer>>,
    rng: ChaCha8Rng,
    pace: Pace,
    /// Values written so far.
    written: u64,
    control: Rc<Control>,
    /// For requests that are executed exactly once.
    session: Option<exactly_once::Session>,
}

/// Connections that nobody uses at the moment, the one used last on top.
type Pool<W> = Rc<RefCell<Vec<Client<W>>>>;

/// When the next operation is wanted.
enum Pace {
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
    fn new(setting: Rc<Setting>, shared: Rc<Shared>, name: String, index: u64, lanes: u64) -> Self {
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
    fn of_harness(
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
    async fn wait_for_count(&self) {
        while !self.setting.counting.get() && !self.setting.is_stopped() {
            self.setting.counted.notified().await;
        }
    }

    /// Waits for the time of the next operation and counts it. Returns when it was intended,
    /// for an open loop, or `None` for a closed one; or `Err` when the workload is over.
    async fn next(&mut self) -> Result<Option<u64>, Over> {
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
    async fn pause(&mut self) -> Option<u64> {
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
    fn payload_bytes(&mut self) -> u64 {
        self.shared.plan.payload.draw(&mut self.rng)
    }

    /// A key of the workload, by number.
    fn draw_key(&mut self) -> u64 {
        let now_us = self.setting.recorder.now_us();
        self.shared.keys.draw(&mut self.rng, now_us)
    }

    /// A value that nobody writes twice.
    fn fresh_value(&mut self) -> String {
        self.written += 1;
        format!("{}.{}", self.name, self.written)
    }

    fn deadline(&self, extra_ms: u64) -> Instant {
        if self.control.is_storming() {
            return W::now() + control::STORM_TIMEOUT;
        }
        W::now()
            + Duration::from_micros(self.shared.plan.timeout_us)
            + Duration::from_millis(extra_ms)
    }

    /// Sends a write and records it. `wait_ms` is how long the cluster may make it wait.
    async fn write(
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
    async fn write_unheard(&mut self, action: Action, command: Command, wait_ms: u64) -> Outcome {
        let op = (self.setting.recorder).invoke(&self.name, None, action.clone());
        let gone_at = W::now() + UNHEARD;
        let result = self.client.write(None, &command, wait_ms, gone_at).await;
        let outcome = outcome_of(&action, result);
        self.setting.recorder.complete(op, outcome.clone());
        outcome
    }

    /// Sends a linearizable read and records it.
    async fn read(&mut self, intended_us: Option<u64>, action: Action, query: Query) -> Outcome {
        self.read_as(None, intended_us, action, query).await
    }

    /// Sends a read that is served as `mode` says, and records it.
    async fn read_as(
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

/// Even an impatient client takes a moment, or an idle service would be asked without end.
const STORM_REST: Duration = Duration::from_millis(1);
/// Between two looks of those who only look, where a load paces the others.
const LOOK_REST: Duration = Duration::from_millis(10);
/// A client that does not wait for an answer goes on after this long: enough to have sent.
const UNHEARD: Duration = Duration::from_millis(1);

/// The workload is over.
struct Over;

fn random_duration(rng: &mut ChaCha8Rng, min: Duration, max: Duration) -> Duration {
    if min >= max {
        return min;
    }
    Duration::from_nanos(rng.random_range(min.as_nanos() as u64..=max.as_nanos() as u64))
}

/// Whether a choice with this probability, in parts per million, is taken.
fn chance(rng: &mut ChaCha8Rng, ppm: u32) -> bool {
    rng.random_range(0..1_000_000) < ppm
}

/// As [`chance`], but draws nothing for what never happens, so that a workload without it
/// keeps its stream.
fn sometimes(rng: &mut ChaCha8Rng, ppm: u32) -> bool {
    ppm > 0 && chance(rng, ppm)
}

/// What the client learnt, in the terms of the history.
fn outcome_of(action: &Action, result: Result<Reply, CallError>) -> Outcome {
    use squall_cluster::state::command::Refusal;
    let reply = match result {
        Ok(reply) => reply,
        Err(CallError::Refused(Refusal::NotHeld | Refusal::NoSession)) if is_hold(action) => {
            return Outcome::NotHeld;
        }
        Err(CallError::Refused(refusal)) => {
            return Outcome::Failed {
                why: format!("{refusal:?}"),
            };
        }
        Err(CallError::Definite(why) | CallError::Rejected(why)) => {
            return Outcome::Failed { why };
        }
        Err(CallError::Indefinite(why)) => return Outcome::Unknown { why },
    };
    match reply {
        Reply::Granted { token } => Outcome::Granted { token },
        Reply::NotGranted => Outcome::NotGranted,
        Reply::Released => Outcome::Released,
        Reply::LockInfo(info) => lock::line(info),
        Reply::TokenAccepted(accepted) => Outcome::Checked { accepted },
        Reply::SessionOpened { session, .. } => Outcome::Session { session },
        Reply::SessionAlive { .. } => Outcome::Alive,
        Reply::SessionClosed => Outcome::Closed,
        Reply::Published { ids } => match (action, ids.as_slice()) {
            (Action::PublishBatch { values, .. }, _) if values.len() == ids.len() => {
                Outcome::PublishedBatch { ids }
            }
            (Action::Publish { .. }, [id]) => Outcome::Published { id: *id },
            _ => unexpected("a publish was answered with another number of ids"),
        },
        Reply::Done if matches!(action, Action::Cancel { .. }) => Outcome::NotGranted,
        Reply::Done if matches!(action, Action::Configure { .. }) => Outcome::Configured,
        Reply::QueueInfo(info) => queue::depth_of(info),
        Reply::Size(entries) => Outcome::Size { entries },
        Reply::Messages(messages) => Outcome::Received {
            messages: messages.iter().map(queue::delivered).collect(),
        },
        Reply::Settled(count) => Outcome::Settled { valid: count > 0 },
        Reply::Values(values) if matches!(action, Action::GetMany { .. }) => Outcome::Values {
            values: values
                .iter()
                .map(|found| cache::found(found.as_ref()))
                .collect(),
        },
        Reply::Values(values) => match values.into_iter().next().flatten() {
            Some(found) => Outcome::Value {
                value: Some(value_of(&found.value)),
                version: found.version,
            },
            None => Outcome::Value {
                value: None,
                version: 0,
            },
        },
        Reply::Stored {
            version: Some(version),
        } => Outcome::Stored { version },
        Reply::Stored { version: None } => Outcome::Mismatch,
        Reply::Deleted(_) => Outcome::Stored { version: 0 },
        Reply::Integer { value, version } => Outcome::Counted { value, version },
        other => unexpected(&format!("unexpected reply {other:?}")),
    }
}

fn is_hold(action: &Action) -> bool {
    use Action::*;
    matches!(
        action,
        Acquire { .. } | Release { .. } | KeepAlive { .. } | CloseSession { .. }
    )
}

/// The node answered something that the protocol does not allow here. The effect is
/// unknown; the check for phantom or lost effects will have its say.
fn unexpected(why: &str) -> Outcome {
    Outcome::Unknown { why: why.into() }
}

/// A payload of `bytes` that begins with `value`.
fn payload(value: &str, bytes: u64) -> bytes::Bytes {
    let mut payload = Vec::with_capacity(value.len().max(bytes as usize));
    payload.extend_from_slice(value.as_bytes());
    payload.push(b' ');
    payload.resize(payload.len().max(bytes as usize), b'.');
    payload.into()
}

/// The value that a payload begins with.
fn value_of(payload: &[u8]) -> String {
    let end = payload.iter().position(|byte| *byte == b' ');
    String::from_utf8_lossy(&payload[..end.unwrap_or(payload.len())]).into_owned()
}
