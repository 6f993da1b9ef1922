//! Named points of the nodes' code: tells those who know what is to happen there, and does it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use squall_backend::nemesis::Nemesis;
use squall_backend::points::Then;
use squall_engine::executor::{self, HostId};
use squall_fault::Point;

use super::site::SimSite;

thread_local! {
    /// Looked at first: most runs have nothing happen anywhere.
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static NEMESIS: RefCell<Option<Rc<Nemesis<SimSite>>>> = const { RefCell::new(None) };
}

/// From now on the nemesis is asked what happens at points; `None`: nobody is.
pub(super) fn ask(nemesis: Option<Rc<Nemesis<SimSite>>>) {
    let nemesis = nemesis.filter(|nemesis| nemesis.points().is_some());
    IS_ON.set(nemesis.is_some());
    NEMESIS.set(nemesis);
}

/// A task of the running host passes a point.
pub(super) async fn pass(point: Point) {
    if !IS_ON.get() {
        return;
    }
    let executor = executor::current();
    let node = executor.host();
    match met(node, point) {
        Then::GoOn => {}
        Then::Wait(time) => {
            let until = executor.now() + time.as_nanos() as u64;
            executor.sleep_until(until).await;
        }
        Then::Yield(turns) => {
            for _ in 0..turns {
                let_others_go().await;
            }
        }
        // An error is all that is ever heard: that nobody keeps the node any more.
        Then::Stand(stand) => drop(stand.await),
    }
}

fn met(node: HostId, point: Point) -> Then {
    NEMESIS.with_borrow(|nemesis| {
        let asked = nemesis.as_ref();
        let asked = asked.and_then(|nemesis| Some((nemesis, nemesis.points()?)));
        let Some((nemesis, points)) = asked else {
            return Then::GoOn;
        };
        let then = points.meet(nemesis.now_us(), node.0, point, |target| {
            nemesis.is_meant(node.0, target)
        });
        if matches!(then, Then::Stand(_)) {
            nemesis.site().cluster.set_held(node.0, true);
        }
        then
    })
}

/// Goes on when everybody else who can has had a turn.
async fn let_others_go() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
