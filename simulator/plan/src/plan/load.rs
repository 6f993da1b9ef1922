//! Plans the load: levels over time, and the shares of workloads.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::scenario::load::{Levels, LoadStep, Stress};
use crate::scenario::unit::{Bounds, Duration};
use crate::scenario::{Scenario, Workload};
use squall_fault::text::{duration_text, share_text};
pub use squall_history::LoadUnit;

/// The load of a run, instead of what the workloads say themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// What all levels count.
    pub unit: LoadUnit,
    /// At least one. One after the other from the start of the chaos phase on; the warm-up is
    /// at the level of the first, and what follows the last at that of the last.
    pub steps: Vec<LoadStepPlan>,
    /// The steps end with the first that breaks a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<StressPlan>,
}

/// From the level before to a level, and a while there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadStepPlan {
    /// Users, or operations an hour.
    pub level: u64,
    /// From the level before, in a straight line.
    pub ramp_us: u64,
    /// After the ramp.
    pub hold_us: u64,
    /// Pause of users in this step; `None`: that of their workload.
    pub think_us: Option<(u64, u64)>,
    /// Operations that start together, at least and at most.
    pub burst: (u64, u64),
    /// Of each workload, in the plan's order.
    pub weights: Vec<u64>,
}

/// What ends the climb of a stress test, and how a step is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StressPlan {
    /// Most operations that may fail.
    pub error_ppm: Option<u32>,
    /// Of all operations, from their intended start.
    pub p99_us: Option<u64>,
    /// Most operations that may be left waiting.
    pub unserved_ppm: Option<u32>,
    /// Most memory of any node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Most load of any node, of one processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ppm: Option<u32>,
    /// Beginning of a step that is not judged.
    pub settle_us: u64,
    /// Back at the first level for so long, after a limit broke.
    pub recover_us: u64,
}

impl LoadPlan {
    /// The level `at_us` into the ramp of a step.
    pub fn ramp_level(&self, step: usize, at_us: u64) -> u64 {
        let to = self.steps[step].level;
        let from = self.level_before(step);
        let ramp_us = self.steps[step].ramp_us;
        if at_us >= ramp_us {
            return to;
        }
        let part = |difference: u64| {
            let part = u128::from(difference) * u128::from(at_us) / u128::from(ramp_us);
            u64::try_from(part).expect("a part of a u64")
        };
        match from <= to {
            true => from + part(to - from),
            false => from - part(from - to),
        }
    }

    /// Where the ramp of a step begins; the first step's own level, as it has no ramp.
    pub fn level_before(&self, step: usize) -> u64 {
        self.steps[step.saturating_sub(1)].level
    }

    /// The most users that a workload ever has.
    pub fn most_users(&self, workload: usize) -> u64 {
        let users = self
            .steps
            .iter()
            .map(|step| step.shares(step.level)[workload]);
        // A ramp between two levels of other weights may round to one user more.
        users.max().unwrap_or(0) + u64::from(self.steps.len() > 1)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.steps.iter().map(|step| step.text(self.unit)).collect();
        if let Some(stress) = &self.stress {
            lines.push(stress.text());
        }
        lines
    }
}

impl LoadStepPlan {
    /// What each workload has of `total`, which is shared out without a remainder: largest
    /// remainders first, the earlier workload before the later.
    pub fn shares(&self, total: u64) -> Vec<u64> {
        let sum: u128 = self.weights.iter().map(|weight| u128::from(*weight)).sum();
        let exact = |weight: u64| u128::from(total) * u128::from(weight);
        let mut shares: Vec<u64> = self
            .weights
            .iter()
            .map(|weight| (exact(*weight) / sum) as u64)
            .collect();
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(exact(self.weights[*index]) % sum));
        let left = total - shares.iter().sum::<u64>();
        for index in order.into_iter().take(left as usize) {
            shares[index] += 1;
        }
        shares
    }

    fn text(&self, unit: LoadUnit) -> String {
        let mut text = level_text(unit, self.level);
        if self.ramp_us > 0 {
            text += &format!(", reached in {}", duration_text(self.ramp_us));
        }
        if self.hold_us > 0 {
            text += &format!(", held for {}", duration_text(self.hold_us));
        }
        if let Some((min, max)) = self.think_us {
            text += &format!(", think {}..{}", duration_text(min), duration_text(max));
        }
        if self.burst != (1, 1) {
            text += &format!(", in bursts of {} to {}", self.burst.0, self.burst.1);
        }
        if self.weights.len() > 1 {
            let weights: Vec<String> = self.weights.iter().map(u64::to_string).collect();
            text += &format!(", shared {}", weights.join(":"));
        }
        text
    }
}

