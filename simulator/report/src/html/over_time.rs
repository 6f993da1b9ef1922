//! The graphs of a run over time.

use crate::report::Report;
use squall_history::Service;
use squall_measure::series::{Depth, Flow, OverTime, STEP_US, WindowLatency, Windows};

use super::plot::{Line, Plot, peak};
use super::scale::{Scale, Unit, round_duration};
use super::time_axis::shades;

/// The group of graphs of which one service is shown.
const SERVICE: &str = "service";
/// Queues drawn one by one.
const MOST_QUEUES: usize = 4;

pub(super) fn plots(report: &Report, seen: &OverTime) -> Vec<Plot> {
    let mut plots = vec![throughput(seen)];
    let choices = choices(seen);
    plots.extend(choices.iter().map(|(name, flow)| latency(seen, name, flow)));
    plots.extend(choices.iter().map(|(name, flow)| errors(seen, name, flow)));
    plots.push(outstanding(seen));
    plots.extend(queue_depth(seen));
    plots.extend(hit_rate(seen));
    let shades = shades(report);
    for plot in &mut plots {
        plot.shades.clone_from(&shades);
    }
    plots
}

/// All services together, and each, if there is more than one.
pub(super) fn choices(seen: &OverTime) -> Vec<(&'static str, &Flow)> {
    let services = seen.services.iter();
    let services = services.map(|(service, flow)| (service.name(), flow));
    match seen.services.len() {
        1 => services.collect(),
        _ => [("all", &seen.all)].into_iter().chain(services).collect(),
    }
}

fn every(windows: &Windows) -> String {
    round_duration(windows.length_us)
}

fn throughput(seen: &OverTime) -> Plot {
    let windows = &seen.windows;
    let line = |service: &Service, flow: &Flow| {
        let milli = |window, count| windows.per_second_milli(window, count);
        let values: Vec<_> = (0..windows.count)
            .map(|window| Some(milli(window, flow.acked[window])))
            .collect();
        let rest = peak(Unit::PerSecond, &values);
        Line {
            band: band(windows, flow),
            ..Line::new(service.name(), service.name(), values, rest)
        }
    };
    let lines: Vec<Line> = seen
        .services
        .iter()
        .map(|(s, flow)| line(s, flow))
        .collect();
    let bands = lines.iter().filter_map(|line| line.band.as_ref()).flatten();
    let most = bands.map(|(_, most)| *most);
    let most = most.chain(
        lines
            .iter()
            .flat_map(|line| line.values.iter().flatten().copied()),
    );
    let mut note = format!(
        "Acknowledged operations a second, in windows of {}, where the client got the answer.",
        every(windows)
    );
    if windows.length_us > STEP_US {
        note += " The band spans the slowest and the fastest 100 ms of each window.";
    }
    let scale = Scale::linear(Unit::PerSecond, most.max().unwrap_or(0));
    Plot::new("throughput", "Throughput", note, scale, lines)
}

/// What longer windows hide.
fn band(windows: &Windows, flow: &Flow) -> Option<Vec<(u64, u64)>> {
    let per_second = |count: u64| count * (1_000_000_000 / STEP_US);
    let extremes = flow.fewest.iter().zip(&flow.most);
    let band = extremes.map(|(fewest, most)| (per_second(*fewest), per_second(*most)));
    (windows.length_us > STEP_US).then(|| band.collect())
}

/// All services share one scale, so that choosing another does not move the axis.
fn latency(seen: &OverTime, name: &str, flow: &Flow) -> Plot {
    type Pick = fn(&WindowLatency) -> u64;
    let quantiles: [(&str, Pick); 4] = [
        ("p50", |l| l.p50_us),
        ("p95", |l| l.p95_us),
        ("p99", |l| l.p99_us),
        ("max", |l| l.max_us),
    ];
    let line = |(quantile, pick): (&str, Pick)| {
        let values: Vec<_> = flow.latency.iter().map(|l| l.as_ref().map(pick)).collect();
        let rest = peak(Unit::Duration, &values);
        Line::new(quantile, quantile, values, rest)
    };
    let windows = seen.all.latency.iter().flatten();
    let range = windows.flat_map(|latency| [latency.p50_us, latency.max_us]);
    let note = format!(
        "Of operations acknowledged in each window of {}; logarithmic. Long polls and waits \
         for a lock are left out: there the client asked to be kept waiting.",
        every(&seen.windows)
    );
    let (id, title) = (format!("latency-{name}"), format!("Latency{}", of(name)));
    let scale = Scale::log(Unit::Duration, range);
    Plot {
        choice: Some((SERVICE, name.into())),
        ..Plot::new(id, title, note, scale, quantiles.map(line).into())
    }
}

