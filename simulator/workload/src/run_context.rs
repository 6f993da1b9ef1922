//! Shares the recorder, the addresses of nodes and the stop flag among all clients of a run.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use squall_world::World;
use tokio::sync::Notify;

use super::driver::{Connect, Connection};
use super::host::Host;
use super::load::Load;
use super::shared::Shared;
use super::{ClientHandle, Gauge, Usage};
use squall_history::{Recorder, Service};

/// State that all clients of a run share.
pub struct RunContext {
    /// Records the history.
    pub recorder: Recorder,
    pub(super) host: Host,
    connect: Connect,
    /// Whether the cluster is not Squall's own.
    pub is_foreign: bool,
    /// The services that have probes.
    pub(super) probed: RefCell<BTreeSet<Service>>,
    /// Client addresses of the nodes.
    pub addresses: Vec<String>,
    stopped: Cell<bool>,
    running: Cell<usize>,
    /// Whether operations count for workloads that end after so many.
    pub(super) counting: Cell<bool>,
    pub(super) counted: Notify,
    /// Workloads that end after so many operations.
    pub(super) limited: RefCell<Vec<Rc<Shared>>>,
    pub(super) load: RefCell<Option<Rc<Load>>>,
    /// Records that a workload has made, by its name: how many numbers it has used.
    pub(super) records: RefCell<BTreeMap<String, u64>>,
    /// The clients of workloads, in order of their start.
    pub(super) clients: RefCell<Vec<Rc<ClientHandle>>>,
    pub(super) gauge: RefCell<Option<Gauge>>,
}

impl RunContext {
    /// For clients of the world `W`, each of which asks by what `connect` makes for it.
    pub(super) fn with_connect<W: World>(
        recorder: Recorder,
        addresses: Vec<String>,
        connect: Connect,
        is_foreign: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            recorder,
            host: Host::of::<W>(),
            connect,
            is_foreign,
            probed: RefCell::default(),
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

    /// A connection to these nodes, for the client of this number.
    pub(super) fn connect(&self, addresses: &[String], number: usize) -> Box<dyn Connection> {
        (self.connect)(addresses, number)
    }

    /// The clients of workloads that were started, for faults to pick from.
    pub fn clients(&self) -> Vec<Rc<ClientHandle>> {
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

    /// Sets the source of what nodes use (`Self::usage`).
    pub fn measure_by(&self, gauge: Gauge) {
        *self.gauge.borrow_mut() = Some(gauge);
    }

    /// What nodes used from one moment to another, microseconds of the run.
    pub(super) fn usage(&self, from_us: u64, to_us: u64) -> Usage {
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

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Whether no client runs.
    pub fn is_finished(&self) -> bool {
        self.running.get() == 0
    }

    /// Runs a client as a task of the present host.
    pub fn spawn(self: &Rc<Self>, client: impl Future<Output = ()> + 'static) {
        let context = self.clone();
        self.running.set(self.running.get() + 1);
        self.host.spawn(async move {
            client.await;
            context.running.set(context.running.get() - 1);
        });
    }
}
