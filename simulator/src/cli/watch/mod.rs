//! Whoever watches a run from this process: the live display, the dashboard, alerts, and the
//! pace at which a simulation is shown.
//!
//! All of it hangs on the events that are recorded; nothing flows back into the run, so that a
//! run that is watched is, to the byte, the run that is not.

mod dashboard;
mod pace;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args as ClapArgs;
use squall_watch::Tally;
use squall_watch::actions::{Actions, Limits, Source};
use squall_watch::board::{Board, RunInfo};

use super::exit::Failure;
use super::live::Display;
use crate::backends::BackendInfo;
use crate::fault::unit;
use crate::history::{Observed, Seen};
use crate::plan::Plan;
use crate::run::AlertLog;
use crate::scenario::alert::{NoHttp, check_http};
use crate::stopwatch::Stopwatch;
pub(super) use dashboard::Dashboard;
use dashboard::Listen;
use pace::{Pace, Pacer};

/// Events of a simulation at full speed between two looks at the clock, which costs more than
/// most events do.
const EVENTS_A_LOOK: u64 = 64;
/// How often a run is published for the dashboard.
const PUBLISHED: Duration = Duration::from_millis(250);

/// What lets others watch.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct WatchArgs {
    /// Serve a page that shows the run as it goes on, and metrics for Prometheus at /metrics
    /// [default ADDR: 127.0.0.1:7665, or any free port]. Off the loopback a token is needed,
    /// which is printed.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true)]
    pub dashboard: Option<Option<std::net::SocketAddr>>,
    /// Keep the dashboard for so long after the run; without it, until the pages that are open
    /// have the report.
    #[arg(long, value_name = "TIME", requires = "dashboard")]
    pub linger: Option<unit::Duration>,
    /// Push the metrics to this http address, as Prometheus's remote write, while the run works
    /// and at its end.
    #[arg(long, value_name = "URL")]
    pub remote_write: Option<String>,
    /// Let a simulation take as long as its clock says, or a multiple: 1x, 0.5x, 10x.
    #[arg(long, value_name = "SPEED")]
    pub pace: Option<Pace>,
    /// Do not run the commands of alerts, and call no webhook.
    #[arg(long)]
    pub no_actions: bool,
}

impl WatchArgs {
    /// Starts what publishes runs, if anybody wants it.
    pub(super) fn open(&self) -> Result<Option<Dashboard>, Failure> {
        if self.dashboard.is_none() && self.remote_write.is_none() {
            return Ok(None);
        }
        let linger = self.linger.map(|time| Duration::from_micros(time.us()));
        let listen = (self.dashboard).map(|address| address.map_or(Listen::Default, Listen::At));
        Dashboard::open(listen, linger, self.remote_write.clone()).map(Some)
    }

    /// Refuses what the backend cannot do, and addresses to which nothing can be pushed.
    pub(super) fn check(&self, info: BackendInfo) -> Result<(), Failure> {
        if let Some(address) = &self.remote_write {
            check_http(address).map_err(|why| {
                Failure::usage(match why {
                    NoHttp::Secure => "--remote-write is plain http, for a server nearby; put a \
                                       proxy that speaks TLS between for https"
                        .to_owned(),
                    NoHttp::NoAddress => format!(
                        "--remote-write takes an address such as \
                         http://127.0.0.1:9090/api/v1/write, not `{address}`"
                    ),
                })
            })?;
        }
        match self.pace {
            Some(_) if !info.simulated => Err(Failure::usage(format!(
                "--pace is for simulation: {} take the time that they take",
                info.title
            ))),
            _ => Ok(()),
        }
    }
}

/// Watches the run of this thread until it is ended.
pub(super) struct Watching {
    watcher: Rc<RefCell<Watcher>>,
    _observed: Observed,
}

