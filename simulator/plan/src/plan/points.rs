//! What happens at named points of the nodes' code, drawn from the seed.
//!
//! Each seed switches some points on, as FoundationDB's `BUGGIFY` does, and says who waits there,
//! how often and how long. And of the faults that `[chaos]` draws, some are made to wait until
//! their target passes a point. Both draw from streams of their own, after everything else: a
//! scenario without points draws as if there were none.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use squall_fault::text::duration_text;
use squall_fault::{Action, NodeFault, PassedBy, Point, Target, Trigger};

use super::{PhasePlan, PlannedFault, Seed};

/// Who goes first of those who may all go on at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Who could first.
    #[default]
    Fifo,
    /// Anybody, drawn from the seed. What one task does, and the packets of one connection, stay
    /// in order.
    Random,
}

impl Order {
    /// Whether nothing is drawn.
    pub fn is_fifo(&self) -> bool {
        *self == Order::Fifo
    }
}

/// What is done at a point, and to which node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPoint {
    /// Where.
    pub point: Point,
    /// What happens to the task that passes.
    pub does: Delay,
    /// [`Target::is_single`].
    pub node: Target,
    /// From one time to the next, so many passes at least, 1 or more …
    pub every_min: u64,
    /// … and at most.
    pub every_max: u64,
    /// `None`: as often as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Only from here …
    pub from_us: u64,
    /// … to here.
    pub until_us: u64,
}

/// How a task is kept from going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// For so long.
    Wait {
        /// Drawn from here, microseconds …
        min_us: u64,
        /// … to here.
        max_us: u64,
    },
    /// Until whatever else can go on has had so many turns.
    Yield {
        /// At least 1.
        turns: u64,
    },
}

impl PlannedPoint {
    /// One line for people.
    pub(super) fn text(&self) -> String {
        let range = |min: u64, max: u64, text: fn(u64) -> String| match min == max {
            true => text(min),
            false => format!("{}..{}", text(min), text(max)),
        };
        let does = match self.does {
            Delay::Wait { min_us, max_us } => {
                format!("waits {}", range(min_us, max_us, duration_text))
            }
            Delay::Yield { turns } => format!("yields {turns} times"),
        };
        let every = range(self.every_min, self.every_max, |count| count.to_string());
        let times = self.times.map(|times| format!(", {times} times at most"));
        format!(
            "{:<24} {:<8} {does}, at one pass of {every}{}",
            self.point.name(),
            self.node.to_string(),
            times.unwrap_or_default()
        )
    }
}

/// How much of that a seed draws.
#[derive(Debug, Clone, Copy)]
pub(super) struct PointOptions {
    /// Share of the points at which something waits, parts per million.
    pub(super) on_ppm: u32,
    /// Share of the faults that wait until their target passes a point.
    pub(super) at_points_ppm: u32,
}

/// Whether a fault can strike a node that stands at a point: it strikes single nodes, once.
pub fn can_wait_for_point(action: &Action<Target>) -> bool {
    match action {
        Action::Nodes { does, .. } => !matches!(does, NodeFault::RollingRestart(_)),
        _ => false,
    }
}

/// Which points a seed switches on, and what is done there.
pub(super) fn draw(options: PointOptions, phases: &PhasePlan, seed: Seed) -> Vec<PlannedPoint> {
    let mut planned = Vec::new();
    for point in Point::ALL {
        // A stream a point: one more in the table changes no other.
        let mut rng = seed.fork(point.name()).rng();
        if rng.random_range(0..1_000_000) >= options.on_ppm {
            continue;
        }
        let does = match rng.random_range(0..3_u32) {
            0 => Delay::Yield {
                turns: rng.random_range(1..=20),
            },
            // A moment, or about as long as a round trip takes.
            1 => Delay::Wait {
                min_us: 10,
                max_us: 1_000,
            },
            _ => Delay::Wait {
                min_us: 1_000,
                max_us: rng.random_range(2..=50) * 1_000,
            },
        };
        // Points that every command passes several times cannot hold up most of them.
        let often = match does {
            Delay::Wait { max_us, .. } if max_us > 1_000 => rng.random_range(5..=50),
            _ => rng.random_range(1..=20_u64),
        };
        planned.push(PlannedPoint {
            point: *point,
            does,
            node: drawn_node(*point, &mut rng),
            every_min: 1,
            every_max: 2 * often - 1,
            times: None,
            from_us: phases.warmup_us,
            until_us: phases.warmup_us + phases.chaos_us,
        });
    }
    planned
}

/// Has some of the faults wait for a point.
pub(super) fn aim(options: PointOptions, faults: &mut [PlannedFault], seed: Seed) {
    let mut rng = seed.rng();
    for fault in faults {
        if !can_wait_for_point(&fault.action)
            || rng.random_range(0..1_000_000) >= options.at_points_ppm
        {
            continue;
        }
        let point = Point::ALL[rng.random_range(0..Point::ALL.len() as u64) as usize];
        let node = drawn_node(point, &mut rng);
        if let Action::Nodes { targets, .. } = &mut fault.action {
            *targets = vec![node];
        }
        fault.when = Some(Trigger::Point(point));
        fault.nth = match rng.random_range(0..4_u32) {
            // The first, as what is written without it.
            0 | 1 => 0,
            2 => rng.random_range(2..=5),
            _ => rng.random_range(6..=50),
        };
    }
}

/// Who stands at the point: somebody who can.
fn drawn_node(point: Point, rng: &mut ChaCha8Rng) -> Target {
    let choices = match point.passed_by() {
        PassedBy::Any => [Target::Leader, Target::Follower, Target::Any],
        PassedBy::Leader => [Target::Leader, Target::Leader, Target::Any],
        PassedBy::Follower => [Target::Follower, Target::Follower, Target::Any],
    };
    choices[rng.random_range(0..choices.len() as u64) as usize]
}
