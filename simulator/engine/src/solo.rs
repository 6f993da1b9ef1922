//! One simulated host by itself: virtual time, a disk, no network. For tests of what a node
//! is made of.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use crate::executor::Executor;
use squall_plan::plan::Seed;

/// Runs `future` on a host of its own, in virtual time.
///
/// # Panics
/// If the future waits for something that can never happen.
pub fn block_on<T: 'static>(seed: Seed, future: impl Future<Output = T> + 'static) -> T {
    let (executor, _entered) = Executor::enter(|_| {});
    let host = executor.add_host(0, 0, seed.rng());
    let result = Rc::new(RefCell::new(None));
    executor.spawn_on(host, {
        let result = result.clone();
        async move {
            let value = future.await;
            *result.borrow_mut() = Some(value);
        }
    });
    loop {
        while executor.run_ready() {}
        if let Some(value) = result.borrow_mut().take() {
            executor.kill(host);
            return value;
        }
        let next = executor.next_timer().expect("the future can go on");
        executor.set_time(next);
        executor.fire_due();
    }
}
