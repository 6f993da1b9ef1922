//! Time and tasks of the host that clients run on, without the type of its world.

use std::time::Duration;

use squall_world::{Instant, World};

use super::LocalFuture;

/// The functions of a [`World`] that clients use.
#[derive(Clone, Copy)]
pub(super) struct Host {
    now: fn() -> Instant,
    sleep_until: fn(Instant) -> LocalFuture<'static, ()>,
    spawn: fn(LocalFuture<'static, ()>),
}

impl Host {
    pub(super) fn of<W: World>() -> Self {
        Self {
            now: W::now,
            sleep_until: |at| Box::pin(W::sleep_until(at)),
            spawn: |task| W::spawn(task),
        }
    }

    pub(super) fn now(self) -> Instant {
        (self.now)()
    }

    pub(super) fn sleep_until(self, at: Instant) -> LocalFuture<'static, ()> {
        (self.sleep_until)(at)
    }

    pub(super) fn sleep(self, duration: Duration) -> LocalFuture<'static, ()> {
        self.sleep_until(self.now() + duration)
    }

    pub(super) fn spawn(self, task: impl Future<Output = ()> + 'static) {
        (self.spawn)(Box::pin(task));
    }
}
