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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::time::Duration;

    use squall_backend::phases::Stage;
    use squall_plan::plan::Plan;
    use squall_plan::scenario::Scenario;
    use squall_world::World;

    use super::*;
    use crate::world::SimWorld;

    const NODE: HostId = HostId(1);

    /// Passes the point and is given up at once, as what `select` has no use for any more.
    async fn pass_and_give_up(has_stood: Rc<Cell<bool>>) {
        {
            let mut passing = pin!(pass(Point::SnapshotArrived));
            let polled = poll_fn(|cx| Poll::Ready(passing.as_mut().poll(cx)));
            has_stood.set(polled.await.is_pending());
        }
        has_stood.set(has_stood.get() && executor::current().is_paused(NODE));
    }

    async fn gives_up(stage: Stage<SimSite>) {
        stage.nemesis.start(&stage.plan);
        SimWorld::sleep(Duration::from_secs(10)).await;
        let executor = executor::current();
        let has_stood = Rc::new(Cell::new(false));
        executor.spawn_on(NODE, pass_and_give_up(has_stood.clone()));
        SimWorld::sleep(Duration::from_millis(100)).await;
        assert!(has_stood.get(), "the fault waits for it");
        assert_eq!(stage.site.cluster.starts(NODE.0), 1, "nothing struck it");
        assert!(!executor.is_paused(NODE), "it stands for ever");
    }

    #[test]
    fn a_node_goes_on_whose_task_gave_up_at_the_point() {
        let text = "name = \"t\"\n[[workload]]\nservice = \"cache\"\n[[fault]]\nat = \"1s\"\n\
                    kill = [\"node-2\"]\nfor = \"1s\"\nwhen = \"snapshot.arrived\"";
        let scenario = Scenario::parse(text, "t.toml").expect("a scenario");
        let plan = Plan::resolve(&scenario, 1).expect("it holds together");
        crate::run_with(&plan, None, gives_up).expect("the cluster forms");
    }
}
