//! What a plan has happen at named points of the nodes' code.
//!
//! A world tells of every pass ([`Points::meet`]) and does what it is told: lets the task wait, or
//! others go first, or holds the whole node where it stands until a fault that waited for this
//! moment has struck. The fault itself is a fault like any other: it keeps to the budget, is
//! reported, healed and judged as one; nothing of that is here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use squall_fault::{Point, Target};
use squall_history::PointCounts;
use squall_plan::plan::{Delay, Plan, PlannedPoint};

/// What a task does that has come to a point.
#[derive(Debug)]
pub enum Then {
    /// It goes on.
    GoOn,
    /// It goes on after this time.
    Wait(Duration),
    /// It goes on when others have had so many turns.
    Yield(u64),
    /// Nothing of its node goes on before this resolves, which the node may not live to see.
    Stand(oneshot::Receiver<()>),
}

/// A node that stands at a point, until this is dropped.
#[derive(Debug)]
pub struct Standing {
    /// Which node.
    pub node: usize,
    /// How often such a node had passed the point since the fault waited, this time included.
    pub pass: u64,
    /// Which of all that have stood anywhere.
    number: u64,
    _goes_on: oneshot::Sender<()>,
}

impl Standing {
    /// Whether the node still stands there: something else may have ended its process, or no
    /// more than what its task was at.
    pub fn is_there(&self) -> bool {
        !self._goes_on.is_closed()
    }
}

/// A fault that waits for a node to come to a point.
struct Waiting {
    point: Point,
    target: Target,
    nth: u64,
    passes: Cell<u64>,
    /// Who waits may have given up.
    notify: oneshot::Sender<Standing>,
}

/// A delay of the plan, and when it comes next.
struct Delaying {
    plan: PlannedPoint,
    rng: RefCell<ChaCha8Rng>,
    /// Passes until the next time.
    left: Cell<u64>,
    done: Cell<u64>,
}

/// All points of a run.
pub struct Points {
    delays: Vec<Delaying>,
    waiting: RefCell<Vec<Waiting>>,
    counts: RefCell<Vec<PointCounts>>,
    /// Who stood last of each node, and how many have in all.
    stood: RefCell<BTreeMap<usize, u64>>,
    stands: Cell<u64>,
}

impl Points {
    /// `None` for a plan that has nothing happen at any point.
    pub fn of(plan: &Plan) -> Option<Self> {
        if !plan.uses_points() {
            return None;
        }
        let stream = plan.stream("delays at points");
        let delays = plan.points.iter().enumerate().map(|(index, point)| {
            // By name: what is drawn stays the same when delays of other points are taken away.
            let before = plan.points[..index].iter();
            let same = before.filter(|other| other.point == point.point).count();
            let mut rng = stream.fork(&format!("{}/{same}", point.point)).rng();
            Delaying {
                left: Cell::new(rng.random_range(point.every_min..=point.every_max)),
                plan: point.clone(),
                rng: RefCell::new(rng),
                done: Cell::new(0),
            }
        });
        Some(Self {
            delays: delays.collect(),
            waiting: RefCell::default(),
            counts: RefCell::new(vec![PointCounts::default(); Point::ALL.len()]),
            stood: RefCell::default(),
            stands: Cell::new(0),
        })
    }

    /// A task of `node` has come to `point`. `is_target` says whether the node is meant now by
    /// the target of a fault or a delay.
    pub fn meet(
        &self,
        now_us: u64,
        node: usize,
        point: Point,
        is_target: impl Fn(Target) -> bool,
    ) -> Then {
        self.count(point, |counts| counts.met += 1);
        if let Some(stand) = self.struck(node, point, &is_target) {
            return stand;
        }
        let delays = self.delays.iter();
        let mut delays = delays.filter(|delay| {
            let plan = &delay.plan;
            plan.point == point
                && (plan.from_us..plan.until_us).contains(&now_us)
                && plan.times.is_none_or(|times| delay.done.get() < times)
                && is_target(plan.node)
        });
        match delays.find(|delay| delay.is_due()) {
            None => Then::GoOn,
            Some(delay) => match delay.plan.does {
                Delay::Wait { min_us, max_us } => {
                    self.count(point, |counts| counts.waited += 1);
                    let us = delay.rng.borrow_mut().random_range(min_us..=max_us);
                    Then::Wait(Duration::from_micros(us))
                }
                Delay::Yield { turns } => {
                    self.count(point, |counts| counts.yielded += 1);
                    Then::Yield(turns)
                }
            },
        }
    }

    /// Holds the node for the first fault that waits for it here.
    fn struck(
        &self,
        node: usize,
        point: Point,
        is_target: impl Fn(Target) -> bool,
    ) -> Option<Then> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|fault| !fault.notify.is_closed());
        let mut due = None;
        for (index, fault) in waiting.iter().enumerate() {
            if fault.point == point && is_target(fault.target) {
                fault.passes.set(fault.passes.get() + 1);
                if fault.passes.get() >= fault.nth {
                    due = due.or(Some(index));
                }
            }
        }
        let fault = waiting.remove(due?);
        drop(waiting);
        let (goes_on, stand) = oneshot::channel();
        let standing = Standing {
            node,
            pass: fault.passes.get(),
            number: self.stands.get() + 1,
            _goes_on: goes_on,
        };
        // Whoever gave up in this very moment lets the node go on.
        fault.notify.send(standing).ok()?;
        self.stands.set(self.stands.get() + 1);
        self.stood.borrow_mut().insert(node, self.stands.get());
        Some(Then::Stand(stand))
    }

    /// Waits until `target` passes `point` for the `nth` time from now on.
    pub async fn wait_for(&self, point: Point, target: Target, nth: u64) -> Standing {
        let (notify, passed) = oneshot::channel();
        self.waiting.borrow_mut().push(Waiting {
            point,
            target,
            nth,
            passes: Cell::new(0),
            notify,
        });
        passed.await.expect("it is kept as long as somebody waits")
    }

    /// Whether nobody has stood of that node since.
    pub fn is_latest(&self, standing: &Standing) -> bool {
        self.stood.borrow().get(&standing.node) == Some(&standing.number)
    }

    /// A fault struck a node at the point.
    pub fn note_struck(&self, point: Point) {
        self.count(point, |counts| counts.struck += 1);
    }

    /// What happened at which point, of those that were passed.
    pub fn counts(&self) -> BTreeMap<Point, PointCounts> {
        let counts = self.counts.borrow();
        let counts = Point::ALL.iter().copied().zip(counts.iter().copied());
        counts.filter(|(_, counts)| counts.met > 0).collect()
    }

    fn count(&self, point: Point, count: impl FnOnce(&mut PointCounts)) {
        count(&mut self.counts.borrow_mut()[point.index()]);
    }
}

