//! One node: its machine, the process on it, and what is known of both.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt};
use squall_world::{Instant, RealWorld, World};
use tokio::sync::{Mutex, Notify};

use super::DockerError;
use super::engine::Output;
use super::node_status::{Line, Lines, NodeStatus};
use super::process::{Process, Signal};
use super::run_resources::{Holder, RunResources};
use squall_fault::node_name;
use squall_history::{EventKind, NodeEvent};
use squall_linux::clock::Clock;
use squall_workload::RunContext;

/// A process asked to stop is killed after this long.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// What a process had written is read within this time of its end.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// What was learnt by asking is good for this long.
const FRESH: Duration = Duration::from_millis(500);

/// What all machines of a run share.
pub(super) struct Common {
    pub resources: Rc<RunResources>,
    pub clock: Clock,
    pub context: Rc<RunContext>,
    /// Arguments of every node but those that differ.
    pub arguments: Vec<String>,
    /// `ID=ADDRESS,…` of the first members.
    pub members: String,
    /// Set when the harness cannot go on.
    pub failure: RefCell<Option<DockerError>>,
    pub failed: Notify,
}

impl Common {
    /// Ends the run: this is no fault of the cluster.
    pub(super) fn fail(&self, error: DockerError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.failed.notify_one();
    }
}

pub(super) struct Machine {
    pub index: usize,
    pub holder: Holder,
    /// Where clients reach the node.
    pub address: String,
    pub node_status: NodeStatus,
    common: Rc<Common>,
    container: RefCell<Option<String>>,
    process: RefCell<Option<Rc<Process>>>,
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
    pub lost: RefCell<Option<String>>,
    pub is_newcomer: Cell<bool>,
    applied: Cell<Option<(Instant, u64)>>,
    /// When somebody last wanted to know how far the node has come.
    asked: Cell<Option<Instant>>,
    /// What it last wrote on standard error.
    last_error: RefCell<String>,
}

impl Machine {
    pub(super) fn new(
        index: usize,
        holder: Holder,
        address: String,
        common: Rc<Common>,
        is_newcomer: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            index,
            holder,
            address,
            node_status: NodeStatus::default(),
            common,
            container: RefCell::default(),
            process: RefCell::default(),
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
            applied: Cell::default(),
            asked: Cell::default(),
            last_error: RefCell::default(),
        })
    }

    /// What the node wrote before it ended by itself, if it has.
    pub(super) fn last_words(&self) -> Option<String> {
        let last = self.last_error.borrow();
        (!self.is_up() && !last.is_empty()).then(|| format!("{} said: {last}", self.name()))
    }

    pub(super) fn name(&self) -> String {
        node_name(self.index)
    }

    pub(super) fn starts(&self) -> u64 {
        self.starts.get()
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
    pub(super) fn pid(&self) -> Option<i32> {
        let process = self.process.borrow();
        process.as_ref().map(|process| process.pid())
    }

    /// How far the node has applied the log, if that was learnt lately; and that somebody
    /// wants to know.
    pub(super) fn applied(&self) -> Option<u64> {
        let now = RealWorld::now();
        self.asked.set(Some(now));
        let (at, index) = self.applied.get()?;
        (self.is_up() && now - at < FRESH).then_some(index)
    }

    /// Whether somebody has lately wanted to know how far the node has come.
    pub(super) fn is_asked_for(&self) -> bool {
        let asked = self.asked.get();
        asked.is_some_and(|at| RealWorld::now() - at < FRESH)
    }

    pub(super) fn note_applied(&self, index: u64) {
        self.applied.set(Some((RealWorld::now(), index)));
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

    async fn start_process(self: &Rc<Self>) -> Result<(), DockerError> {
        let engine = &self.common.resources.engine;
        let known = self.container.borrow().clone();
        let container = match known {
            Some(container) => container,
            None => {
                let command = self.command();
                let resources = &self.common.resources;
                let created = resources
                    .create_node(self.index, &self.holder, command)
                    .await?;
                *self.container.borrow_mut() = Some(created.clone());
                created
            }
        };
        self.ended_by_us.set(None);
        self.node_status.begin_life();
        // Before the first word.
        let output = engine.attach(&container).await?;
        engine.start(&container).await?;
        let process = Rc::new(Process::of(engine, &container).await?);
        *self.process.borrow_mut() = Some(process.clone());
        let machine = self.clone();
        RealWorld::spawn(async move {
            if let Err(error) = machine.live(process, Box::pin(output)).await {
                machine.common.fail(error);
            }
        });
        Ok(())
    }

    fn command(&self) -> Vec<String> {
        let id = (self.index + 1).to_string();
        // Nobody but this machine reaches a container.
        let mut command = vec!["--id".to_owned(), id, "--insecure".to_owned()];
        let (host, port) = self.address.rsplit_once(':').expect("host:port");
        match self.is_newcomer.get() {
            true => command.extend(["--join", "--host", host, "--port", port].map(str::to_owned)),
            false => command.extend(["--cluster".to_owned(), self.common.members.clone()]),
        }
        command.extend(self.common.arguments.iter().cloned());
        command
    }

    /// Listens to a process until it ends, and records that it did.
    async fn live(
        &self,
        process: Rc<Process>,
        mut output: Pin<Box<impl Stream<Item = Output>>>,
    ) -> Result<(), DockerError> {
        let (mut lines, mut errors) = (Lines::default(), Lines::default());
        let mut listen = pin!(async {
            while let Some(piece) = output.next().await {
                match piece {
                    Output::Out(piece) => {
                        lines.feed(&piece).iter().for_each(|line| self.hear(line));
                    }
                    Output::Err(piece) => {
                        if let Some(last) = errors.feed(&piece).pop() {
                            *self.last_error.borrow_mut() = last;
                        }
                    }
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
        self.applied.set(None);
        self.node_status.forget_life();
        let by_itself = || {
            let code = exit_code.map_or("unknown".into(), |code| code.to_string());
            let last = self.last_error.borrow();
            format!("ended by itself with exit code {code}: {last}")
        };
        let why = self.ended_by_us.get().map_or_else(by_itself, str::to_owned);
        if !self.node_status.has_stopped() || self.ended_by_us.get() == Some(KILLED) {
            let (node, event) = (self.name(), NodeEvent::Stopped { why });
            let kind = EventKind::Node { node, event };
            let at_us = self.ended_at_us.get();
            self.common.context.recorder.record_at(at_us, kind);
        }
        self.is_up.set(false);
        self.end.notify_waiters();
    }

    fn hear(&self, line: &str) {
        // A line that is no event is for people.
        let Ok(Line {
            monotonic_us,
            event,
        }) = serde_json::from_str(line)
        else {
            return;
        };
        self.node_status.hear(&event);
        let at_us = self.common.clock.run_us(monotonic_us);
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
        (process.signal(signal).await).map_err(|e| e.to_string())?;
        let deadline = RealWorld::now() + Duration::from_secs(1);
        while process.is_stopped() != paused {
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
        let known = self.container.borrow_mut().take();
        if let Some(container) = known
            && let Err(error) = self.common.resources.renew(self.index, &container).await
        {
            self.common.fail(error);
        }
        *self.lost.borrow_mut() = None;
        self.is_newcomer.set(true);
        self.common.context.recorder.record(EventKind::Node {
            node: self.name(),
            event: NodeEvent::Replaced,
        });
    }
}

const KILLED: &str = "killed";
