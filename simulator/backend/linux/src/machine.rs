//! One node: its machine, the process on it, and what is known of both.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use squall_world::{Instant, RealWorld, World};
use tokio::sync::{Mutex, Notify};

use super::clock::Clock;
use super::host::{Host, HostProcess, Output, OutputStream, Source, Started};
use super::node_log::{Lines, NodeLog};
use super::node_status::{Line, NodeStatus};
use super::poll::{Leaderships, Polled, Polling, Status};
use super::process::Signal;
use super::sampler::Metered;
use squall_backend::log::Part;
use squall_fault::node_name;
use squall_history::{EventKind, NodeEvent};
use squall_workload::RunContext;

/// A process asked to stop is killed after this long.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// What a process had written is read within this time of its end.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// What was learnt by asking is good for this long, or longer where asking takes longer.
const FRESH: Duration = Duration::from_millis(500);

/// What all machines of a run share.
pub(super) struct Common<H> {
    pub host: H,
    pub clock: Clock,
    pub context: Rc<RunContext>,
    /// `None`: nodes tell what happens on their standard output, and take Squall's commands.
    pub polled: Option<Polled>,
    pub leaderships: Leaderships,
    /// Whether the cluster is made; before that, what nodes say of their parts is not the
    /// cluster's.
    pub is_made: Cell<bool>,
    pub log: NodeLog,
    /// Set when the harness cannot go on.
    pub failure: RefCell<Option<String>>,
    pub failed: Notify,
}

impl<H> Common<H> {
    /// Ends the run: this is no fault of the cluster.
    pub(super) fn fail(&self, why: String) {
        self.failure.borrow_mut().get_or_insert(why);
        self.failed.notify_one();
    }
}

/// A machine on which one node of the run lives.
pub struct Machine<H: Host> {
    pub(super) index: usize,
    /// Where clients reach the node.
    pub(super) address: String,
    pub(super) node_status: NodeStatus,
    /// The part that the node has said it plays.
    part: Cell<Part>,
    common: Rc<Common<H>>,
    process: RefCell<Option<Rc<H::Process>>>,
    /// Processes that there have been.
    lives: Cell<u64>,
    /// From the moment it is to be started until it has ended.
    is_up: Cell<bool>,
    /// How often it was started.
    starts: Cell<u64>,
    is_paused: Cell<bool>,
    /// Whether the harness has ended the process, and how.
    ended_by_us: Cell<Option<&'static str>>,
    /// When the last process was sent SIGKILL, microseconds of the run. Others may notice, and
    /// elect a leader, before its end is seen here.
    killed_at_us: Cell<u64>,
    /// When the last process was seen to have ended, microseconds of the run.
    ended_at_us: Cell<u64>,
    /// Rings when a process has ended and its last words are recorded.
    end: Notify,
    /// Starting and ending take turns.
    turn: Mutex<()>,
    pub(super) lost: RefCell<Option<String>>,
    is_newcomer: Cell<bool>,
    /// How far it has come, and when it said so; the inner `None`: it answered, and does not
    /// tell.
    answered: Cell<Option<(Instant, Option<u64>)>>,
    /// What became of the last question, if there was no answer.
    trouble: RefCell<Option<String>>,
    /// When somebody last wanted to know how far the node has come.
    asked: Cell<Option<Instant>>,
    /// What it last wrote on standard error.
    last_error: RefCell<String>,
}

