//! Drawing one fault: its targets and how bad it is.
//!
//! What is drawn here stays within what a cluster with the default timing can bear for a
//! while: links slow but not dead, clocks that drift no more than leases allow for.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::chaos::Rules;
use squall_fault::{
    ClientFault, ClockFault, DiskFault, FaultAction, Kind, LinkChange, MemberChange, Target,
};

const SECOND: u64 = 1_000_000;

/// Choices within the rules.
pub(super) struct Dice<'a> {
    pub(super) rng: ChaCha8Rng,
    pub(super) rules: &'a Rules,
}

impl Dice<'_> {
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

    pub(super) fn one(&mut self) -> Target {
        self.pick(&[Target::Leader, Target::Follower, Target::Any])
    }

    /// One target or several, at most `at_most` nodes in all, and how many they are.
    fn some(&mut self, at_most: usize) -> (Vec<Target>, usize) {
        let minority = Target::Minority.count(self.rules.nodes);
        match self.below(4) {
            0 if at_most >= 2 && self.rules.nodes >= 3 => {
                (vec![Target::Leader, Target::Follower], 2)
            }
            1 if (2..=at_most).contains(&minority) => (vec![Target::Minority], minority),
            2 if at_most > minority && self.rules.budget.is_none() => {
                let majority = Target::Majority.count(self.rules.nodes);
                (vec![Target::Majority], majority)
            }
            _ => (vec![self.one()], 1),
        }
    }

    /// An action of the kind that impairs at most `at_most` nodes, and how many it does.
    pub(super) fn action(&mut self, kind: Kind, at_most: usize) -> Option<(FaultAction, usize)> {
        use Kind::*;
        Some(match kind {
            Kill | Stop | PowerLoss | Pause | Isolate => {
                let (targets, cost) = self.some(at_most);
                let action = match kind {
                    Kill => FaultAction::Kill { targets },
                    Stop => FaultAction::Stop { targets },
                    PowerLoss => FaultAction::PowerLoss { targets },
                    Pause => FaultAction::Pause { targets },
                    _ => FaultAction::Isolate { targets },
                };
                (action, cost)
            }
            Partition | OneWay => {
                let (side, cost) = self.some(at_most);
                let mut sides = vec![side, vec![Target::All]];
                if kind == OneWay && self.below(2) == 0 {
                    sides.reverse();
                }
                let one_way = kind == OneWay;
                (FaultAction::Partition { sides, one_way }, cost)
            }
            Bridge => {
                let half = (self.rules.nodes - 1) / 2;
                if half > at_most {
                    return None;
                }
                let sides = vec![vec![Target::Minority], vec![Target::All]];
                let bridge = self.pick(&[Target::Leader, Target::Follower]);
                (FaultAction::Bridge { sides, bridge }, half)
            }
            Latency | Jitter | Loss | Bandwidth => (self.link(kind), 0),
            Transfer => {
                let to = Target::Follower;
                (FaultAction::Transfer { to }, 0)
            }
            Wipe => {
                let targets = vec![self.one()];
                (FaultAction::Wipe { targets }, 1)
            }
            CrashLoop => {
                let action = FaultAction::CrashLoop {
                    targets: vec![self.one()],
                    up_us: self.between_ms((50_000, SECOND)),
                    down_us: self.between_ms((20_000, SECOND / 2)),
                };
                (action, 1)
            }
            RollingRestart => {
                let action = FaultAction::RollingRestart {
                    targets: vec![Target::All],
                    up_us: self.between_ms((SECOND / 2, 2 * SECOND)),
                    down_us: self.between_ms((100_000, SECOND)),
                };
                (action, 1)
            }
            SlowSync | FailingSync | ReadError | WriteError | DiskFull | BitRot
            | MisdirectedWrite | TornTail => {
                let targets = vec![self.one()];
                let fault = self.disk(kind);
                let cost = usize::from(kind != SlowSync);
                (FaultAction::Disk { targets, fault }, cost)
            }
            ClockOffset | ClockDrift | ClockJump => {
                let targets = vec![self.one()];
                let fault = self.clock(kind);
                (FaultAction::Clock { targets, fault }, 0)
            }
            AddMember => {
                let spare = self.between((0, self.rules.spares as u64 - 1)) as usize;
                let target = Target::Node(self.rules.nodes + spare);
                let change = MemberChange::Add;
                (FaultAction::Member { target, change }, 0)
            }
            RemoveMember | ReplaceMember => {
                let target = self.one();
                let change = match kind {
                    RemoveMember => MemberChange::Remove,
                    _ => MemberChange::Replace,
                };
                (FaultAction::Member { target, change }, 1)
            }
            ClientCrash | RetryStorm => {
                let clients = self.between((1, 4));
                let fault = match kind {
                    ClientCrash => ClientFault::Crash { clients },
                    _ => ClientFault::RetryStorm { clients },
                };
                (FaultAction::Client { fault }, 0)
            }
            Flapping => return None,
        })
    }

    fn link(&mut self, kind: Kind) -> FaultAction {
        let all = vec![Target::All];
        let one = vec![self.one()];
        let (from, to) = match self.below(3) {
            0 => (all.clone(), all),
            1 => (one, all),
            _ => (all, one),
        };
        let mut change = LinkChange::default();
        match kind {
            Kind::Latency => change.latency_us = self.between_ms((1_000, 30_000)),
            Kind::Jitter => change.jitter_us = self.between_ms((1_000, 50_000)),
            Kind::Loss => change.loss_ppm = self.between((1, 100)) as u32 * 1_000,
            _ => change.bandwidth_bytes_per_s = Some(self.between((50, 1_000)) * 1_000),
        }
        FaultAction::Link { from, to, change }
    }

    fn disk(&mut self, kind: Kind) -> DiskFault {
        match kind {
            Kind::FailingSync => DiskFault::FailingSync,
            Kind::ReadError => DiskFault::ReadError,
            Kind::WriteError => DiskFault::WriteError,
            Kind::DiskFull => DiskFault::Full,
            Kind::BitRot => DiskFault::BitRot,
            Kind::MisdirectedWrite => DiskFault::MisdirectedWrite,
            Kind::TornTail => DiskFault::TornTail,
            _ => DiskFault::SlowSync {
                by_us: self.between_ms((5_000, 200_000)),
            },
        }
    }

    fn clock(&mut self, kind: Kind) -> ClockFault {
        let sign = if self.below(2) == 0 { 1 } else { -1 };
        match kind {
            Kind::ClockDrift => ClockFault::Drift {
                by_ppm: sign * self.between((10, 300)) as i32,
            },
            Kind::ClockJump => ClockFault::Jump {
                by_us: i64::from(sign) * self.between_ms((10_000, 3_600 * SECOND)) as i64,
            },
            _ => ClockFault::Offset {
                by_us: i64::from(sign) * self.between_ms((10_000, 60 * SECOND)) as i64,
            },
        }
    }
}
