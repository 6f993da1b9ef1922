//! Named points of the nodes' code: tells those who know what is to happen there, and does it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_backend::points::Then;
use squall_engine::executor::{self, HostId};
use squall_fault::Point;
use squall_world::yield_now;

thread_local! {
    /// Looked at first: most runs have nothing happen anywhere.
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static ASKED: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

/// Says what happens when a task of a node passes a point.
pub(super) type Asked = Rc<dyn Fn(HostId, Point) -> Then>;

/// From now on this is asked what happens at points; `None`: nobody is.
pub(super) fn ask(asked: Option<Asked>) {
    IS_ON.set(asked.is_some());
    ASKED.set(asked);
}

/// A task of the running host passes a point.
pub(super) async fn pass(point: Point) {
    if !IS_ON.get() {
        return;
    }
    let executor = executor::current();
    let node = executor.host();
    let then = ASKED.with_borrow(|asked| asked.as_ref().map(|asked| asked(node, point)));
    match then.unwrap_or(Then::GoOn) {
        Then::GoOn => {}
        Then::Wait(time) => {
            let until = executor.now() + time.as_nanos() as u64;
            executor.sleep_until(until).await;
        }
        Then::Yield(turns) => {
            for _ in 0..turns {
                yield_now().await;
            }
        }
        // An error is all that is ever heard: that nobody keeps the node any more.
        Then::Stand(stand) => drop(stand.await),
    }
}
