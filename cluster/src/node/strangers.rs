//! Keeps a place for connections of which it is not yet known who has opened them.
//!
//! Places are few, and whoever says nothing takes one for a while. So nobody new is turned away
//! for them: whoever has been in his place for longest makes room. He who does his part at once
//! is through long before it is his turn, unless a whole round of others comes meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

/// All of one port.
#[derive(Default)]
pub(super) struct Strangers {
    /// By the order of their coming.
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<()>>>,
    came: Cell<u64>,
}

impl Strangers {
    pub(super) fn count(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// One more, from now until the place is dropped.
    pub(super) fn add(self: &Rc<Self>) -> Place {
        let number = self.came.get();
        self.came.set(number + 1);
        let (tell, replaced) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, tell);
        Place {
            strangers: self.clone(),
            number,
            replaced,
        }
    }

    /// Ends the wait of whoever came first; whether there was anybody.
    pub(super) fn drop_oldest(&self) -> bool {
        self.waiting.borrow_mut().pop_first().is_some()
    }
}

/// The place of one connection.
pub(super) struct Place {
    strangers: Rc<Strangers>,
    number: u64,
    replaced: oneshot::Receiver<()>,
}

impl Place {
    /// What comes of this, which takes the place until it is done; `None` if somebody newer has
    /// taken it before.
    pub(super) async fn until<T>(mut self, done: impl Future<Output = T>) -> Option<T> {
        match select(pin!(done), &mut self.replaced).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.waiting.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_oldest_makes_room_and_who_is_known_takes_none() {
        let strangers: Rc<Strangers> = Rc::default();
        let mut oldest = Box::pin(strangers.add().until(pending::<()>()));
        let known = strangers.add();
        let mut newest = Box::pin(strangers.add().until(pending::<()>()));
        assert_eq!(strangers.count(), 3);
        assert_eq!(known.until(ready(7)).now_or_never(), Some(Some(7)));
        assert_eq!(strangers.count(), 2);
        assert!(oldest.as_mut().now_or_never().is_none());
        assert!(strangers.drop_oldest());
        assert_eq!(oldest.now_or_never(), Some(None));
        assert!(newest.as_mut().now_or_never().is_none());
        drop(newest);
        assert_eq!(strangers.count(), 0);
        assert!(!strangers.drop_oldest());
    }
}