fn of(name: &str) -> String {
    match name {
        "all" => String::new(),
        service => format!(", {service}"),
    }
}

fn errors(seen: &OverTime, name: &str, flow: &Flow) -> Plot {
    let windows = 0..seen.windows.count;
    let share = |count: fn(&Flow, usize) -> u64| {
        let values: Vec<Option<u64>> = windows
            .clone()
            .map(|window| {
                let ended = flow.acked[window] + flow.failed[window] + flow.unknown[window];
                (count(flow, window) * 1_000_000).checked_div(ended)
            })
            .collect();
        values
    };
    let line = |name: &str, total: u64, values: Vec<Option<u64>>| {
        let rest = format!("{} in all", Unit::Count.text(total));
        Line::new(name, name, values, rest)
    };
    let lines = vec![
        line(
            "failed",
            flow.failed.iter().sum(),
            share(|f, w| f.failed[w]),
        ),
        line(
            "unknown",
            flow.unknown.iter().sum(),
            share(|f, w| f.unknown[w]),
        ),
    ];
    let most = lines.iter().flat_map(|line| line.values.iter().flatten());
    let most = most.copied().max().unwrap_or(0);
    let note = "Share of the operations that ended in a window. Failed: certainly without \
                effect. Unknown: timed out or cut off, and may have taken effect.";
    let scale = match most {
        0..250_000 => Scale::linear(Unit::Share, most),
        _ => Scale::whole(),
    };
    let (id, title) = (format!("errors-{name}"), format!("Error rate{}", of(name)));
    Plot {
        choice: Some((SERVICE, name.into())),
        ..Plot::new(id, title, note, scale, lines)
    }
}

fn outstanding(seen: &OverTime) -> Plot {
    let values: Vec<Option<u64>> = seen.outstanding.iter().map(|most| Some(*most)).collect();
    let most = seen.outstanding.iter().copied().max().unwrap_or(0);
    let rest = peak(Unit::Count, &values);
    let line = Line::new("outstanding", "ink", values, rest);
    let note = "Most operations that waited for an answer at a time, in each window.";
    let scale = Scale::linear(Unit::Count, most);
    Plot::new(
        "outstanding",
        "Outstanding operations",
        note,
        scale,
        vec![line],
    )
}

fn queue_depth(seen: &OverTime) -> Option<Plot> {
    if seen.queues.is_empty() {
        return None;
    }
    let all = [("all queues", &seen.all_queues)].into_iter();
    let named = seen
        .queues
        .iter()
        .map(|(name, depths)| (name.as_str(), depths));
    let shown: Vec<(&str, &Vec<Depth>)> = match seen.queues.len() {
        1 => named.collect(),
        more if more <= MOST_QUEUES => all.chain(named).collect(),
        _ => all.collect(),
    };
    let line = |(place, (name, depths)): (usize, (&str, &Vec<Depth>))| {
        let values: Vec<Option<u64>> = depths.iter().map(|depth| Some(depth.last)).collect();
        let most = depths.iter().map(|depth| depth.highest).max().unwrap_or(0);
        let class = if shown.len() == 1 {
            "queue".into()
        } else {
            format!("n{place}")
        };
        let rest = format!("peak {}", Unit::Count.text(most));
        Line {
            band: Some(depths.iter().map(|d| (d.lowest, d.highest)).collect()),
            ..Line::new(name, class, values, rest)
        }
    };
    let most = shown.iter().flat_map(|(_, depths)| depths.iter());
    let most = most.map(|depth| depth.highest).max().unwrap_or(0);
    let note = "Messages in the queue at the end of each window, recounted from the answers to \
                publishes and acks; the band spans the least and the most within the window.";
    let lines = shown.iter().copied().enumerate().map(line).collect();
    let scale = Scale::linear(Unit::Count, most);
    Some(Plot::new("queue-depth", "Queue depth", note, scale, lines))
}

fn hit_rate(seen: &OverTime) -> Option<Plot> {
    let (gets, hits) = (seen.reads.iter()).fold((0, 0), |(gets, hits), reads| {
        (gets + reads.gets, hits + reads.hits)
    });
    let whole = (hits * 1_000_000_u64).checked_div(gets)?;
    let values = seen.reads.iter();
    let values = values.map(|reads| (reads.hits * 1_000_000).checked_div(reads.gets));
    let rest = format!("{} in all", Unit::Share.text(whole));
    let line = Line::new("hits", "cache", values.collect(), rest);
    let note = "Share of the reads answered by the cluster that found a value.";
    let (id, title) = ("hit-rate", "Cache hit rate");
    Some(Plot::new(id, title, note, Scale::whole(), vec![line]))
}
