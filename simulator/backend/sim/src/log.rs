//! Captures what nodes log while a simulation runs on this thread, in virtual time.
//!
//! A [`Capture`] listens to the `tracing` events of the cluster and of openraft, and keeps those
//! that its [`LogFilter`] asks for. Listening draws nothing, waits for nothing and wakes
//! nothing, so a run has the same history with and without it.
//!
//! Spans are not captured: an event's own fields say what happened.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::rc::Rc;

use squall_backend::log::{LogFilter, LogLine, Logs, Part};
use squall_cluster::raft::node_name;
use squall_world::event::NodeEvent;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;

use squall_engine::executor::{self, HostId};

/// More than this is dropped and counted: some gigabytes would not help anybody.
const MOST_LINES: usize = 1_000_000;

thread_local! {
    static SHARED: RefCell<Option<Rc<Shared>>> = const { RefCell::new(None) };
}

/// What the subscriber, which may be called on any thread, finds on the thread of the run.
struct Shared {
    filter: LogFilter,
    /// By host; absent before the first report.
    reported: RefCell<BTreeMap<usize, Part>>,
    /// Times since the executor began, until [`Capture::finish`] makes them the run's.
    logs: RefCell<Logs>,
    start_ns: Cell<Option<u64>>,
}

/// Captures the logs of simulations on this thread until it is finished or dropped.
pub struct Capture {
    shared: Rc<Shared>,
    _default: DefaultGuard,
}

impl Capture {
    /// Begins to listen.
    pub fn start(filter: LogFilter) -> Self {
        let subscriber = Listener {
            levels: filter.each().cloned().collect(),
        };
        let shared = Rc::new(Shared {
            filter,
            reported: RefCell::default(),
            logs: RefCell::default(),
            start_ns: Cell::new(None),
        });
        SHARED.set(Some(shared.clone()));
        Self {
            shared,
            _default: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Ends it. The lines are those within the filter's window.
    pub fn finish(self) -> Logs {
        let mut logs = self.shared.logs.take();
        let start_us = self.shared.start_ns.get().unwrap_or(0) / 1_000;
        for line in &mut logs.lines {
            line.at_us -= i64::try_from(start_us).expect("a run lasts less than 292,000 years");
        }
        logs.lines.retain(|line| self.shared.filter.has(line.at_us));
        logs
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        SHARED.set(None);
    }
}

/// The run's clock begins now.
pub(super) fn run_starts(now_ns: u64) {
    with_shared(|shared| shared.start_ns.set(Some(now_ns)));
}

/// A node has reported something: its later lines bear its role and term.
pub(super) fn observe(host: HostId, event: &NodeEvent) {
    with_shared(|shared| {
        let mut reported = shared.reported.borrow_mut();
        reported.entry(host.0).or_default().note(event);
    });
}

fn with_shared(work: impl FnOnce(&Shared)) {
    SHARED.with_borrow(|shared| {
        if let Some(shared) = shared {
            work(shared);
        }
    });
}

/// Hands events to the capture of the thread on which they happen.
struct Listener {
    levels: Vec<Targets>,
}

impl Listener {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let mut levels = self.levels.iter();
        metadata.is_event()
            && levels.any(|level| level.would_enable(metadata.target(), metadata.level()))
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let levels = self.levels.iter();
        let hint = |targets: &Targets| {
            let of_targets = targets.iter().map(|(_, level)| level).max();
            of_targets.max(targets.default_level())
        };
        levels.filter_map(hint).max()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.wants(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        with_shared(|shared| shared.take(event));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Shared {
    fn take(&self, event: &Event<'_>) {
        // Formatting a field may log as well.
        let Ok(mut logs) = self.logs.try_borrow_mut() else {
            return;
        };
        let executor = executor::current();
        let (host, metadata) = (executor.host(), event.metadata());
        let node = node_name(host.0 as u64 + 1);
        let is_wanted = self
            .filter
            .of(&node)
            .is_some_and(|targets| targets.would_enable(metadata.target(), metadata.level()));
        let at_us = i64::try_from(executor.now() / 1_000).unwrap_or(i64::MAX);
        if !is_wanted || self.is_outside(at_us) {
            return;
        }
        if logs.lines.len() == MOST_LINES {
            logs.dropped += 1;
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let Part { role, term } = self
            .reported
            .borrow()
            .get(&host.0)
            .copied()
            .unwrap_or_default();
        logs.lines.push(LogLine {
            at_us,
            node,
            role,
            term,
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            text: text.message + &text.fields,
        });
    }

    /// Whether it is certain, before the run has ended, that the line is not wanted.
    fn is_outside(&self, at_us: i64) -> bool {
        match self.start_ns.get() {
            Some(start_ns) => !self.filter.has(at_us - (start_ns / 1_000) as i64),
            None => false,
        }
    }
}

/// An event as text.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }
}
