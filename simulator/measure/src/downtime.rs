//! Downtime: how long clients asked a service and got no answer.
//!
//! A gap runs from the last acknowledged operation before it to the first one after it.
//! Two things make a silence a gap.
//!
//! *It is longer than normal*: than the warm-up's p99.9 latency, and than the longest
//! time between two acknowledgements in the warm-up, since a service that is asked once a
//! second answers once a second. Neither is taken below [`FLOOR_US`]; with no warm-up to
//! compare with, [`NO_BASELINE_US`] is the measure.
//!
//! *Someone was in distress*: an operation failed, ended unknown, or was outstanding for
//! longer than normal within it. A service nobody asks is not down, so silence further
//! than [`IDLE_US`] from any such operation is cut off the gap. The time for which an
//! operation itself asked to be kept waiting does not count, so a long poll on an empty
//! queue is not an outage. A refusal that is the service's honest answer cannot be told
//! from an outage here, but counts only when nothing at all is acknowledged.
//!
//! Only chaos, heal, converge and serve count, and gaps are clipped to them. `any` is the
//! time in which at least one service was down.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::Service;
use squall_objective::fixed::{Ms, Percent};

use super::baseline::{Baseline, Baselines};
use super::timeline::{Class, Sample, Span, Timeline};

/// No silence shorter than this is a gap.
pub const FLOOR_US: u64 = 10_000;
/// What a gap must exceed when the warm-up says nothing about the service.
pub const NO_BASELINE_US: u64 = 100_000;
/// Longer than any client waits before it tries again.
pub const IDLE_US: u64 = 2_000_000;

/// A stretch in which a service was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    #[schemars(with = "String")]
    pub service: Service,
    pub from_ms: Ms,
    pub to_ms: Ms,
}

impl Gap {
    /// Microseconds.
    pub fn length_us(&self) -> u64 {
        self.to_ms.get() - self.from_ms.get()
    }
}

/// From the start of chaos to the end of serve; a gap that goes beyond either is cut there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDowntime {
    /// All gaps together.
    pub total: Ms,
    /// The longest gap.
    pub max: Ms,
    /// How many gaps.
    pub count: u64,
    /// Percent of that stretch without a gap.
    pub availability: Percent,
}

/// `null` for services that ship with Squall and were never asked, and for `any` if the run
/// had no chaos.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Downtime {
    #[serde(flatten)]
    pub services: BTreeMap<Service, Option<ServiceDowntime>>,
    /// At least one service down.
    pub any: Option<ServiceDowntime>,
}

impl Downtime {
    pub fn of(&self, service: Service) -> Option<ServiceDowntime> {
        self.services.get(&service).copied().flatten()
    }
}

/// Downtime of each service between the start of chaos and the end of serve, and all gaps in
/// order of time, then of service.
pub fn downtime(timeline: &Timeline<'_>, baselines: &Baselines) -> (Downtime, Vec<Gap>) {
    let Some(measured) = timeline.measured() else {
        let services = Service::SHIPPED.map(|service| (service, None)).into();
        let any = None;
        return (Downtime { services, any }, Vec::new());
    };
    let mut gaps = Vec::new();
    let mut services = BTreeMap::from(Service::SHIPPED.map(|service| (service, None)));
    for service in timeline.services() {
        let found = gaps_of(timeline, service, baselines.service(service), measured);
        gaps.extend(found.iter().map(|s| Gap {
            service,
            from_ms: Ms::of(s.from_us),
            to_ms: Ms::of(s.to_us),
        }));
        services.insert(service, Some(sum(&found, measured)));
    }
    gaps.sort_by_key(|gap| (gap.from_ms, gap.service));
    let downtime = Downtime {
        services,
        any: Some(sum(&union(&gaps), measured)),
    };
    (downtime, gaps)
}