impl<H: Host> Machine<H> {
    pub(super) fn new(
        index: usize,
        address: String,
        common: Rc<Common<H>>,
        is_newcomer: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            index,
            address,
            node_status: NodeStatus::default(),
            part: Cell::default(),
            common,
            process: RefCell::default(),
            lives: Cell::default(),
            is_up: Cell::new(false),
            starts: Cell::default(),
            is_paused: Cell::new(false),
            ended_by_us: Cell::default(),
            killed_at_us: Cell::default(),
            ended_at_us: Cell::default(),
            end: Notify::new(),
            turn: Mutex::default(),
            lost: RefCell::default(),
            is_newcomer: Cell::new(is_newcomer),
            answered: Cell::default(),
            trouble: RefCell::default(),
            asked: Cell::default(),
            last_error: RefCell::default(),
        })
    }

    /// What the node wrote before it ended by itself, if it has.
    pub fn last_words(&self) -> Option<String> {
        let last = self.last_error.borrow();
        (!self.is_up() && !last.is_empty()).then(|| format!("{} said: {last}", self.name()))
    }

    /// `node-1` is the first.
    pub fn name(&self) -> String {
        node_name(self.index)
    }

    pub(super) fn starts(&self) -> u64 {
        self.starts.get()
    }

    /// Where clients reach the node, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.get()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    pub(super) fn killed_at_us(&self) -> u64 {
        self.killed_at_us.get()
    }

    /// Number of the process, while it runs.
    pub fn pid(&self) -> Option<i32> {
        let process = self.process.borrow();
        process.as_ref().map(|process| process.pid())
    }

    /// As whoever reads the kernel's accounts must know it.
    pub(super) fn metered(&self) -> Metered {
        let process = self.process.borrow();
        Metered {
            name: self.name(),
            network: self.common.host.network(self.index),
            accounts: process.as_ref().map(|process| process.accounts()),
        }
    }

    /// How far the node has applied the log, if that was learnt lately; and that somebody
    /// wants to know.
    pub(super) fn applied(&self) -> Option<u64> {
        self.asked.set(Some(RealWorld::now()));
        self.answer().flatten()
    }

    /// Whether it has lately answered, and does not tell how far it has come.
    pub(super) fn is_untold(&self) -> bool {
        self.answer() == Some(None)
    }

    /// What it has lately answered.
    fn answer(&self) -> Option<Option<u64>> {
        let polled = self.common.polled.as_ref();
        let fresh = polled.map_or(FRESH, |polled| FRESH.max(polled.longest()));
        let (at, applied) = self.answered.get()?;
        (self.is_up() && RealWorld::now() - at < fresh).then_some(applied)
    }

    /// Why the last question had no answer, if it had none.
    pub(super) fn trouble(&self) -> Option<String> {
        let why = self.trouble.borrow().clone()?;
        Some(format!("{} does not say how it stands: {why}", self.name()))
    }

    /// Whether somebody has lately wanted to know how far the node has come.
    pub(super) fn is_asked_for(&self) -> bool {
        let asked = self.asked.get();
        asked.is_some_and(|at| RealWorld::now() - at < FRESH)
    }

    /// It has answered; `None`: without telling how far it has come.
    pub(super) fn note_answer(&self, applied: Option<u64>) {
        self.answered.set(Some((RealWorld::now(), applied)));
    }

    /// Starts the process; done when it runs.
    pub(super) async fn start(self: &Rc<Self>) {
        let _turn = self.turn.lock().await;
        if self.is_up.replace(true) {
            return;
        }
        self.starts.set(self.starts.get() + 1);
        if let Err(error) = self.start_process().await {
            self.common.fail(error);
        }
    }

    async fn start_process(self: &Rc<Self>) -> Result<(), String> {
        self.ended_by_us.set(None);
        self.node_status.begin_life();
        let host = &self.common.host;
        let started = host.start(self.index, self.is_newcomer.get()).await?;
        let Started { process, output } = started;
        let process = Rc::new(process);
        self.lives.set(self.lives.get() + 1);
        *self.process.borrow_mut() = Some(process.clone());
        let machine = self.clone();
        RealWorld::spawn(async move {
            if let Err(error) = machine.live(process, output).await {
                machine.common.fail(error);
            }
        });
        Ok(())
    }

    /// Listens to a process until it ends, and records that it did.
    async fn live(&self, process: Rc<H::Process>, mut output: OutputStream) -> Result<(), String> {
        let mut listen = pin!(async {
            let mut lines: BTreeMap<Source, Lines> = BTreeMap::new();
            while let Some(Output { source, bytes }) = output.next().await {
                let completed = lines.entry(source).or_default().feed(&bytes);
                completed.iter().for_each(|line| self.hear(source, line));
            }
            for (source, lines) in &mut lines {
                if let Some(line) = lines.finish() {
                    self.hear(*source, &line);
                }
            }
        });
        let mut ended = pin!(process.ended());
        let has_ended = match select(listen.as_mut(), ended.as_mut()).await {
            Either::Left(_) => None,
            Either::Right((result, _)) => Some(result),
        };
        let is_heard_out = has_ended.is_none();
        match has_ended {
            Some(result) => result?,
            None => ended.await?,
        }
        self.ended_at_us.set(self.common.context.recorder.now_us());
        self.node_status.forget_life();
        if !is_heard_out {
            // Its last words may still be on their way.
            let _ = squall_world::timeout::<RealWorld, _>(DRAIN_LIMIT, listen).await;
        }
        let exit_code = process.settled().await?;
        self.note_end(exit_code);
        Ok(())
    }

    fn note_end(&self, exit_code: Option<i64>) {
        *self.process.borrow_mut() = None;
        self.is_paused.set(false);
        self.answered.set(None);
        self.node_status.forget_life();
        let by_itself = || {
            let code = exit_code.map_or("unknown".into(), |code| code.to_string());
            let last = self.last_error.borrow();
            format!("ended by itself with exit code {code}: {last}")
        };
        let why = self.ended_by_us.get().map_or_else(by_itself, str::to_owned);
        if !self.node_status.has_stopped() || self.ended_by_us.get() == Some(KILLED) {
            self.record(self.ended_at_us.get(), NodeEvent::Stopped { why });
        }
        self.is_up.set(false);
        self.end.notify_waiters();
    }

    fn hear(&self, source: Source, line: &str) {
        if source == Source::Out && self.common.polled.is_none() {
            let read = serde_json::from_str(line);
            if let Ok(Line {
                monotonic_us,
                event,
            }) = read
            {
                return self.record(self.common.clock.run_us(monotonic_us), event);
            }
        }
        // A line that is no event is for people.
        if source == Source::Err {
            *self.last_error.borrow_mut() = line.to_owned();
        }
        (self.common.log).add(self.name(), self.part.get(), source, line);
    }

    fn record(&self, at_us: u64, event: NodeEvent) {
        self.node_status.hear(at_us, &event);
        let mut part = self.part.get();
        part.note(&event);
        self.part.set(part);
        let node = self.name();
        let kind = EventKind::Node { node, event };
        self.common.context.recorder.record_at(at_us, kind);
    }

    /// Sends SIGKILL, and does not wait.
    pub(super) async fn strike(&self) {
        let _turn = self.turn.lock().await;
        let process = self.process.borrow().clone();
        let Some(process) = process else {
            return;
        };
        self.ended_by_us.set(Some(KILLED));
        self.killed_at_us.set(self.common.context.recorder.now_us());
        if let Err(error) = process.signal(Signal::KILL).await {
            self.common.fail(error);
        }
    }

    /// Waits until no process is left.
    pub(super) async fn gone(&self) {
        loop {
            let end = self.end.notified();
            if !self.is_up() {
                return;
            }
            end.await;
        }
    }

    /// SIGTERM, and SIGKILL if that takes long.
    pub(super) async fn stop(&self) {
        let process = self.process.borrow().clone();
        let Some(process) = process else {
            // It may be starting.
            self.strike().await;
            return self.gone().await;
        };
        self.ended_by_us.set(Some("asked to by the nemesis"));
        if let Err(error) = process.signal(Signal::TERM).await {
            self.common.fail(error);
        }
        let limit = squall_world::timeout::<RealWorld, _>(STOP_LIMIT, self.gone());
        if limit.await.is_err() {
            self.strike().await;
            self.gone().await;
        }
    }

    /// SIGSTOP or SIGCONT, seen to have worked.
    pub(super) async fn set_paused(&self, paused: bool) -> Result<(), String> {
        let process = self.process.borrow().clone();
        let Some(process) = process else {
            return Err(format!("{} does not run", self.name()));
        };
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        process.signal(signal).await?;
        let deadline = RealWorld::now() + Duration::from_secs(1);
        let is_done = || match paused {
            true => process.is_stopped(),
            false => process.is_resumed(),
        };
        while !is_done() {
            if RealWorld::now() > deadline {
                let state = if paused { "still runs" } else { "still stands" };
                return Err(format!("{} {state}", self.name()));
            }
            RealWorld::sleep(Duration::from_millis(1)).await;
        }
        self.is_paused.set(paused);
        Ok(())
    }

    /// An empty machine in place of this one, whose process is down.
    pub(super) async fn renew(&self) {
        if let Err(error) = self.common.host.renew(self.index).await {
            self.common.fail(error);
        }
        *self.lost.borrow_mut() = None;
        self.is_newcomer.set(true);
        let now_us = self.common.context.recorder.now_us();
        self.record(now_us, NodeEvent::Replaced);
    }
}

impl<H: Host> Polling for Machine<H> {
    fn life(&self) -> Option<u64> {
        let runs = self.process.borrow().is_some() && !self.is_paused();
        (runs && self.common.is_made.get()).then(|| self.lives.get())
    }

    fn learn(&self, status: Status, events: Vec<NodeEvent>) {
        let now_us = self.common.context.recorder.now_us();
        events
            .into_iter()
            .for_each(|event| self.record(now_us, event));
        *self.trouble.borrow_mut() = None;
        self.note_answer(status.applied);
    }

    fn miss(&self, why: String) {
        *self.trouble.borrow_mut() = Some(why);
    }
}

const KILLED: &str = "killed";

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
