//! `[chaos]`: faults drawn from the seed.
//!
//! Each seed first leaves kinds out, half of them by default (swarm testing: Groce et al.,
//! "Swarm testing", ISSTA 2012), because kinds hide each other: a bug that needs twenty
//! transfers never shows while every other fault is a power loss. Then the chaos phase is
//! cut into spells: quiet ones, steady ones, and bursts of faults almost at once. What
//! overlaps is added up against the budget; who is meant is known only when a fault fires,
//! so the nemesis counts again, by node.
//!
//! All choices are ratios of whole numbers. A plan drawn here holds its faults one by one,
//! like those written by hand.

use super::generator::{ChaosOptions, FaultGenerator};
use super::{PhasePlan, PlannedFault, Seed};
use squall_fault::kind::Loss;
use squall_fault::{Action, FaultKind, NodeFault, Target, Trigger};

/// Of ten spells, so many are quiet …
const QUIET_OF_10: u32 = 2;
/// … and so many are bursts; the others are steady.
const BURSTS_OF_10: u32 = 2;
/// Lengths of quiet and of steady spells.
const INTERVAL_US: (u64, u64) = (2_000_000, 8_000_000);
/// Faults of a burst, and the time between them.
const BURST_FAULTS: (u64, u64) = (2, 5);
const BURST_GAP_US: (u64, u64) = (0, 150_000);
/// Nothing shorter is worth beginning before the phase ends.
const LEAST_US: u64 = 200_000;
/// A replaced node needs about so long to be back after its fault is over.
const REPAIR_US: u64 = 4_000_000;

pub(super) struct DrawnFaults {
    /// Kinds that the seed uses.
    pub(super) kinds: Vec<FaultKind>,
    pub(super) faults: Vec<PlannedFault>,
}

/// Draws the faults of a chaos phase.
pub(super) fn draw(options: &ChaosOptions, phases: &PhasePlan, seed: Seed) -> DrawnFaults {
    let mut generator = FaultGenerator {
        rng: seed.rng(),
        options,
    };
    let kinds = generator.swarm();
    let mut faults = Faults {
        planned: Vec::new(),
        ends: Vec::new(),
    };
    let end_us = phases.warmup_us + phases.chaos_us;
    let mut now_us = phases.warmup_us;
    while !kinds.is_empty() && now_us + LEAST_US < end_us {
        let pace = generator.below(10);
        if pace < QUIET_OF_10 {
            now_us += generator.between_ms(INTERVAL_US);
        } else if pace < QUIET_OF_10 + BURSTS_OF_10 {
            for _ in 0..generator.between(BURST_FAULTS) {
                generator.fault(&kinds, now_us, end_us, &mut faults);
                now_us += generator.between_ms(BURST_GAP_US);
            }
            now_us += generator.between_ms(options.gap_us);
        } else {
            let interval_ends_us = now_us + generator.between_ms(INTERVAL_US);
            while now_us < interval_ends_us {
                now_us += generator.between_ms(options.gap_us);
                generator.fault(&kinds, now_us, end_us, &mut faults);
            }
        }
    }
    DrawnFaults {
        kinds,
        faults: faults.planned,
    }
}

/// What has been drawn so far.
struct Faults {
    planned: Vec<PlannedFault>,
    /// End and cost of each fault that costs something.
    ends: Vec<(u64, usize)>,
}

impl FaultGenerator<'_> {
    /// The kinds of this seed: each with the chance of one that is kept, and at least one.
    fn swarm(&mut self) -> Vec<FaultKind> {
        let mut possible = self.options.kinds.clone();
        possible.retain(|kind| self.options.allows(*kind));
        possible.sort_unstable();
        possible.dedup();
        let kept_ppm = self.options.kept_ppm;
        if kept_ppm == 1_000_000 || possible.is_empty() {
            return possible;
        }
        let mut kinds = possible.clone();
        kinds.retain(|_| match kept_ppm {
            500_000 => self.below(2) == 0,
            kept_ppm => self.below(1_000_000) < kept_ppm,
        });
        if kinds.is_empty() {
            kinds.push(self.pick(&possible));
        }
        kinds
    }

    /// Draws one fault that begins at `at_us`; none if the budget is spent or the phase over.
    fn fault(&mut self, kinds: &[FaultKind], at_us: u64, end_us: u64, faults: &mut Faults) {
        if at_us + LEAST_US >= end_us {
            return;
        }
        let kind = self.pick(kinds);
        let lasts_us = self.between_ms(self.options.lasts_us).min(end_us - at_us);
        faults.ends.retain(|(until_us, _)| *until_us > at_us);
        let spent: usize = faults.ends.iter().map(|(_, cost)| cost).sum();
        let budget = self.options.budget;
        let left = budget.most(kind).map(|most| most.saturating_sub(spent));
        if left == Some(0) && kind.is_costly() {
            return;
        }
        if kind == FaultKind::Flapping {
            self.flap(at_us, end_us, faults);
            return;
        }
        let Some((action, cost)) = self.action(kind, left) else {
            return;
        };
        let lasts_us = if kind.is_instant() {
            0
        } else {
            action.takes_us(self.options.nodes).unwrap_or(lasts_us)
        };
        let until_us = (at_us + lasts_us).min(end_us);
        if cost > 0 && budget.counts(kind) {
            let info = kind.info();
            let is_repaired = info.rejoins || info.loses == Loss::Stored;
            let repair_us = if is_repaired { REPAIR_US } else { 0 };
            faults.ends.push((until_us + repair_us, cost));
        }
        let when = self.trigger(kind);
        faults.push(at_us, until_us, action, when);
    }

    /// One node is cut off and back, several times.
    fn flap(&mut self, at_us: u64, end_us: u64, faults: &mut Faults) {
        let target = Target::Node(self.between((0, self.options.nodes as u64 - 1)) as usize);
        let sizes = FaultKind::Flapping.info().sizes;
        let [away_us, back_us] = [0, 1].map(|index| self.size(&sizes[index]) as u64);
        let mut from_us = at_us;
        for _ in 0..self.between((2, 5)) {
            if from_us + away_us >= end_us {
                break;
            }
            let action = Action::Nodes {
                does: NodeFault::Isolate,
                targets: vec![target],
            };
            faults.push(from_us, from_us + away_us, action, None);
            from_us += away_us + back_us;
        }
        if self.options.budget.counts(FaultKind::Flapping) {
            faults.ends.push((from_us, 1));
        }
    }

    /// What a fault of the kind is aimed at, if at anything: acknowledgements most of all,
    /// as what follows one is what must not be lost.
    fn trigger(&mut self, kind: FaultKind) -> Option<Trigger> {
        if !kind.is_costly() || self.below(1_000_000) >= self.options.aimed_ppm {
            return None;
        }
        Some(match self.below(8) {
            0..=3 => Trigger::Acknowledgement,
            4..=5 => Trigger::Election,
            6 => Trigger::Membership,
            _ => Trigger::Snapshot,
        })
    }
}

impl Faults {
    fn push(&mut self, at_us: u64, until_us: u64, action: Action<Target>, when: Option<Trigger>) {
        self.planned.push(PlannedFault {
            id: 0,
            at_us,
            until_us,
            action,
            when,
            nth: 0,
            drawn: true,
        });
    }
}
