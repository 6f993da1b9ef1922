//! A watch channel that wakes its receivers in the order in which they began to wait.
//!
//! tokio's spreads its receivers over lists chosen at random, which would make every run of
//! a simulation different. This one is single-threaded and holds no lock across an await.

use std::cell::{Ref, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use openraft::async_runtime::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;

struct Shared<T> {
    value: RefCell<T>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// Rises with every change; receivers remember the one they saw.
    version: u64,
    senders: usize,
    receivers: usize,
    /// Waiting receivers by id, in the order in which they began to wait.
    waiting: Vec<(u64, Waker)>,
    next_id: u64,
}

impl<T> Shared<T> {
    fn changed(&self) {
        let mut state = self.state.borrow_mut();
        state.version += 1;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

/// The channel family.
#[derive(Debug)]
pub struct LocalWatch;

pub struct Sender<T>(Rc<Shared<T>>);

pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    seen: u64,
    id: u64,
}

impl Watch for LocalWatch {
    type Sender<T> = Sender<T>;
    type Receiver<T> = Receiver<T>;
    type Ref<'a, T: 'a> = Ref<'a, T>;

    fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
        let shared = Rc::new(Shared {
            value: RefCell::new(init),
            state: RefCell::new(State {
                senders: 1,
                ..State::default()
            }),
        });
        let receiver = Receiver::new(shared.clone());
        (Sender(shared), receiver)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.borrow_mut().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

impl<T> WatchSender<LocalWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.0.state.borrow().receivers == 0 {
            return Err(SendError(value));
        }
        *self.0.value.borrow_mut() = value;
        self.0.changed();
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let modified = modify(&mut self.0.value.borrow_mut());
        if modified {
            self.0.changed();
        }
        modified
    }

    fn borrow_watched(&self) -> Ref<'_, T> {
        self.0.value.borrow()
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver::new(self.0.clone())
    }
}

impl<T> Receiver<T> {
    /// A receiver that has seen the present value.
    fn new(shared: Rc<Shared<T>>) -> Self {
        let mut state = shared.state.borrow_mut();
        state.receivers += 1;
        state.next_id += 1;
        let (seen, id) = (state.version, state.next_id);
        drop(state);
        Self { shared, seen, id }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let mut clone = Self::new(self.shared.clone());
        clone.seen = self.seen;
        clone
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.borrow_mut();
        state.receivers -= 1;
        let id = self.id;
        state.waiting.retain(|(waiting, _)| *waiting != id);
    }
}

impl<T> WatchReceiver<LocalWatch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        poll_fn(|cx| {
            let mut state = self.shared.state.borrow_mut();
            if self.seen != state.version {
                self.seen = state.version;
                return Poll::Ready(Ok(()));
            }
            if state.senders == 0 {
                return Poll::Ready(Err(RecvError(())));
            }
            match state.waiting.iter_mut().find(|(id, _)| *id == self.id) {
                Some((_, waker)) => waker.clone_from(cx.waker()),
                None => state.waiting.push((self.id, cx.waker().clone())),
            }
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> Ref<'_, T> {
        self.shared.value.borrow()
    }

    fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.seen = self.shared.state.borrow().version;
        self.shared.value.borrow()
    }
}
