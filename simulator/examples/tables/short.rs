//! The short forms in which scenarios are played on containers, in real time.

use crate::jobs::Job;

/// Scenario, and what is set to make it short.
const SHORT: &[(&str, &[(&str, &str)])] = &[
    ("lock-performance", &[]),
    ("queue-performance", &[("workload.0.operations", "50000")]),
    ("cache-performance", &[("workload.0.operations", "200000")]),
    ("failure-recovery", &[("phases.warmup", "3s")]),
    ("scalability", &[("workload.0.operations", "50000")]),
    ("single-against-cluster", &[("phases.chaos", "12s")]),
    ("baseline", &[("phases.compress", "20")]),
    ("load", &[("phases.compress", "40")]),
    ("spike", &[("phases.compress", "20")]),
    (
        "soak",
        &[("phases.compress", "60"), ("phases.warmup", "30s")],
    ),
    ("stress", &[("stress.hold", "2s"), ("stress.recover", "8s")]),
    ("volume", &[("phases.compress", "60")]),
    ("burst", &[("phases.compress", "15")]),
    ("ramp", &[("phases.compress", "8")]),
    ("task-distribution", &[("phases.compress", "2")]),
    ("voting", &[]),
    (
        "records",
        &[
            ("workload.0.operations", "6000"),
            ("workload.0.inserts", "2000"),
        ],
    ),
    ("cache-warm", &[("phases.chaos", "20s")]),
];

/// Scenarios of which containers play one variant.
const VARIANTS: &[(&str, &str)] = &[("spike", "once")];

/// The job in its short form; `None` if containers do not play it.
pub fn shortened(mut job: Job) -> Option<Job> {
    let name = job.name();
    let (scenario, variant) = name.split_once(' ').unwrap_or((&name, ""));
    let (_, settings) = SHORT.iter().find(|(short, _)| *short == scenario)?;
    let chosen = VARIANTS.iter().find(|(short, _)| *short == scenario);
    if chosen.is_some_and(|(_, only)| *only != variant) {
        return None;
    }
    let settings = settings.iter();
    let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    job.settings.extend(settings);
    Some(job)
}