fn gaps_of(
    timeline: &Timeline<'_>,
    service: Service,
    baseline: Baseline,
    measured: Span,
) -> Vec<Span> {
    let slow_us = baseline.p999_us.unwrap_or(NO_BASELINE_US).max(FLOOR_US);
    let least_us = slow_us.max(baseline.spacing_us.unwrap_or(NO_BASELINE_US));
    let silences = silences(
        &timeline.ack_times(Some(service)),
        timeline.end_us,
        least_us,
    );
    let mut distress: Vec<Vec<Span>> = vec![Vec::new(); silences.len()];
    for sample in timeline.samples.iter().filter(|s| s.service == service) {
        let asked = Span {
            from_us: sample.start_us + sample.patience_us,
            to_us: sample.end_us.unwrap_or(timeline.end_us),
        };
        let first = silences.partition_point(|silence| silence.to_us <= sample.start_us);
        for (silence, found) in silences[first..].iter().zip(&mut distress[first..]) {
            if silence.from_us >= asked.to_us {
                break;
            }
            found.extend(distress_in(*silence, sample, asked, slow_us));
        }
    }
    silences
        .iter()
        .zip(distress)
        .flat_map(|(silence, found)| stretches(*silence, found))
        .map(|gap| clip(gap, measured))
        .filter(|gap| gap.length_us() > least_us)
        .collect()
}

/// The stretches between acknowledgements that are longer than normal.
fn silences(acks: &[u64], end_us: u64, least_us: u64) -> Vec<Span> {
    let from = std::iter::once(0).chain(acks.iter().copied());
    let to = acks.iter().copied().chain(std::iter::once(end_us));
    from.zip(to)
        .map(|(from_us, to_us)| Span { from_us, to_us })
        .filter(|silence| silence.length_us() > least_us)
        .collect()
}

/// The part of a silence in which this operation tells that the service was down.
fn distress_in(silence: Span, sample: &Sample<'_>, asked: Span, slow_us: u64) -> Option<Span> {
    let ended = sample.end_us.is_some_and(|end_us| end_us <= silence.to_us);
    if sample.class != Class::Ok && ended {
        // However quickly it was refused, and however long it was ready to wait.
        return Some(clip(
            Span {
                from_us: sample.start_us,
                to_us: asked.to_us,
            },
            silence,
        ));
    }
    let outstanding = clip(asked, silence);
    (outstanding.length_us() > slow_us).then_some(outstanding)
}

/// Joins distress that clients' back-off separates, and reaches out to the ends of the
/// silence where they are as near.
fn stretches(silence: Span, mut distress: Vec<Span>) -> Vec<Span> {
    distress.sort_by_key(|span| span.from_us);
    let mut joined: Vec<Span> = Vec::new();
    for span in distress {
        match joined.last_mut() {
            Some(last) if span.from_us <= last.to_us + IDLE_US => {
                last.to_us = last.to_us.max(span.to_us);
            }
            _ => joined.push(span),
        }
    }
    if let Some(first) = joined.first_mut()
        && first.from_us <= silence.from_us + IDLE_US
    {
        first.from_us = silence.from_us;
    }
    if let Some(last) = joined.last_mut()
        && last.to_us + IDLE_US >= silence.to_us
    {
        last.to_us = silence.to_us;
    }
    joined
}

fn clip(span: Span, to: Span) -> Span {
    Span {
        from_us: span.from_us.max(to.from_us),
        to_us: span.to_us.min(to.to_us),
    }
}

fn union(gaps: &[Gap]) -> Vec<Span> {
    let mut union: Vec<Span> = Vec::new();
    for gap in gaps {
        let (from_us, to_us) = (gap.from_ms.get(), gap.to_ms.get());
        match union.last_mut() {
            Some(last) if from_us <= last.to_us => last.to_us = last.to_us.max(to_us),
            _ => union.push(Span { from_us, to_us }),
        }
    }
    union
}

fn sum(gaps: &[Span], measured: Span) -> ServiceDowntime {
    let total_us: u64 = gaps.iter().map(|gap| gap.length_us()).sum();
    let up_us = u128::from(measured.length_us().saturating_sub(total_us));
    let ppm = (up_us * 1_000_000).checked_div(u128::from(measured.length_us()));
    ServiceDowntime {
        total: Ms::of(total_us),
        max: Ms::of(gaps.iter().map(|gap| gap.length_us()).max().unwrap_or(0)),
        count: gaps.len() as u64,
        availability: Percent::of(u64::try_from(ppm.unwrap_or(1_000_000)).unwrap_or(1_000_000)),
    }
}

#[cfg(test)]
#[path = "downtime_tests.rs"]
mod tests;
