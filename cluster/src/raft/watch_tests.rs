//! Tests of [`LocalWatch`] beyond openraft's own suite: the order of wake-ups, and which
//! values count as seen.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

/// Records its name when it is woken.
struct NamedWaker {
    name: u32,
    woken: Arc<Mutex<Vec<u32>>>,
}

impl Wake for NamedWaker {
    fn wake(self: Arc<Self>) {
        self.woken
            .lock()
            .expect("no test panics in here")
            .push(self.name);
    }
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn changed_now<T>(receiver: &mut Receiver<T>) -> Poll<Result<(), RecvError>> {
    poll(pin!(receiver.changed()), Waker::noop())
}

#[test]
fn receivers_wake_in_the_order_in_which_they_began_to_wait() {
    let (sender, receiver) = LocalWatch::channel(0);
    let mut receivers: Vec<_> = (0..20).map(|_| receiver.clone()).collect();
    let woken = Arc::new(Mutex::new(Vec::new()));
    // Every third first, so that the order of waiting is not that of cloning.
    let order: Vec<u32> = (0..3).flat_map(|rest| (rest..20).step_by(3)).collect();
    let mut waits: Vec<_> = receivers
        .iter_mut()
        .map(|r| Box::pin(r.changed()))
        .collect();
    for &name in &order {
        let woken = woken.clone();
        let waker = Waker::from(Arc::new(NamedWaker { name, woken }));
        let wait = waits[name as usize].as_mut();
        assert!(poll(wait, &waker).is_pending());
    }
    sender.send(1).expect("there are receivers");
    assert_eq!(*woken.lock().expect("no waker panicked"), order);
}

#[test]
fn polling_again_keeps_the_place_and_wakes_the_newest_waker() {
    let (sender, receiver) = LocalWatch::channel(0);
    let (mut first, mut second) = (receiver.clone(), receiver.clone());
    let woken = Arc::new(Mutex::new(Vec::new()));
    let named_waker = |name| {
        let woken = woken.clone();
        Waker::from(Arc::new(NamedWaker { name, woken }))
    };
    let (mut first, mut second) = (pin!(first.changed()), pin!(second.changed()));
    assert!(poll(first.as_mut(), &named_waker(1)).is_pending());
    assert!(poll(second.as_mut(), &named_waker(2)).is_pending());
    assert!(poll(first.as_mut(), &named_waker(3)).is_pending());
    sender.send(1).expect("there are receivers");
    assert_eq!(*woken.lock().expect("no waker panicked"), [3, 2]);
}

#[test]
fn a_change_is_seen_once_by_each_receiver() {
    let (sender, mut receiver) = LocalWatch::channel(0);
    let mut other = receiver.clone();
    assert!(changed_now(&mut receiver).is_pending());
    sender.send(1).expect("there are receivers");
    sender.send(2).expect("there are receivers");
    assert_eq!(changed_now(&mut receiver), Poll::Ready(Ok(())));
    assert_eq!(*receiver.borrow_watched(), 2);
    assert!(changed_now(&mut receiver).is_pending());
    assert_eq!(changed_now(&mut other), Poll::Ready(Ok(())));
}

#[test]
fn borrowing_leaves_a_change_unseen_unless_it_updates() {
    let (sender, mut receiver) = LocalWatch::channel(0);
    sender.send(1).expect("there is a receiver");
    assert_eq!(*receiver.borrow_watched(), 1);
    assert_eq!(changed_now(&mut receiver), Poll::Ready(Ok(())));
    sender.send(2).expect("there is a receiver");
    assert_eq!(*receiver.borrow_and_update(), 2);
    assert!(changed_now(&mut receiver).is_pending());
}

#[test]
fn a_clone_has_seen_what_its_original_has_and_a_subscriber_the_present() {
    let (sender, receiver) = LocalWatch::channel(0);
    sender.send(1).expect("there is a receiver");
    assert_eq!(changed_now(&mut receiver.clone()), Poll::Ready(Ok(())));
    assert!(changed_now(&mut sender.subscribe()).is_pending());
}

#[test]
fn the_last_sender_wakes_everyone_and_leaves_its_last_value() {
    let (sender, mut receiver) = LocalWatch::channel(0);
    let second = sender.clone();
    let mut late = receiver.clone();
    let woken = Arc::new(Mutex::new(Vec::new()));
    let waker = Waker::from(Arc::new(NamedWaker {
        name: 7,
        woken: woken.clone(),
    }));
    let mut wait = Box::pin(receiver.changed());
    assert!(poll(wait.as_mut(), &waker).is_pending());
    drop(sender);
    assert!(poll(wait.as_mut(), &waker).is_pending());
    second.send_if_modified(|value| {
        *value = 5;
        true
    });
    drop(second);
    assert_eq!(*woken.lock().expect("no waker panicked"), [7]);
    // The change comes before the end.
    assert_eq!(poll(wait.as_mut(), &waker), Poll::Ready(Ok(())));
    drop(wait);
    assert_eq!(changed_now(&mut receiver), Poll::Ready(Err(RecvError(()))));
    assert_eq!(*late.borrow_and_update(), 5);
    assert_eq!(changed_now(&mut late), Poll::Ready(Err(RecvError(()))));
}

#[test]
fn an_abandoned_wait_wakes_nobody() {
    let (sender, mut receiver) = LocalWatch::channel(0);
    let other = sender.subscribe();
    let woken = Arc::new(Mutex::new(Vec::new()));
    let waker = Waker::from(Arc::new(NamedWaker {
        name: 1,
        woken: woken.clone(),
    }));
    assert!(poll(pin!(receiver.changed()), &waker).is_pending());
    drop(receiver);
    sender.send(1).expect("there is a receiver");
    assert!(woken.lock().expect("no waker panicked").is_empty());
    drop(other);
    assert_eq!(sender.send(2), Err(SendError(2)));
}
