//! A run over time, and its distributions of latency: the numbers that graphs are drawn from.

use super::{line, or_empty};
use crate::Ms;
use squall_history::History;
use squall_measure::series::{Curve, Depth, Flow, OverTime, Windows, over_time};

/// Names and texts of all files, as [`super::files`] has them. Windows are those of the
/// graphs: the shortest round length of which a run has at most 600.
pub fn series(history: &History) -> Vec<(&'static str, String)> {
    let seen = over_time(history);
    vec![
        ("windows.csv", windows(&seen)),
        ("queue_depth.csv", queue_depth(&seen)),
        ("clients.csv", clients(&seen)),
        ("percentiles.csv", percentiles(&seen.curves)),
    ]
}

fn from_ms(windows: &Windows, window: usize) -> String {
    Ms::of(windows.from_us(window)).to_string()
}

/// Each service, and all together as `all`.
fn windows(seen: &OverTime) -> String {
    let mut out =
        String::from("from_ms,service,acknowledged,failed,unknown,p50_us,p95_us,p99_us,max_us\n");
    let services = seen.services.iter();
    let services = services.map(|(service, flow)| (service.name(), flow));
    for (service, flow) in services.chain([("all", &seen.all)]) {
        for window in 0..seen.windows.count {
            out += &window_line(from_ms(&seen.windows, window), service, flow, window);
        }
    }
    out
}

fn window_line(from_ms: String, service: &str, flow: &Flow, window: usize) -> String {
    let counts = [&flow.acked, &flow.failed, &flow.unknown];
    let counts = counts.map(|counts| counts[window].to_string());
    let latency = flow.latency[window].as_ref();
    let quantiles = [
        latency.map(|latency| latency.p50_us),
        latency.map(|latency| latency.p95_us),
        latency.map(|latency| latency.p99_us),
        latency.map(|latency| latency.max_us),
    ];
    let names = [from_ms, service.to_owned()];
    line(&[&names[..], &counts, &quantiles.map(or_empty)].concat())
}

fn queue_depth(seen: &OverTime) -> String {
    let mut out = String::from("from_ms,queue,lowest,highest,last\n");
    let queues = seen.queues.iter();
    for (queue, depths) in queues {
        for (window, depth) in depths.iter().enumerate() {
            let Depth {
                lowest,
                highest,
                last,
            } = depth;
            out += &line(&[
                from_ms(&seen.windows, window),
                queue.clone(),
                lowest.to_string(),
                highest.to_string(),
                last.to_string(),
            ]);
        }
    }
    out
}

/// What waited for an answer, and what reads of the cache found.
fn clients(seen: &OverTime) -> String {
    let mut out = String::from("from_ms,outstanding_most,cache_reads,cache_hits\n");
    for (window, (outstanding, reads)) in seen.outstanding.iter().zip(&seen.reads).enumerate() {
        out += &line(&[
            from_ms(&seen.windows, window),
            outstanding.to_string(),
            reads.gets.to_string(),
            reads.hits.to_string(),
        ]);
    }
    out
}

/// A line for each step of each distribution.
fn percentiles(curves: &[Curve]) -> String {
    let mut out = String::from("service,operation,percentile,latency_us\n");
    for curve in curves {
        for (share, latency_us) in &curve.points {
            out += &line(&[
                curve.service.name().to_owned(),
                curve.operation.to_owned(),
                format!("{:.5}", share * 100.0),
                latency_us.to_string(),
            ]);
        }
    }
    out
}
