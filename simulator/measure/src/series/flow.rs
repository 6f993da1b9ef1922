//! Counts answers by window: acknowledged, failed, unknown, and their latency.
//!
//! An operation counts where its client got the answer; what was outstanding at the end
//! counts there, as unknown. Latencies are those of acknowledged operations, from the
//! intended start (see `latency`). Operations that asked to be kept waiting (long polls,
//! lock waits) say nothing about the speed of the service and have no latency here.

use hdrhistogram::Histogram;

use squall_history::Service;

use super::windows::{STEP_US, Windows};
use crate::timeline::{Class, Sample, Timeline};

/// One service, or all of them, window by window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Acknowledged operations, by when the client had the answer.
    pub acked: Vec<u64>,
    /// Fewest and most acknowledged in any whole step of 100 ms of the window: what a window
    /// longer than that would hide.
    pub fewest: Vec<u64>,
    /// See `fewest`.
    pub most: Vec<u64>,
    /// Operations that definitely failed.
    pub failed: Vec<u64>,
    /// Operations of unknown outcome.
    pub unknown: Vec<u64>,
    /// `None` where nothing with a latency was acknowledged.
    pub latency: Vec<Option<WindowLatency>>,
}

/// Microseconds. Quantiles to three significant digits, the maximum exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLatency {
    /// How many operations.
    pub count: u64,
    /// The median.
    pub p50_us: u64,
    /// 95th percentile.
    pub p95_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Flow {
    /// Failed and unknown of all that ended in the window, in millionths; `None` where
    /// nothing ended.
    pub fn error_ppm(&self, window: usize) -> Option<u64> {
        let errors = self.failed[window] + self.unknown[window];
        let ended = errors + self.acked[window];
        (errors * 1_000_000).checked_div(ended)
    }

    pub(super) fn of(timeline: &Timeline<'_>, windows: &Windows, service: Option<Service>) -> Self {
        let is_of = |sample: &&Sample<'_>| service.is_none_or(|s| sample.service == s);
        let samples = || timeline.samples.iter().filter(is_of);
        let (fewest, most) = extremes(samples(), windows);
        let count = |class| {
            let mut counts = vec![0; windows.count];
            for sample in samples().filter(|sample| sample.class == class) {
                counts[windows.at(sample.end_us.unwrap_or(windows.end_us))] += 1;
            }
            counts
        };
        Self {
            acked: count(Class::Ok),
            failed: count(Class::Failed),
            unknown: count(Class::Unknown),
            latency: latencies(samples(), windows),
            fewest,
            most,
        }
    }
}

fn extremes<'s>(
    samples: impl Iterator<Item = &'s Sample<'s>>,
    windows: &Windows,
) -> (Vec<u64>, Vec<u64>) {
    let mut steps = vec![0_u64; windows.end_us.div_ceil(STEP_US).max(1) as usize];
    let last = steps.len() - 1;
    for sample in samples.filter(|sample| sample.class == Class::Ok) {
        if let Some(at_us) = sample.end_us {
            steps[((at_us / STEP_US) as usize).min(last)] += 1;
        }
    }
    let in_window = (windows.length_us / STEP_US) as usize;
    let extremes = steps.chunks(in_window).map(|steps| {
        // The run may end within a step, which then is not whole.
        let whole = match steps.len() {
            1 => steps,
            more if more < in_window => &steps[..more - 1],
            _ => steps,
        };
        let (fewest, most) = (whole.iter().min(), whole.iter().max());
        (fewest.copied().unwrap_or(0), most.copied().unwrap_or(0))
    });
    extremes.unzip()
}

fn latencies<'s>(
    samples: impl Iterator<Item = &'s Sample<'s>>,
    windows: &Windows,
) -> Vec<Option<WindowLatency>> {
    let mut by_window = vec![Vec::new(); windows.count];
    for sample in samples.filter(|s| s.class == Class::Ok && s.patience_us == 0) {
        if let Some(end_us) = sample.end_us {
            by_window[windows.at(end_us)].push(end_us - sample.start_us);
        }
    }
    let mut histogram = Histogram::<u64>::new(3).expect("three significant digits are supported");
    let mut summary = |latencies: Vec<u64>| {
        let max_us = *latencies.iter().max()?;
        histogram.reset();
        for latency_us in &latencies {
            let recorded = histogram.record(*latency_us);
            recorded.expect("the histogram grows to any latency of a run");
        }
        // A bucket's upper bound may lie above the largest value recorded.
        let quantile = |share| histogram.value_at_quantile(share).min(max_us);
        Some(WindowLatency {
            count: histogram.len(),
            p50_us: quantile(0.5),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            max_us,
        })
    };
    by_window.into_iter().map(&mut summary).collect()
}
