//! `[[point]]`: tasks that wait, or let others go first, at named points of a node's code; and
//! `[schedule]`: who goes first of those who may all go on at one instant.

use serde::Deserialize;
use toml::Spanned;

use super::bounds::{Checked, check_bounds, check_count, check_least, check_most, problem, time};
use super::section::unwritten;
use super::unit::{Bounds, Duration};
use crate::plan::Order;
use squall_fault::{Point, Target};

/// Longer than this, a task does not wait: it would be a node that stands still, for which there
/// is a fault.
const LONGEST: Duration = Duration(1_000_000);
/// Others can go first so many times.
const MOST_TURNS: u64 = 1_000;
const MOST_PASSES: u64 = 1_000_000;

/// What is done at a point that is not yet a fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointTable {
    /// Of the point, as `docs/points.md` lists them.
    pub name: Spanned<Point>,
    /// The task waits so long.
    pub wait: Option<Spanned<Bounds<Duration>>>,
    /// Whatever can go on may do so before the task does, so many times.
    #[serde(rename = "yield")]
    pub turns: Option<Spanned<u64>>,
    /// Of which node. Default any.
    #[serde(default = "any")]
    pub node: Spanned<Target>,
    /// At each so-manieth pass. Default every one.
    #[serde(default = "every_one")]
    pub every: Spanned<Every>,
    /// No more often than this. Default without a limit.
    pub times: Option<Spanned<u64>>,
}

fn any() -> Spanned<Target> {
    unwritten(Target::Any)
}

fn every_one() -> Spanned<Every> {
    unwritten(Every::Exactly(1))
}

impl PointTable {
    /// How long it waits, if it does.
    pub fn wait(&self) -> Option<(Duration, Duration)> {
        let wait = self.wait.as_ref()?;
        Some(wait.get_ref().or((Duration(1_000), Duration(5_000))))
    }
}

/// `3`, or `{ min = 1, max = 5 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a count, or { min = 1, max = 5 }")]
pub enum Every {
    /// Always so many.
    Exactly(u64),
    /// Drawn anew each time.
    Between(Between),
}

/// A range of counts, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// At least 1.
    pub min: u64,
    /// Not less than `min`.
    pub max: u64,
}

impl Every {
    /// The smallest and the largest.
    pub fn bounds(self) -> (u64, u64) {
        match self {
            Every::Exactly(count) => (count, count),
            Every::Between(Between { min, max }) => (min, max),
        }
    }
}

/// `[schedule]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Of tasks that can go on at one instant, and packets that arrive then. Default `fifo`.
    pub order: Order,
}

pub(super) fn check(point: &Spanned<PointTable>, nodes: usize) -> Checked {
    let place = point.span();
    let point = point.get_ref();
    match (&point.wait, &point.turns) {
        (None, None) => return problem(place, "a point needs `wait` or `yield`"),
        (Some(_), Some(turns)) => {
            return problem(turns.span(), "a point has `wait` or `yield`, not both");
        }
        (Some(wait), None) => {
            let (min, max) = point.wait().unwrap_or_default();
            check_bounds("wait", wait, (min, max), time)?;
            let at = |duration| Spanned::new(wait.span(), duration);
            check_least("wait", &at(max), Duration(1))?;
            check_most("wait", &at(max), LONGEST)?;
        }
        (None, Some(turns)) => check_count("yield", turns, 1, MOST_TURNS)?,
    }
    check_node(&point.node, nodes)?;
    let (min, max) = point.every.get_ref().bounds();
    for bound in [min, max] {
        check_count(
            "every",
            &Spanned::new(point.every.span(), bound),
            1,
            MOST_PASSES,
        )?;
    }
    if min > max {
        let message = format!("every: min {min} is above max {max}");
        return problem(point.every.span(), message);
    }
    match &point.times {
        Some(times) => check_count("times", times, 1, MOST_PASSES),
        None => Ok(()),
    }
}

/// Who passes a point is one node.
pub(super) fn check_node(node: &Spanned<Target>, nodes: usize) -> Checked {
    match *node.get_ref() {
        Target::Node(known) if known < nodes => Ok(()),
        Target::Leader | Target::Follower | Target::Any => Ok(()),
        Target::Node(_) => {
            let message = format!(
                "unknown node `{}`, the cluster has node-1 to node-{nodes}",
                node.get_ref()
            );
            problem(node.span(), message)
        }
        several => {
            let message = format!(
                "`{several}` is not one node: a point is passed by a node, leader, follower or any"
            );
            problem(node.span(), message)
        }
    }
}
