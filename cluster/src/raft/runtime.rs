//! openraft's `AsyncRuntime` on top of a [`World`].
//!
//! All time, tasks, channels and randomness of openraft come from here, which is what makes
//! a simulated cluster deterministic. The watch channel is ours because tokio's wakes its
//! receivers in a random order, the queue and the one-shot because tokio's are made for
//! threads (`watch`, `channel`, `once`); the mutex is tokio's,
//! which needs no runtime.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use openraft::async_runtime::{self, AsyncRuntime};

use super::channel::LocalMpsc;
use super::once::{self, LocalOnce};
use super::watch::LocalWatch;
use crate::world::{self, Elapsed, World};

/// The runtime of a node living in world `W`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Runtime<W>(PhantomData<W>);

/// A node's instant, tied to its world so that `now()` knows which clock to ask.
#[derive(Debug)]
pub struct Instant<W>(pub world::Instant, PhantomData<W>);

impl<W> Instant<W> {
    /// Of that world.
    pub fn new(instant: world::Instant) -> Self {
        Self(instant, PhantomData)
    }
}

impl<W> Clone for Instant<W> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<W> Copy for Instant<W> {}
impl<W> PartialEq for Instant<W> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<W> Eq for Instant<W> {}
impl<W> PartialOrd for Instant<W> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<W> Ord for Instant<W> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<W> Add<Duration> for Instant<W> {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self::new(self.0 + duration)
    }
}
impl<W> AddAssign<Duration> for Instant<W> {
    fn add_assign(&mut self, duration: Duration) {
        self.0 = self.0 + duration;
    }
}
impl<W> Sub<Duration> for Instant<W> {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self::new(self.0 - duration)
    }
}
impl<W> Sub for Instant<W> {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.0 - earlier.0
    }
}
impl<W> SubAssign<Duration> for Instant<W> {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 = self.0 - duration;
    }
}

impl<W: World + std::panic::RefUnwindSafe + std::panic::UnwindSafe + Unpin> async_runtime::Instant
    for Instant<W>
{
    fn now() -> Self {
        Self::new(W::now())
    }
}

/// The task ended without a result: it panicked or its node died.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("task ended without a result")]
pub struct TaskLost;

/// Resolves to the output of a spawned task.
pub struct JoinHandle<T>(once::Receiver<T>);

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, TaskLost>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| TaskLost)
    }
}

/// openraft draws its election timeouts from here; the world decides how random that is.
pub struct WorldRng<W>(PhantomData<W>);

impl<W: World> rand::TryRng for WorldRng<W> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok((W::random_u64() >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(W::random_u64())
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&W::random_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl<W: World + std::panic::RefUnwindSafe + std::panic::UnwindSafe + Unpin> AsyncRuntime
    for Runtime<W>
{
    type JoinError = TaskLost;
    type JoinHandle<T: 'static> = JoinHandle<T>;
    type Sleep = W::Sleep;
    type Instant = Instant<W>;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R>> = world::Timeout<W, T>;
    type ThreadLocalRng = WorldRng<W>;
    type Mpsc = LocalMpsc;
    type Watch = LocalWatch;
    type Oneshot = LocalOnce;
    type Mutex<T: 'static> = TokioMutex<T>;

    fn spawn<T>(future: T) -> JoinHandle<T::Output>
    where
        T: Future + 'static,
        T::Output: 'static,
    {
        let (done, handle) = once::channel();
        W::spawn(async move {
            // Nobody waiting for the result is fine.
            let _ = done.send(future.await);
        });
        JoinHandle(handle)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        W::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        W::sleep_until(deadline.0)
    }

    fn timeout<R, F: Future<Output = R>>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        world::timeout::<W, F>(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R>>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        world::timeout_at::<W, F>(deadline.0, future)
    }

    fn is_panic(_: &TaskLost) -> bool {
        false
    }

    fn thread_rng() -> WorldRng<W> {
        WorldRng(PhantomData)
    }

    /// A world is entered by its own harness, never made by openraft.
    fn new(_threads: usize) -> Self {
        Self(PhantomData)
    }

    fn block_on<F, T>(&mut self, _future: F) -> T
    where
        F: Future<Output = T>,
    {
        unreachable!("a world is driven by its own event loop, never by openraft")
    }
}

/// tokio's fair mutex.
pub struct TokioMutex<T>(tokio::sync::Mutex<T>);

impl<T: 'static> async_runtime::Mutex<T> for TokioMutex<T> {
    type Guard<'a> = tokio::sync::MutexGuard<'a, T>;

    fn new(value: T) -> Self {
        Self(tokio::sync::Mutex::new(value))
    }
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> {
        self.0.lock()
    }
}
