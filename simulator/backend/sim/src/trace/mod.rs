//! Records messages, syncs of disks and where nodes stand, while a simulation runs on this
//! thread.
//!
//! The network tells of packets, streams of bytes written and read, disks of syncs, and the
//! recorder of operations; a [`Tracing`] makes messages of that. It draws nothing, waits for
//! nothing and wakes nothing, so a run has the same history with and without it. Without one,
//! each of these costs a look at a flag.

mod connection;
mod reply;
mod tap;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use squall_backend::trace::{Hold, Lost, TraceFilter, Traced};
use squall_cluster::raft::witness::{self, Seen};
use squall_engine::executor::{self, HostId, Nanos};
use squall_engine::steps::{self, Step};
use squall_history::{EventKind, Observed, recorder};

pub(super) use connection::Way;
use tap::Tap;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static TAP: RefCell<Option<Tap>> = const { RefCell::new(None) };
}

/// Records the simulations of this thread until it is finished or dropped.
pub struct Tracing {
    _observed: Observed,
}

impl Tracing {
    /// Begins to record.
    pub fn start(filter: TraceFilter) -> Self {
        let witness: Rc<dyn Fn(&Seen)> = Rc::new(saw);
        witness::set(filter.applied.then_some(witness));
        TAP.set(Some(Tap::new(filter)));
        IS_ON.set(true);
        Self {
            _observed: Observed::by(Rc::new(note_operation)),
        }
    }

    /// Ends it.
    pub fn finish(self) -> Traced {
        TAP.take().map_or_else(Traced::default, Tap::finish)
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        IS_ON.set(false);
        TAP.set(None);
        witness::set(None);
    }
}

/// Whether anything is recorded.
#[inline]
pub(super) fn is_on() -> bool {
    IS_ON.get()
}

pub(super) fn with(work: impl FnOnce(&mut Tap)) {
    if is_on() {
        TAP.with_borrow_mut(|tap| {
            if let Some(tap) = tap {
                work(tap);
            }
        });
    }
}

/// A simulation begins: hosts below `nodes` are nodes, the next one has the clients. The bytes
/// of another system than Squall's own cluster are not read.
pub(super) fn begin(nodes: usize, is_own_cluster: bool) {
    with(|tap| tap.begin(nodes, is_own_cluster));
}

/// The run's clock begins now.
pub(super) fn run_starts(now: Nanos) {
    with(|tap| tap.run_starts(now));
    steps::tell(&Step::Noted {
        text: steps::RUN_STARTS,
    });
}

/// The operation that a task of the clients is at.
fn note_operation(seen: recorder::Seen<'_>) {
    let recorder::Seen::Event(event) = seen else {
        return;
    };
    with(|tap| match &event.kind {
        EventKind::Invoke { op, .. } | EventKind::Retry { op, .. } => {
            tap.begin_operation(executor::current().task(), *op);
        }
        EventKind::Return { .. } => tap.end_operation(executor::current().task()),
        _ => {}
    });
}

/// A node has done something with its replicated state.
fn saw(seen: &Seen) {
    with(|tap| {
        let executor = executor::current();
        tap.saw(executor.host(), executor.now(), seen);
    });
}

/// The running task has written so many bytes.
pub(super) fn wrote(ends: impl FnOnce() -> Option<(SocketAddr, SocketAddr)>, bytes: usize) {
    with(|tap| {
        if let Some((local, peer)) = ends() {
            tap.wrote(Way::new(local, peer), executor::current().task(), bytes);
        }
    });
}

/// The running task has read so many bytes.
pub(super) fn read(ends: impl FnOnce() -> Option<(SocketAddr, SocketAddr)>, bytes: usize) {
    with(|tap| {
        if let Some((local, peer)) = ends() {
            tap.read(Way::new(peer, local), executor::current().now(), bytes);
        }
    });
}

/// Nobody reads there any more.
pub(super) fn closed(ends: impl FnOnce() -> Option<(SocketAddr, SocketAddr)>, why: Lost) {
    with(|tap| {
        if let Some((local, peer)) = ends() {
            tap.closed(Way::new(peer, local), why);
        }
    });
}

/// What holds a packet up.
pub(super) fn held(way: Way, causes: impl FnOnce() -> Vec<Hold>) {
    with(|tap| tap.held(way, &causes()));
}

/// The disk of a node begins a sync; its number for [`synced`].
pub(super) fn sync_begins(host: HostId) -> Option<usize> {
    let mut number = None;
    with(|tap| number = Some(tap.sync_begins(host, executor::current().now())));
    number
}

/// It is done.
pub(super) fn synced(number: Option<usize>) {
    if let Some(number) = number {
        with(|tap| tap.synced(number, executor::current().now()));
    }
}
