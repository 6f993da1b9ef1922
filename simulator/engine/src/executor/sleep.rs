//! Waiting for a point of virtual time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{CURRENT, Nanos};
use crate::timers::TimerId;

/// Ends at a point of virtual time.
pub struct Sleep {
    deadline: Nanos,
    /// Set while the simulation goes on to wake the sleeper.
    timer: Option<TimerId>,
}

impl Sleep {
    pub(super) fn until(deadline: Nanos) -> Self {
        Self {
            deadline,
            timer: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CURRENT.with_borrow(|executor| {
            let executor = executor.as_ref().expect("inside a simulation");
            if executor.now.get() >= self.deadline {
                return Poll::Ready(());
            }
            let mut timers = executor.timers.borrow_mut();
            match self.timer {
                Some(timer) => timers.rewake(timer, cx.waker()),
                None => self.timer = Some(timers.add(self.deadline, cx.waker().clone())),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(timer) = self.timer else { return };
        let waker = CURRENT.with_borrow(|executor| {
            // What outlives the simulation has nobody left to wake it.
            let executor = executor.as_ref()?;
            executor.timers.borrow_mut().remove(timer)
        });
        drop(waker);
    }
}
