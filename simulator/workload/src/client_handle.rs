//! Crashes clients and puts them into retry storms, from outside.
//!
//! A client that crashes vanishes with the operation it had sent: the operation stays
//! unanswered in the history, its connection breaks, its session is left to expire. Some
//! time later another client takes its place, with a name of its own, because nobody knows
//! what became of the first one's last operation. A client in a retry storm gives every
//! operation up after a short while and sends the next one without a pause.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long a client in a storm waits for an answer.
pub(super) const STORM_TIMEOUT: Duration = Duration::from_millis(100);

/// A client as seen from outside.
#[derive(Default)]
pub struct ClientHandle {
    name: RefCell<String>,
    crashed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    storms: Cell<u32>,
    /// Operations sent without patience.
    stormed: Cell<u64>,
}

impl ClientHandle {
    /// Of the client that lives now.
    pub fn name(&self) -> String {
        self.name.borrow().clone()
    }

    /// Ends the client where it stands.
    pub fn crash(&self) {
        self.crashed.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Begins or ends a storm; storms add up.
    pub fn storm(&self, begins: bool) {
        let storms = self.storms.get();
        self.storms.set(match begins {
            true => storms + 1,
            false => storms.checked_sub(1).expect("only a storm that began ends"),
        });
    }

    /// Operations that the client sent in storms so far.
    pub fn stormed(&self) -> u64 {
        self.stormed.get()
    }

    /// Another client lives from now on, who took the place of the one before.
    pub(super) fn set_name(&self, name: &str) {
        name.clone_into(&mut self.name.borrow_mut());
    }

    /// Resolves when `client` has ended, or is crashed: to whether it was.
    pub(super) fn until_crash<F: Future<Output = ()>>(self: &Rc<Self>, client: F) -> Abortable<F> {
        Abortable {
            client: Some(Box::pin(client)),
            handle: self.clone(),
        }
    }

    pub(super) fn is_storming(&self) -> bool {
        self.storms.get() > 0
    }

    pub(super) fn count_stormed(&self) {
        self.stormed.set(self.stormed.get() + 1);
    }
}

/// A client that may crash; resolves to whether it did.
pub(super) struct Abortable<F> {
    /// Dropped at the crash.
    client: Option<Pin<Box<F>>>,
    handle: Rc<ClientHandle>,
}

impl<F: Future<Output = ()>> Future for Abortable<F> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if self.handle.crashed.take() {
            self.client = None;
            return Poll::Ready(true);
        }
        let client = self.client.as_mut().expect("not polled after its end");
        if client.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        let mut waker = self.handle.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}
