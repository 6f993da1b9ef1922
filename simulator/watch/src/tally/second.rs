//! Counts within a second of a run, for figures that are looked at second by second.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use squall_history::{Phase, Service};
use squall_objective::objective::{Metric, Quantile};

/// An operation whose latency somebody watches.
pub(super) type Named = (Service, String);

/// An operation that has ended.
pub(super) struct Ended {
    pub(super) service: Service,
    pub(super) operation: &'static str,
    pub(super) latency_us: u64,
    pub(super) is_acknowledged: bool,
}

/// A second, or a longer stretch that is counted in the same way.
#[derive(Debug, Clone)]
pub struct Second {
    acked: BTreeMap<Service, u64>,
    all_acked: u64,
    errors: u64,
    hits: u64,
    reads: u64,
    /// Whether clients waited for an answer: when the load is over, nobody expects any.
    was_asked: bool,
    latencies: Vec<(Named, Histogram<u64>)>,
}

impl Second {
    pub(super) fn watching(named: &[Named]) -> Self {
        // Three digits, as reports have latencies.
        let empty = || Histogram::new(3).expect("three significant digits are supported");
        Self {
            acked: BTreeMap::new(),
            all_acked: 0,
            errors: 0,
            hits: 0,
            reads: 0,
            was_asked: false,
            latencies: named.iter().map(|name| (name.clone(), empty())).collect(),
        }
    }

    pub(super) fn clear(&mut self, was_asked: bool) {
        self.acked.clear();
        (self.all_acked, self.errors) = (0, 0);
        (self.hits, self.reads) = (0, 0);
        self.was_asked = was_asked;
        self.latencies.iter_mut().for_each(|(_, seen)| seen.reset());
    }

    pub(super) fn asked(&mut self) {
        self.was_asked = true;
    }

    pub(super) fn read(&mut self, hits: u64, reads: u64) {
        self.hits += hits;
        self.reads += reads;
    }

    pub(super) fn ended(&mut self, ended: &Ended) {
        if !ended.is_acknowledged {
            self.errors += 1;
            return;
        }
        self.all_acked += 1;
        *self.acked.entry(ended.service).or_default() += 1;
        for ((service, operation), seen) in &mut self.latencies {
            if *service == ended.service && operation == ended.operation {
                seen.record(ended.latency_us)
                    .expect("the histogram grows to any latency of a run");
            }
        }
    }

    /// The figure over this stretch of `length_us`, in its small unit; `None` if nothing
    /// happened to tell it by. Rates of throughput (minimum, sustained, peak) are all the same
    /// of one second.
    pub fn value(&self, figure: &Metric, length_us: u64) -> Option<u64> {
        let ended = self.all_acked + self.errors;
        match figure {
            Metric::Throughput { service, .. } => {
                let acked = match service {
                    None => self.all_acked,
                    Some(service) => self.acked.get(service).copied().unwrap_or(0),
                };
                let per_second = (acked * 1_000_000_000).checked_div(length_us);
                per_second.filter(|_| self.was_asked || acked > 0)
            }
            Metric::ErrorRate { .. } => share_ppm(self.errors, ended),
            Metric::SuccessRate => share_ppm(self.all_acked, ended),
            Metric::HitRate => share_ppm(self.hits, self.reads),
            Metric::Latency {
                service,
                operation,
                quantile,
            } => self.latency_us(*service, operation, *quantile),
            _ => None,
        }
    }

    fn latency_us(&self, service: Service, operation: &str, quantile: Quantile) -> Option<u64> {
        let mut named = self.latencies.iter();
        let (_, seen) = named.find(|((s, o), _)| *s == service && o == operation)?;
        let share = quantile.per_mille() as f64 / 1_000.0;
        (!seen.is_empty()).then(|| seen.value_at_quantile(share))
    }
}

fn share_ppm(part: u64, whole: u64) -> Option<u64> {
    (part * 1_000_000).checked_div(whole)
}

/// Whether a figure counts what happens in this phase. Unless it names another, from the start
/// of chaos to the end of serve.
pub fn is_of(figure: &Metric, phase: Phase) -> bool {
    match figure {
        Metric::Throughput { .. } => phase == Phase::Chaos,
        Metric::ErrorRate { phase: Some(of) } => *of == phase,
        _ => (Phase::Chaos..=Phase::Serve).contains(&phase),
    }
}
