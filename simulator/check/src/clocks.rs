//! Bounds in log time as bounds in true time: what clocks at wrong rates make of a duration.
//!
//! A leader stamps entries with its own clock, which may run fast or slow, and counts it slower
//! by [`MARGIN_PPM`], so that no lease ends early under a clock that runs fast by as much
//! (`log_clock` of the cluster). A clock that runs faster than that shortens leases, which
//! nobody promised otherwise, and any that runs slow lengthens them: how wrong a clock was, the
//! history says. Offsets and jumps move no deadline that was given as a duration: a term's log
//! time goes on with the monotonic clock, and a new leader carries every deadline along. They do
//! move ends that were given as times (`EXAT`), which no workload asks for.

use squall_fault::FaultKind;
use squall_history::{EventKind, FaultEvent, FaultStatus, History};

/// By how much the cluster counts log time slower than its clock, in parts per million.
const MARGIN_PPM: u64 = 1_000;

/// Of a drift in a history of an earlier version, which does not say how much it is: the most
/// that a scenario can ask for.
const UNSAID: Rates = Rates {
    fast_ppm: 100_000,
    slow_ppm: 100_000,
};

const MILLION: u64 = 1_000_000;

/// How wrong the rates of the clocks were, and when.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// How much faster the fastest clock runs by itself, and how much slower the slowest.
    own: Rates,
    drifts: Vec<Drift>,
}

/// How much faster and slower than true time clocks may run, in parts per million.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    fast_ppm: u64,
    slow_ppm: u64,
}

/// A fault that made clocks drift, or may have.
#[derive(Debug)]
struct Drift {
    fault: usize,
    from_us: u64,
    until_us: u64,
    by: Rates,
}

impl Rates {
    fn of(ppm: i32) -> Self {
        let by = u64::from(ppm.unsigned_abs());
        match ppm > 0 {
            true => Self {
                fast_ppm: by,
                ..Self::default()
            },
            false => Self {
                slow_ppm: by,
                ..Self::default()
            },
        }
    }
}

impl Clocks {
    pub(super) fn new(history: &History) -> Self {
        let mut clocks = Self::default();
        for event in &history.events {
            match &event.kind {
                EventKind::Setup { drift_ppm, .. } => {
                    for ppm in drift_ppm.values() {
                        let Rates { fast_ppm, slow_ppm } = Rates::of(*ppm);
                        clocks.own.fast_ppm = clocks.own.fast_ppm.max(fast_ppm);
                        clocks.own.slow_ppm = clocks.own.slow_ppm.max(slow_ppm);
                    }
                }
                EventKind::Fault(fault) if fault.kind == FaultKind::ClockDrift => {
                    clocks.drift(event.at_us, fault);
                }
                _ => {}
            }
        }
        clocks
    }

    fn drift(&mut self, at_us: u64, event: &FaultEvent) {
        match event.status {
            FaultStatus::Installed | FaultStatus::Uncertain { .. } => self.drifts.push(Drift {
                fault: event.fault,
                from_us: at_us,
                until_us: u64::MAX,
                by: event.drift_ppm.map_or(UNSAID, Rates::of),
            }),
            FaultStatus::Healed => {
                let last = self
                    .drifts
                    .iter_mut()
                    .rfind(|drift| drift.fault == event.fault);
                if let Some(drift) = last {
                    drift.until_us = at_us;
                }
            }
            FaultStatus::Skipped { .. } => {}
        }
    }

    /// What the clocks may have been within `from_us..=until_us`, if all of it fell on one.
    fn rates(&self, from_us: u64, until_us: u64) -> Rates {
        let drifts = self.drifts.iter();
        let overlapping =
            drifts.filter(|drift| drift.from_us <= until_us && drift.until_us >= from_us);
        overlapping.fold(self.own, |sum, drift| Rates {
            fast_ppm: sum.fast_ppm + drift.by.fast_ppm,
            slow_ppm: sum.slow_ppm + drift.by.slow_ppm,
        })
    }