impl Delaying {
    fn is_due(&self) -> bool {
        let left = self.left.get() - 1;
        if left > 0 {
            self.left.set(left);
            return false;
        }
        let (min, max) = (self.plan.every_min, self.plan.every_max);
        self.left.set(self.rng.borrow_mut().random_range(min..=max));
        self.done.set(self.done.get() + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use squall_plan::scenario::Scenario;

    fn points(text: &str) -> Points {
        let text = format!("name = \"t\"\n[[workload]]\nservice = \"cache\"\n{text}");
        let scenario = Scenario::parse(&text, "t.toml").expect("a scenario");
        let plan = Plan::resolve(&scenario, 1).expect("it holds together");
        Points::of(&plan).expect("it has points")
    }

    /// In the chaos phase, which begins after five seconds.
    const NOW_US: u64 = 6_000_000;

    #[test]
    fn a_delay_comes_at_its_passes_of_its_node_and_no_more_often_than_it_may() {
        let text =
            "[[point]]\nname = \"log.synced\"\nyield = 7\nnode = \"node-2\"\nevery = 3\ntimes = 2";
        let points = points(text);
        let meet = |now_us, node, point| {
            let then = points.meet(now_us, node, point, |target| target == Target::Node(node));
            matches!(then, Then::Yield(7))
        };
        let of = |passes: u64| -> Vec<bool> {
            (0..passes)
                .map(|_| meet(NOW_US, 1, Point::LogSynced))
                .collect()
        };
        assert!(!meet(NOW_US, 1, Point::LogBeforeSync), "another point");
        assert!(!meet(NOW_US, 0, Point::LogSynced), "another node");
        assert!(!meet(0, 1, Point::LogSynced), "too early");
        assert_eq!(of(4), [false, false, true, false]);
        assert_eq!(
            of(9),
            [false, true, false, false, false, false, false, false, false]
        );
        let counts = &points.counts()[&Point::LogSynced];
        assert_eq!((counts.met, counts.yielded, counts.waited), (15, 2, 0));
    }

    /// As when a scenario is made smaller.
    #[test]
    fn a_delay_is_the_same_without_those_of_other_points() {
        let synced = "[[point]]\nname = \"log.synced\"\nwait = { min = \"1us\", max = \"1s\" }\n";
        let other = "[[point]]\nname = \"apply.done\"\nwait = { min = \"1us\", max = \"1s\" }\n";
        let waits = |text: &str| -> Vec<Duration> {
            let points = points(text);
            let pass = |_| match points.meet(NOW_US, 0, Point::LogSynced, |_| true) {
                Then::Wait(time) => time,
                then => panic!("it waits each time, not {then:?}"),
            };
            (0..5).map(pass).collect()
        };
        let alone = waits(synced);
        assert_eq!(waits(&format!("{other}{synced}")), alone);
        assert_eq!(waits(&format!("{other}{other}{synced}{synced}")), alone);
    }

    #[test]
    fn a_node_stands_for_a_fault_that_waits_until_it_has_struck() {
        let fault = "[[fault]]\nat = \"1s\"\nkill = [\"any\"]\nfor = \"1s\"\nwhen = \"log.synced\"";
        let points = points(fault);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let meet = || points.meet(NOW_US, 1, Point::LogSynced, |_| true);
            let waits = points.wait_for(Point::LogSynced, Target::Any, 2);
            let mut waits = std::pin::pin!(waits);
            assert!(waits.as_mut().now_or_never().is_none());
            assert!(matches!(meet(), Then::GoOn));
            let Then::Stand(mut stand) = meet() else {
                panic!("it is the second pass");
            };
            let standing = waits.await;
            assert_eq!((standing.node, standing.pass), (1, 2));
            assert!(standing.is_there() && stand.try_recv().is_err());
            assert!(points.is_latest(&standing));
            assert!(matches!(meet(), Then::GoOn), "nobody waits any more");
            drop(standing);
            assert!(stand.await.is_err(), "it goes on");
        });
    }

    #[test]
    fn nobody_stands_for_a_fault_that_gave_up() {
        let fault = "[[fault]]\nat = \"1s\"\nkill = [\"any\"]\nfor = \"1s\"\nwhen = \"log.synced\"";
        let points = points(fault);
        {
            let waits = points.wait_for(Point::LogSynced, Target::Any, 1);
            let mut waits = std::pin::pin!(waits);
            assert!(waits.as_mut().now_or_never().is_none());
        }
        let then = points.meet(NOW_US, 1, Point::LogSynced, |_| true);
        assert!(matches!(then, Then::GoOn));
    }
}
