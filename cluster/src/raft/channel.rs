//! A bounded channel for many senders and one receiver, on one thread.
//!
//! tokio's allocates blocks of 32 messages and counts with atomics; openraft's messages are
//! large and its channels mostly empty, so a plain queue costs a fraction. First in, first
//! out; senders that wait for room are woken in the order in which they began to wait.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use openraft::async_runtime::{
    Mpsc, MpscReceiver, MpscSender, MpscWeakSender, SendError, TryRecvError,
};

struct Shared<T> {
    queue: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receiver_is_gone: bool,
    receiver: Option<Waker>,
    waiting: VecDeque<Waker>,
}

type Handle<T> = Rc<RefCell<Shared<T>>>;

/// The channel family.
#[derive(Debug)]
pub struct LocalMpsc;

pub struct Sender<T>(Handle<T>);
pub struct Receiver<T>(Handle<T>);
pub struct WeakSender<T>(Handle<T>);

impl Mpsc for LocalMpsc {
    type Sender<T> = Sender<T>;
    type Receiver<T> = Receiver<T>;
    type WeakSender<T> = WeakSender<T>;

    fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
        let shared = Rc::new(RefCell::new(Shared {
            queue: VecDeque::new(),
            capacity: buffer.max(1),
            senders: 1,
            receiver_is_gone: false,
            receiver: None,
            waiting: VecDeque::new(),
        }));
        (Sender(shared.clone()), Receiver(shared))
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.borrow_mut().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let receiver = {
            let mut shared = self.0.borrow_mut();
            shared.senders -= 1;
            match shared.senders {
                0 => shared.receiver.take(),
                _ => None,
            }
        };
        wake(receiver);
    }
}

impl<T> MpscSender<LocalMpsc, T> for Sender<T> {
    async fn send(&self, message: T) -> Result<(), SendError<T>> {
        let mut message = Some(message);
        poll_fn(|cx| {
            let mut shared = self.0.borrow_mut();
            let unsent = message.take().expect("polled no more once it is sent");
            if shared.receiver_is_gone {
                return Poll::Ready(Err(SendError(unsent)));
            }
            if shared.queue.len() >= shared.capacity {
                message = Some(unsent);
                shared.waiting.push_back(cx.waker().clone());
                return Poll::Pending;
            }
            shared.queue.push_back(unsent);
            let receiver = shared.receiver.take();
            drop(shared);
            wake(receiver);
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn downgrade(&self) -> WeakSender<T> {
        WeakSender(self.0.clone())
    }
}

impl<T> Receiver<T> {
    fn pop(&mut self) -> Option<T> {
        let (message, waiting) = {
            let mut shared = self.0.borrow_mut();
            let message = shared.queue.pop_front()?;
            (message, std::mem::take(&mut shared.waiting))
        };
        // All of them: one may have given up, and another be listed twice. Whoever finds no
        // room waits again.
        for sender in waiting {
            sender.wake();
        }
        Some(message)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (undelivered, waiting) = {
            let mut shared = self.0.borrow_mut();
            shared.receiver_is_gone = true;
            let undelivered = std::mem::take(&mut shared.queue);
            (undelivered, std::mem::take(&mut shared.waiting))
        };
        // Messages may hold senders of this very channel.
        drop(undelivered);
        for waker in waiting {
            waker.wake();
        }
    }
}

impl<T> MpscReceiver<T> for Receiver<T> {
    async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| {
            if let Some(message) = self.pop() {
                return Poll::Ready(Some(message));
            }
            let mut shared = self.0.borrow_mut();
            if shared.senders == 0 {
                return Poll::Ready(None);
            }
            match &mut shared.receiver {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.pop().ok_or_else(|| match self.0.borrow().senders {
            0 => TryRecvError::Disconnected,
            _ => TryRecvError::Empty,
        })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> MpscWeakSender<LocalMpsc, T> for WeakSender<T> {
    fn upgrade(&self) -> Option<Sender<T>> {
        let mut shared = self.0.borrow_mut();
        if shared.senders == 0 {
            return None;
        }
        shared.senders += 1;
        drop(shared);
        Some(Sender(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use futures_util::FutureExt;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_gave_up_takes_nobody_s_turn() {
        let (sender, mut receiver) = LocalMpsc::channel(1);
        sender.send(0).now_or_never().expect("there is room").ok();
        // One waits twice, and gives up.
        let mut gone = Box::pin(sender.send(1));
        for _ in 0..2 {
            assert!((&mut gone).now_or_never().is_none());
        }
        drop(gone);
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        let mut patient = pin!(sender.send(2));
        assert!(patient.as_mut().poll(&mut cx).is_pending());

        assert_eq!(receiver.recv().now_or_never(), Some(Some(0)));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(patient.as_mut().poll(&mut cx).is_ready());
        assert_eq!(receiver.recv().now_or_never(), Some(Some(2)));
    }
}
