//! Finds nodes whose memory grows all along.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_history::resources::ResourceSample;
use squall_measure::Measures;
use squall_objective::fixed::SignedPercent;
use squall_objective::objective::Unit;
use squall_statistics::{blocks, theil_sen};

use super::{CERTAINTY, STRONG_P, thousandths};
use crate::words::{count, duration};

/// Memory leaks from this growth in a run on, by the lower end of the slope's interval, if it
/// still grows in the second half: what fills up and levels off is no leak.
const LEAK: f64 = 0.1;
/// Neighbouring samples of memory depend on each other; means of so many blocks hardly do.
const BLOCKS: usize = 40;
const HOUR_US: f64 = 3_600e6;

/// Memory that grows from the first to the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leak {
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// Slope of a line through the samples.
    pub bytes_per_hour: u64,
    /// Where it lies with a certainty of 95 %.
    pub low: u64,
    /// See `low`.
    pub high: u64,
    /// Over the longest stretch in which the node was not started again, of what it had at first.
    pub growth: SignedPercent,
    /// How many it rests on.
    pub samples: u64,
    /// In one line.
    pub evidence: String,
}

/// Of each node from the start of chaos to the end of serve, the longest stretch in which it
/// lived and was not started again.
pub(super) fn leaks(measures: &Measures, samples: &[ResourceSample]) -> Vec<Leak> {
    let Some(measured) = measures.levels.measured else {
        return Vec::new();
    };
    let mut nodes: BTreeMap<&str, Vec<&ResourceSample>> = BTreeMap::new();
    for sample in samples {
        if (measured.from_us..measured.to_us).contains(&sample.at_us) {
            nodes.entry(&sample.node).or_default().push(sample);
        }
    }
    nodes
        .into_iter()
        .filter_map(|(node, samples)| leak(node, &longest_life(&samples, measured.from_us)))
        .collect()
}

/// Times from `from_us` on, and memory, of the longest stretch in which the node was there. One
/// that starts again counts its processor time from zero.
pub(super) fn longest_life(samples: &[&ResourceSample], from_us: u64) -> Vec<(f64, f64)> {
    let is_same_life = |a: &&ResourceSample, b: &&ResourceSample| {
        let is_there = a.memory_bytes.is_some() && b.memory_bytes.is_some();
        let is_older = a.cpu_us.zip(b.cpu_us).is_none_or(|(a, b)| a <= b);
        is_there && is_older
    };
    let lives = samples.chunk_by(is_same_life);
    // Of equally long ones the first.
    let longest = lives.rev().max_by_key(|life| life.len());
    let life = longest.unwrap_or_default().iter();
    life.filter_map(|sample| {
        let at = sample.at_us.saturating_sub(from_us);
        Some((at as f64, sample.memory_bytes? as f64))
    })
    .collect()
}

pub(super) fn leak(node: &str, points: &[(f64, f64)]) -> Option<Leak> {
    let means = blocks(points, BLOCKS);
    let (x, y): (Vec<f64>, Vec<f64>) = means.iter().copied().unzip();
    let slope = theil_sen(&x, &y, CERTAINTY)?;
    let (first, length) = (y[0], x[x.len() - 1] - x[0]);
    let grows = |per_us: f64| per_us * length;
    let is_small = slope.p > STRONG_P || grows(slope.interval.low) < LEAK * first;
    if means.len() < BLOCKS / 2 || is_small {
        return None;
    }
    let half = means.len() / 2;
    let goes_on = theil_sen(&x[half..], &y[half..], CERTAINTY)?;
    if goes_on.interval.low <= 0.0 || goes_on.p > STRONG_P {
        return None;
    }
    let hourly = |per_us: f64| thousandths(per_us * HOUR_US);
    let bytes = |bytes: u64| Unit::Bytes.text(Unit::Bytes.number(bytes));
    let growth = SignedPercent((grows(slope.per_unit) / first.max(1.0) * 1e6).round() as i64);
    let [at, low, high] = [slope.per_unit, slope.interval.low, slope.interval.high].map(hourly);
    Some(Leak {
        node: node.to_owned(),
        bytes_per_hour: at,
        low,
        high,
        growth,
        samples: points.len() as u64,
        evidence: format!(
            "memory of {node} grows by {} an hour ({} to {}), {growth} in {}, {} samples",
            bytes(at),
            bytes(low),
            bytes(high),
            duration(length as u64),
            count(points.len() as u64)
        ),
    })
}
