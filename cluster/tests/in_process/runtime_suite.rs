//! openraft's contract for asynchronous runtimes, put to the cluster's.
//!
//! The suite is openraft's (`openraft::testing::runtime`). It wants to drive the runtime
//! itself, which a world does not allow: [`Driven`] is the runtime of the real world, plus an
//! event loop to drive it with. The order in which watchers wake up is no part of openraft's
//! contract but of ours, and tested beside the channel (`raft/watch.rs`).

use std::future::Future;
use std::time::Duration;

use openraft::async_runtime::AsyncRuntime;
use openraft::testing::runtime::Suite;
use squall_cluster::raft::runtime::Runtime;
use squall_cluster::world::RealWorld;
use tokio::task::LocalSet;

type Inner = Runtime<RealWorld>;

#[derive(Debug)]
struct Driven {
    tasks: LocalSet,
    runtime: tokio::runtime::Runtime,
}

impl AsyncRuntime for Driven {
    type JoinError = <Inner as AsyncRuntime>::JoinError;
    type JoinHandle<T: 'static> = <Inner as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Inner as AsyncRuntime>::Sleep;
    type Instant = <Inner as AsyncRuntime>::Instant;
    type TimeoutError = <Inner as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R>> = <Inner as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <Inner as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <Inner as AsyncRuntime>::Mpsc;
    type Watch = <Inner as AsyncRuntime>::Watch;
    type Oneshot = <Inner as AsyncRuntime>::Oneshot;
    type Mutex<T: 'static> = <Inner as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + 'static,
        T::Output: 'static,
    {
        Inner::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Inner::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Inner::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R>>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        Inner::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R>>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        Inner::timeout_at(deadline, future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        Inner::is_panic(error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        Inner::thread_rng()
    }

    fn new(_threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system grants an event loop");
        Self {
            tasks: LocalSet::new(),
            runtime,
        }
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.tasks.block_on(&self.runtime, future)
    }
}

#[test]
fn the_runtime_keeps_openrafts_contract() {
    Suite::<Driven>::test_all();
}
