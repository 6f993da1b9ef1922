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

use super::RunContext;

/// How long until a client that crashed is replaced.
const RESTART_DELAY: Duration = Duration::from_millis(200);
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

    pub(super) fn is_storming(&self) -> bool {
        self.storms.get() > 0
    }

    pub(super) fn count_stormed(&self) {
        self.stormed.set(self.stormed.get() + 1);
    }
}

/// Runs a client, and its successors when it crashes, as a task of the present host. `live`
/// makes a client of a name; `ended` is called when there will be none any more.
pub(super) fn spawn<F: Future<Output = ()> + 'static>(
    context: &Rc<RunContext>,
    name: String,
    live: impl Fn(Rc<ClientHandle>, String) -> F + 'static,
    ended: impl FnOnce() + 'static,
) {
    let handle = Rc::new(ClientHandle::default());
    context.clients.borrow_mut().push(handle.clone());
    let shared = context.clone();
    context.spawn(async move {
        let mut life = 0;
        loop {
            let name = match life {
                0 => name.clone(),
                _ => format!("{name}~{life}"),
            };
            *handle.name.borrow_mut() = name.clone();
            let client = Box::pin(live(handle.clone(), name));
            let crashed = Abortable {
                client: Some(client),
                handle: handle.clone(),
            };
            if !crashed.await || shared.is_stopped() {
                ended();
                return;
            }
            life += 1;
            shared.host.sleep(RESTART_DELAY).await;
        }
    });
}

/// A client that may crash; resolves to whether it did.
struct Abortable<F> {
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
