//! The seam between the cluster and the world it runs in.
//!
//! Every source of time, tasks, randomness and sockets that the cluster uses goes through
//! [`World`]; durable files go through [`disk::Disk`]. One compiled cluster serves
//! every world by static dispatch: the real one below, the simulated one of the simulator
//! crate, and, in its benchmarks, the classic `turmoil` engine.
//!
//! The functions are static because openraft's `AsyncRuntime` is: a world finds out by
//! itself which node is running (a thread-local in simulations, the process in reality).
//! Everything is single-threaded; no future needs `Send`.

#![warn(missing_docs)]

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::ops::{Add, Sub};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::disk::Disk;
use crate::event::NodeEvent;
use crate::point::Point;
use crate::tls::Handshake;

pub mod disk;
pub mod event;
pub mod outlet;
pub mod point;
mod real;
mod stream;
pub mod tls;

pub use real::{RealWorld, machine_clock_us};
pub use stream::RealStream;

/// A point on a node's monotonic clock, in nanoseconds since an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(pub u64);

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(nanos(duration)))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether somebody can be reached under this host: not under one that is empty or stands for
/// every interface. An IPv6 host has brackets.
pub fn is_reachable(host: &str) -> bool {
    let is_bare_v6 = host.contains(':') && !host.starts_with('[');
    !is_bare_v6 && !matches!(host, "" | "*" | "0" | "0.0.0.0" | "[::]" | "[]")
}

/// Time, tasks, randomness and sockets, as one node sees them.
#[allow(async_fn_in_trait)] // single-threaded by design: no future here needs `Send`
pub trait World: Copy + Default + Debug + Eq + Ord + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;
    /// A listening socket.
    type Listener: 'static;
    /// Resolves when a time has come.
    type Sleep: Future<Output = ()> + 'static;
    /// Durable files.
    type Disk: Disk;

    /// The node's monotonic clock. May run fast or slow, never backwards.
    fn now() -> Instant;
    /// The node's wall clock, milliseconds since the Unix epoch. May jump.
    fn wall_clock_ms() -> u64;
    /// Resolves at `deadline`; at once if that has passed.
    fn sleep_until(deadline: Instant) -> Self::Sleep;
    /// Runs a task on this node until it ends or the node dies.
    fn spawn(task: impl Future<Output = ()> + 'static);
    /// A random number, uniform over all 64 bits.
    fn random_u64() -> u64;

    /// Listens on `address` (`host:port`).
    async fn listen(address: &str) -> io::Result<Self::Listener>;
    /// Waits for the next connection.
    async fn accept(listener: &mut Self::Listener) -> io::Result<Self::Stream>;
    /// Opens a connection to `host:port`.
    async fn connect(address: &str) -> io::Result<Self::Stream>;
    /// Encrypts a connection with TLS, and finds out who is on its other side. Only the real world
    /// can.
    ///
    /// # Errors
    /// The other side is not who it must be, does not encrypt, or breaks off; `Unsupported` in a
    /// world without encryption.
    async fn secure(_: Self::Stream, _: &Handshake) -> io::Result<Self::Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Certificates that the other side of an encrypted connection has shown, in DER, its own
    /// first; none of any other connection.
    fn certificates_of(_: &Self::Stream) -> Vec<Vec<u8>> {
        Vec::new()
    }
    /// Where a connection comes from, for people; empty if this world does not tell.
    fn peer_name(_: &Self::Stream) -> String {
        String::new()
    }

    /// Makes a structured event of this node known to whoever observes it.
    fn emit(event: NodeEvent);

    /// Does pure work that takes long. Where there is another processor, the node goes on
    /// meanwhile; in a simulation computing takes no time, and nothing comes in between.
    async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    /// The node passes a point at which a simulated world may make something happen. In a real
    /// one this is nothing: it never waits, and costs nothing.
    async fn pass(_: Point) {}

    /// Resolves after `duration`.
    fn sleep(duration: Duration) -> Self::Sleep {
        Self::sleep_until(Self::now() + duration)
    }
}

/// The future did not finish in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

pin_project_lite::pin_project! {
    /// A future with a deadline; see [`timeout_at`].
    pub struct Timeout<W: World, F> {
        #[pin]
        future: F,
        #[pin]
        sleep: W::Sleep,
    }
}

/// Runs `future` until `deadline`.
pub fn timeout_at<W: World, F: Future>(deadline: Instant, future: F) -> Timeout<W, F> {
    Timeout {
        future,
        sleep: W::sleep_until(deadline),
    }
}

/// Lets every other task that is ready go first.
pub async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Runs `future` for at most `duration`.
pub fn timeout<W: World, F: Future>(duration: Duration, future: F) -> Timeout<W, F> {
    timeout_at::<W, F>(W::now() + duration, future)
}

impl<W: World, F: Future> Future for Timeout<W, F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        use std::task::Poll;
        let this = self.project();
        // The future first: a result that is ready counts even at the deadline.
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.sleep.poll(cx).map(|()| Err(Elapsed))
    }
}