impl StressPlan {
    fn text(&self) -> String {
        let mut limits = Vec::new();
        if let Some(ppm) = self.error_ppm {
            limits.push(format!("error rate {}", share_text(ppm)));
        }
        if let Some(us) = self.p99_us {
            limits.push(format!("p99 {}", duration_text(us)));
        }
        if let Some(ppm) = self.unserved_ppm {
            limits.push(format!("unserved {}", share_text(ppm)));
        }
        if let Some(bytes) = self.memory_bytes {
            limits.push(format!("memory {bytes} B"));
        }
        if let Some(ppm) = self.cpu_ppm {
            limits.push(format!("cpu {}", share_text(ppm)));
        }
        format!(
            "until a step breaks {}; then back to the first for {}",
            limits.join(" or "),
            duration_text(self.recover_us)
        )
    }
}

/// `500 users`, `250/s`.
pub fn level_text(unit: LoadUnit, level: u64) -> String {
    match unit {
        LoadUnit::Users => format!("{level} users"),
        LoadUnit::PerHour if level.is_multiple_of(3_600) => format!("{}/s", level / 3_600),
        LoadUnit::PerHour => format!("{level}/h"),
    }
}

/// The load of a scenario, if it has any.
pub(super) fn load(scenario: &Scenario, named: &[(String, &Workload)]) -> Option<LoadPlan> {
    let compress = *scenario.phases.compress.get_ref();
    if let Some(stress) = &scenario.stress {
        return Some(stress_load(named, stress.get_ref(), compress));
    }
    let first = scenario.load.first()?;
    let unit = match first.get_ref().users {
        Some(_) => LoadUnit::Users,
        None => LoadUnit::PerHour,
    };
    let steps = scenario.load.iter().map(Spanned::get_ref);
    Some(LoadPlan {
        unit,
        steps: steps.map(|step| load_step(step, named, compress)).collect(),
        stress: None,
    })
}

fn load_step(step: &LoadStep, named: &[(String, &Workload)], compress: u64) -> LoadStepPlan {
    let level = match (&step.users, &step.rate) {
        (Some(users), _) => *users.get_ref(),
        (None, Some(rate)) => rate.get_ref().0,
        (None, None) => unreachable!("a checked step has a level"),
    };
    let us = |bounds: &Spanned<Bounds<Duration>>| {
        let (min, max) = bounds.get_ref().or((Duration(0), Duration(0)));
        (min.us(), max.us())
    };
    LoadStepPlan {
        level,
        ramp_us: step.ramp().us() / compress,
        hold_us: step.hold().us() / compress,
        think_us: step.think.as_ref().map(us),
        burst: step.burst.as_ref().map_or((1, 1), |burst| {
            let counts = burst.get_ref();
            (counts.min, counts.max)
        }),
        weights: step.shares(named).collect(),
    }
}

fn stress_load(named: &[(String, &Workload)], stress: &Stress, compress: u64) -> LoadPlan {
    let (unit, from, by) = match (&stress.users, &stress.rate) {
        (Some(users), _) => {
            let Levels { from, by, .. } = *users.get_ref();
            (LoadUnit::Users, from, by)
        }
        (None, Some(rate)) => {
            let Levels { from, by, .. } = *rate.get_ref();
            (LoadUnit::PerHour, from.0, by.0)
        }
        (None, None) => unreachable!("a checked stress test has levels"),
    };
    let weights = named.iter().map(|(_, workload)| workload.weight());
    let weights: Vec<u64> = weights.collect();
    let step = |number: u64| LoadStepPlan {
        level: from + number * by,
        ramp_us: 0,
        hold_us: stress.hold().us() / compress,
        think_us: None,
        burst: (1, 1),
        weights: weights.clone(),
    };
    let limits = stress.limits.get_ref();
    LoadPlan {
        unit,
        steps: (0..stress.step_count()).map(step).collect(),
        stress: Some(StressPlan {
            error_ppm: limits.error_rate.map(|share| share.0),
            p99_us: limits.p99.map(Duration::us),
            unserved_ppm: limits.unserved.map(|share| share.0),
            memory_bytes: limits.memory.map(|size| size.0),
            cpu_ppm: limits.cpu.map(|share| share.0),
            settle_us: stress.settle().us() / compress,
            recover_us: stress.recover().us() / compress,
        }),
    }
}