    /// The shortest true time within `from_us..=until_us` in which log time may count
    /// `duration_us`; at most `duration_us` itself.
    pub(super) fn shortest_us(&self, from_us: u64, until_us: u64, duration_us: u64) -> u64 {
        let Rates { fast_ppm, .. } = self.rates(from_us, until_us);
        scaled(
            duration_us,
            MILLION,
            MILLION + fast_ppm.saturating_sub(MARGIN_PPM),
        )
    }

    /// The longest true time within `from_us..=until_us` that log time may take to count
    /// `duration_us`.
    pub(super) fn longest_us(&self, from_us: u64, until_us: u64, duration_us: u64) -> u64 {
        let Rates { slow_ppm, .. } = self.rates(from_us, until_us);
        let by_clock_us = scaled(duration_us, MILLION, MILLION.saturating_sub(slow_ppm));
        scaled(by_clock_us, MILLION, MILLION - MARGIN_PPM)
    }
}

/// `value * times / by`, and the largest number instead of more.
fn scaled(value: u64, times: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(times);
    let scaled = product.checked_div(by.into()).unwrap_or(u128::MAX);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Clocks;
    use crate::testing::*;
    use squall_history::FaultStatus;

    const HOUR_US: u64 = 3_600_000_000;

    /// A clock that drifts from 1 s to 3 s.
    fn drifting(ppm: Option<i32>) -> Clocks {
        let mut run = Run::new();
        run.at(1_000).drift(ppm, FaultStatus::Installed);
        run.at(3_000).drift(ppm, FaultStatus::Healed);
        Clocks::new(&run.end())
    }

    #[test]
    fn clocks_within_the_margin_shorten_nothing() {
        for ppm in [-500, 0, 300, 1_000] {
            let clocks = drifting(Some(ppm));
            assert_eq!(clocks.shortest_us(2_000_000, HOUR_US, HOUR_US), HOUR_US);
        }
    }

    #[test]
    fn a_fast_clock_shortens_what_begins_before_it_is_healed() {
        let clocks = drifting(Some(51_000));
        assert_eq!(clocks.shortest_us(0, 900_000, 900_000), 900_000);
        assert_eq!(clocks.shortest_us(500_000, 1_500_000, 1_050_000), 1_000_000);
        assert_eq!(
            clocks.shortest_us(3_000_000, 4_000_000, 1_050_000),
            1_000_000
        );
        assert_eq!(
            clocks.shortest_us(3_000_001, 4_000_000, 1_050_000),
            1_050_000
        );
    }

    #[test]
    fn log_time_is_late_by_the_margin_and_by_what_a_clock_is_slow() {
        let clocks = drifting(Some(-100_000));
        assert_eq!(clocks.longest_us(4_000_000, 9_000_000, 999_000), 1_000_000);
        assert_eq!(clocks.longest_us(2_000_000, 9_000_000, 899_100), 1_000_000);
        let fast = drifting(Some(100_000));
        assert_eq!(fast.longest_us(2_000_000, 9_000_000, 999_000), 1_000_000);
    }

    #[test]
    fn a_drift_of_which_nothing_is_said_may_be_any() {
        let clocks = drifting(None);
        assert!(clocks.shortest_us(2_000_000, HOUR_US, HOUR_US) < HOUR_US * 92 / 100);
        assert!(clocks.longest_us(2_000_000, HOUR_US, HOUR_US) > HOUR_US * 11 / 10);
    }

    #[test]
    fn a_clock_that_runs_wrong_by_itself_does_so_all_the_time() {
        let mut run = Run::new();
        run.setup(None, &[("node-1", 51_000), ("node-2", -1_000)]);
        let clocks = Clocks::new(&run.end());
        assert_eq!(clocks.shortest_us(0, 9_000_000, 1_050_000), 1_000_000);
        assert_eq!(clocks.longest_us(0, 9_000_000, 998_001), 1_000_000);
    }
}