impl Watching {
    /// Begins to watch a run of this name; `None`: nobody wants to.
    pub(super) fn begin(
        args: &WatchArgs,
        name: &str,
        plan: &Plan,
        info: BackendInfo,
        quiet: bool,
        dashboard: Option<&Dashboard>,
    ) -> Result<Option<Self>, Failure> {
        let is_idle = quiet && dashboard.is_none() && plan.alerts.is_empty();
        if is_idle && args.pace.is_none() {
            return Ok(None);
        }
        let phases = &plan.phases;
        let planned_us = phases.warmup_us + phases.chaos_us + phases.serve_us;
        let board = dashboard.map(|dashboard| dashboard.board.clone());
        if let Some(board) = &board {
            board.begin(run_info(args, name, plan, info, planned_us));
        }
        let watcher = Watcher {
            tally: Tally::of(plan),
            actions: actions(args, name, plan, info)?,
            has_alerts: !plan.alerts.is_empty(),
            display: (!quiet).then(|| Display::of(plan, planned_us)),
            board,
            watch: Stopwatch::start(),
            published: Duration::ZERO,
            events: 0,
            events_a_look: match info.simulated && args.pace.is_none() {
                true => EVENTS_A_LOOK,
                // Few come in a second.
                false => 1,
            },
        };
        let watcher = Rc::new(RefCell::new(watcher));
        let pacer = args.pace.map(Pacer::at);
        let observer = watcher.clone();
        let observe = move |seen: Seen<'_>| {
            if let (Some(pacer), Seen::Event(event)) = (&pacer, seen) {
                pacer.wait_for(event);
            }
            observer.borrow_mut().take_in(seen);
        };
        Ok(Some(Self {
            watcher,
            _observed: Observed::by(Rc::new(observe)),
        }))
    }

    /// The run is over: what alerts showed, if there were any. Waits for their actions.
    pub(super) fn end(&self) -> Option<AlertLog> {
        self.watcher.borrow_mut().end()
    }
}

fn run_info(
    args: &WatchArgs,
    name: &str,
    plan: &Plan,
    info: BackendInfo,
    planned_us: u64,
) -> RunInfo {
    RunInfo {
        scenario: name.to_owned(),
        seed: plan.seed,
        backend: info.name.into(),
        backend_title: info.title.into(),
        simulated: info.simulated,
        pace: args.pace.map(|pace| pace.to_string()),
        planned_us,
    }
}

fn actions(
    args: &WatchArgs,
    name: &str,
    plan: &Plan,
    info: BackendInfo,
) -> Result<Option<Actions>, Failure> {
    let is_anything = plan.alerts.iter().any(|alert| !alert.actions.is_empty());
    if args.no_actions || !is_anything {
        return Ok(None);
    }
    let source = Source {
        scenario: name.to_owned(),
        seed: plan.seed,
        backend: info.name.into(),
    };
    let started = Actions::start(source, &plan.alerts, Limits::default());
    started.map(Some).map_err(Failure::harness)
}

struct Watcher {
    tally: Tally,
    actions: Option<Actions>,
    has_alerts: bool,
    display: Option<Display>,
    board: Option<Board>,
    watch: Stopwatch,
    /// When the run was published last.
    published: Duration,
    events: u64,
    events_a_look: u64,
}

impl Watcher {
    fn take_in(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Event(event) => self.tally.take_in(event),
            Seen::Sample(sample) => self.tally.take_sample(sample),
        }
        self.act();
        self.events += 1;
        if !self.events.is_multiple_of(self.events_a_look) {
            return;
        }
        let elapsed = self.watch.elapsed();
        if let Some(display) = &mut self.display {
            display.draw(&mut self.tally, elapsed);
        }
        if let Some(board) = &self.board
            && elapsed - self.published >= PUBLISHED
        {
            self.published = elapsed;
            board.publish(&mut self.tally);
        }
    }

    /// Has done what is to be done about alerts that have begun or ended.
    fn act(&mut self) {
        for change in self.tally.alerts.take_changes() {
            if let Some(actions) = &mut self.actions {
                actions.tell(&change);
            }
        }
    }

    fn end(&mut self) -> Option<AlertLog> {
        self.tally.finish();
        self.act();
        self.display = None;
        if let Some(board) = &self.board {
            board.publish(&mut self.tally);
        }
        let actions = self.actions.take();
        self.has_alerts.then(|| AlertLog {
            alerts: self.tally.alerts.reports(),
            actions: actions.map_or_else(Vec::new, Actions::finish),
        })
    }
}
