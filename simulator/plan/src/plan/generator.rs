//! Draws one fault: its targets and how bad it is, as the row of its kind says.
//!
//! Sizes stay within what a cluster with the default timing can bear for a
//! while: links slow but not dead, clocks that drift no more than leases allow for.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use squall_fault::kind::{Aim, Cost, Size};
use squall_fault::{Action, FaultKind, Target};

use super::{Budget, ChaosPlan};

/// What may be drawn.
#[derive(Debug, Clone)]
pub(super) struct ChaosOptions {
    pub(super) nodes: usize,
    pub(super) spares: usize,
    pub(super) kinds: Vec<FaultKind>,
    /// Share of the kinds that a seed uses, parts per million.
    pub(super) kept_ppm: u32,
    pub(super) gap_us: (u64, u64),
    pub(super) lasts_us: (u64, u64),
    pub(super) budget: Budget,
    pub(super) aimed_ppm: u32,
}

impl ChaosOptions {
    pub(super) fn plan(&self, kinds: &[FaultKind]) -> ChaosPlan {
        ChaosPlan {
            kinds: kinds.to_vec(),
            budget: self.budget,
        }
    }

    /// Whether the cluster is large enough for the kind.
    pub(super) fn allows(&self, kind: FaultKind) -> bool {
        let info = kind.info();
        self.nodes >= info.fewest_nodes && (info.aim != Aim::Spare || self.spares > 0)
    }
}

/// Random choices within the options. The order of draws is part of what a seed means.
pub(super) struct FaultGenerator<'a> {
    pub(super) rng: ChaCha8Rng,
    pub(super) options: &'a ChaosOptions,
}

impl FaultGenerator<'_> {
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.rng.random_range(0..bound)
    }

    pub(super) fn between(&mut self, (min, max): (u64, u64)) -> u64 {
        self.rng.random_range(min..=max)
    }

    /// As [`Self::between`], in whole milliseconds: a plan is read by people.
    pub(super) fn between_ms(&mut self, (min_us, max_us): (u64, u64)) -> u64 {
        self.between((min_us / 1_000, max_us / 1_000)) * 1_000
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.random_range(0..choices.len() as u64) as usize]
    }

    pub(super) fn size(&mut self, size: &Size) -> i64 {
        let sign = if size.is_signed && self.below(2) == 1 {
            -1
        } else {
            1
        };
        sign * (self.between((size.min / size.step, size.max / size.step)) * size.step) as i64
    }

    fn one(&mut self) -> Target {
        self.pick(&[Target::Leader, Target::Follower, Target::Any])
    }

    /// One target or several, at most `left` nodes in all; without a limit a majority as well,
    /// and all nodes where only damage is limited, if that `may_be_all`.
    fn several(&mut self, left: Option<usize>, may_be_all: bool) -> Vec<Target> {
        let minority = Target::Minority.count(self.options.nodes);
        let at_most = left.unwrap_or(self.options.nodes);
        let may_be_all = may_be_all && matches!(self.options.budget, Budget::Damaged(_));
        match self.below(4) {
            0 if at_most >= 2 && self.options.nodes >= 3 => vec![Target::Leader, Target::Follower],
            1 if (2..=at_most).contains(&minority) => vec![Target::Minority],
            2 if at_most > minority && left.is_none() => vec![Target::Majority],
            3 if left.is_none() && may_be_all && self.below(2) == 0 => vec![Target::All],
            _ => vec![self.one()],
        }
    }

    /// An action of the kind that impairs at most `left` nodes, and how many it does; `None` if
    /// it cannot be with so few.
    pub(super) fn action(
        &mut self,
        kind: FaultKind,
        left: Option<usize>,
    ) -> Option<(Action<Target>, usize)> {
        let info = kind.info();
        let all = vec![Target::All];
        let groups = match info.aim {
            Aim::Several => vec![self.several(left, true)],
            Aim::One => vec![vec![self.one()]],
            Aim::All => vec![all],
            Aim::Follower => vec![vec![Target::Follower]],
            Aim::Spare => {
                let spare = self.between((0, self.options.spares as u64 - 1)) as usize;
                vec![vec![Target::Node(self.options.nodes + spare)]]
            }
            Aim::Side | Aim::Direction => vec![self.several(left, false), all],
            Aim::Bridge
                if left.is_some_and(|left| Target::Minority.count(self.options.nodes) > left) =>
            {
                return None;
            }
            Aim::Bridge => {
                let bridge = self.pick(&[Target::Leader, Target::Follower]);
                vec![vec![Target::Minority], all, vec![bridge]]
            }
            Aim::Ends => {
                let one = vec![self.one()];
                match self.below(3) {
                    0 => vec![all.clone(), all],
                    1 => vec![one, all],
                    _ => vec![all, one],
                }
            }
            Aim::Clients => Vec::new(),
        };
        let cost = match info.cost {
            Cost::None => 0,
            Cost::InTurn => 1,
            Cost::Targets | Cost::SmallerSides => {
                let counts = groups[0].iter().map(|t| t.count(self.options.nodes));
                counts.sum()
            }
        };
        let mut groups = groups;
        if info.aim == Aim::Direction && self.below(2) == 0 {
            groups.reverse();
        }
        let sizes: Vec<i64> = info.sizes.iter().map(|size| self.size(size)).collect();
        Some((Action::drawn(kind, groups, &sizes), cost))
    }
}
