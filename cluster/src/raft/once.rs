//! A channel for one value, on one thread.
//!
//! Every call of openraft's and every task it spawns has one. tokio's is made for threads; a
//! shared cell costs less and does the same.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use openraft::async_runtime::{Oneshot, OneshotSender};

struct Shared<T> {
    value: Option<T>,
    sender_is_gone: bool,
    receiver_is_gone: bool,
    waker: Option<Waker>,
}

type Handle<T> = Rc<RefCell<Shared<T>>>;

/// The channel family.
#[derive(Debug)]
pub struct LocalOnce;

pub struct Sender<T>(Handle<T>);
pub struct Receiver<T>(Handle<T>);

/// The sender was dropped without sending: its task panicked or its node died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing was sent")]
pub struct Unsent;

/// A sender and its receiver.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(RefCell::new(Shared {
        value: None,
        sender_is_gone: false,
        receiver_is_gone: false,
        waker: None,
    }));
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    /// Gives the value back if nobody will receive it.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut shared = self.0.borrow_mut();
        if shared.receiver_is_gone {
            return Err(value);
        }
        shared.value = Some(value);
        // Dropping the sender wakes the receiver.
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut shared = self.0.borrow_mut();
            shared.sender_is_gone = true;
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Unsent>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = self.0.borrow_mut();
        if let Some(value) = shared.value.take() {
            return Poll::Ready(Ok(value));
        }
        if shared.sender_is_gone {
            return Poll::Ready(Err(Unsent));
        }
        match &mut shared.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let unreceived = {
            let mut shared = self.0.borrow_mut();
            shared.receiver_is_gone = true;
            (shared.value.take(), shared.waker.take())
        };
        // Values may hold senders of their own.
        drop(unreceived);
    }
}

impl Oneshot for LocalOnce {
    type Sender<T> = Sender<T>;
    type Receiver<T> = Receiver<T>;
    type ReceiverError = Unsent;

    fn channel<T>() -> (Sender<T>, Receiver<T>) {
        channel()
    }
}

impl<T> OneshotSender<T> for Sender<T> {
    fn send(self, value: T) -> Result<(), T> {
        Sender::send(self, value)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_value_arrives_once() {
        let (sender, mut receiver) = channel();
        assert_eq!((&mut receiver).now_or_never(), None);
        sender.send(7).expect("it has a receiver");
        assert_eq!((&mut receiver).now_or_never(), Some(Ok(7)));
        assert_eq!(receiver.now_or_never(), Some(Err(Unsent)));
    }

    #[test]
    fn a_lost_sender_is_noticed() {
        let (sender, receiver) = channel::<u8>();
        drop(sender);
        assert_eq!(receiver.now_or_never(), Some(Err(Unsent)));
    }

    #[test]
    fn a_value_nobody_waits_for_comes_back() {
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(sender.send(7), Err(7));
    }
}
