//! Gives the hosts of a `turmoil` simulation time, tasks, random numbers and panic handling.
//!
//! Every host has a tokio runtime whose paused clock `turmoil` moves tick by tick. Which host
//! a task belongs to is a task-local value that spawned tasks inherit; random numbers come
//! from a stream of each host, as on our own engine.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use squall_world::event::NodeEvent;

/// Receives what nodes report, with the index of the host.
pub(super) type EventSink = Rc<dyn Fn(usize, NodeEvent)>;

/// What all hosts of the simulation on this thread share.
struct Shared {
    /// The time while no host runs; `turmoil` knows it while one does.
    between_ticks: Option<Duration>,
    streams: Vec<ChaCha8Rng>,
    sink: EventSink,
    /// Panics of tasks since this was last asked, by host.
    panics: Vec<(usize, Box<dyn Any + Send>)>,
    /// Hosts of which a task has panicked: none of their tasks runs.
    halted: Vec<bool>,
}

tokio::task_local! {
    static HOST: usize;
}

thread_local! {
    static SHARED: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

fn with_shared<R>(work: impl FnOnce(&mut Shared) -> R) -> R {
    SHARED.with_borrow_mut(|shared| work(shared.as_mut().expect("inside a simulation")))
}

/// Makes this thread that of a simulation, until dropped.
pub(super) struct Entered(());

impl Entered {
    /// With a stream of random numbers for each host.
    pub(super) fn new(streams: Vec<ChaCha8Rng>, sink: EventSink) -> Self {
        SHARED.with_borrow_mut(|shared| {
            assert!(shared.is_none(), "one simulation a thread at a time");
            *shared = Some(Shared {
                between_ticks: Some(Duration::ZERO),
                halted: vec![false; streams.len()],
                streams,
                sink,
                panics: Vec::new(),
            });
        });
        Self(())
    }

    /// Says that hosts run from now on, or that it is `at` and none does.
    pub(super) fn set_between_ticks(&self, at: Option<Duration>) {
        with_shared(|shared| shared.between_ticks = at);
    }

    /// Tasks that have panicked since the last call.
    pub(super) fn take_panics(&self) -> Vec<(usize, Box<dyn Any + Send>)> {
        with_shared(|shared| std::mem::take(&mut shared.panics))
    }

    /// Lets tasks of `host` run again: those that were there have been dropped.
    pub(super) fn clear_halt(&self, host: usize) {
        with_shared(|shared| shared.halted[host] = false);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        SHARED.set(None);
    }
}

/// Time since the simulation began.
pub(super) fn elapsed() -> Duration {
    let between = with_shared(|shared| shared.between_ticks);
    between.or_else(turmoil::sim_elapsed).unwrap_or_default()
}

/// Runs `work` as if a task of `host` did it.
pub(super) fn as_host<R>(host: usize, work: impl FnOnce() -> R) -> R {
    HOST.sync_scope(host, work)
}

/// Makes `future` a task of `host`. A panic stops the host's tasks and is kept for the driver
/// of the simulation: tokio would swallow it.
pub(super) fn on_host<T>(
    host: usize,
    future: impl Future<Output = T> + 'static,
) -> impl Future<Output = T> {
    let mut future = Box::pin(future);
    HOST.scope(
        host,
        poll_fn(move |cx| {
            if with_shared(|shared| shared.halted[host]) {
                return Poll::Pending;
            }
            // Nothing of a task is looked at again after it panicked.
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(poll) => poll,
                Err(panic) => {
                    with_shared(|shared| {
                        shared.halted[host] = true;
                        shared.panics.push((host, panic));
                    });
                    Poll::Pending
                }
            }
        }),
    )
}

/// A task of the host whose task runs.
#[allow(clippy::disallowed_methods)] // below the seam
pub(super) fn spawn(task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(on_host(HOST.get(), task));
}

/// Sleeps in virtual time.
#[allow(clippy::disallowed_methods)] // below the seam; the runtime's clock is virtual
pub(super) fn sleep(duration: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(duration)
}

/// A random number of the host whose task runs.
pub(super) fn random_u64() -> u64 {
    let host = HOST.get();
    with_shared(|shared| shared.streams[host].next_u64())
}

/// Hands an event of the host whose task runs to whoever records it.
pub(super) fn emit(event: NodeEvent) {
    let sink = with_shared(|shared| shared.sink.clone());
    sink(HOST.get(), event);
}
