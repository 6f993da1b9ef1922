//! The graphs of a run over time.

use crate::Report;
use squall_history::Service;
use squall_measure::series::{Depth, Flow, OverTime, WindowLatency, Windows};

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
        Line {
            name: service.name().into(),
            class: service.name().into(),
            band: band(windows, flow),
            rest: peak(Unit::PerSecond, &values),
            values,
            dotted: false,
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
    let hidden = match windows.length_us > squall_measure::series::STEP_US {
        true => " The band spans the slowest and the fastest 100 ms of each window.",
        false => "",
    };
    Plot {
        id: "throughput".into(),
        title: "Throughput".into(),
        note: format!(
            "Acknowledged operations a second, in windows of {}, where the client got the answer.{hidden}",
            every(windows)
        ),
        scale: Scale::linear(Unit::PerSecond, most.max().unwrap_or(0)),
        lines,
        shades: Vec::new(),
        choice: None,
    }
}

/// What longer windows hide.
fn band(windows: &Windows, flow: &Flow) -> Option<Vec<(u64, u64)>> {
    use squall_measure::series::STEP_US;
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
        Line {
            name: quantile.into(),
            class: quantile.into(),
            band: None,
            rest: peak(Unit::Duration, &values),
            values,
            dotted: false,
        }
    };
    let windows = seen.all.latency.iter().flatten();
    let range = windows.flat_map(|latency| [latency.p50_us, latency.max_us]);
    Plot {
        id: format!("latency-{name}"),
        title: format!("Latency{}", of(name)),
        note: format!(
            "Of operations acknowledged in each window of {}; logarithmic. Long polls and waits \
             for a lock are left out: there the client asked to be kept waiting.",
            every(&seen.windows)
        ),
        scale: Scale::log(Unit::Duration, range),
        lines: quantiles.map(line).into(),
        shades: Vec::new(),
        choice: Some((SERVICE, name.into())),
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
    let line = |name: &str, total: u64, values: Vec<Option<u64>>| Line {
        name: name.into(),
        class: name.into(),
        band: None,
        rest: format!("{} in all", Unit::Count.text(total)),
        values,
        dotted: false,
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
    Plot {
        id: format!("errors-{name}"),
        title: format!("Error rate{}", of(name)),
        note: "Share of the operations that ended in a window. Failed: certainly without effect. \
               Unknown: timed out or cut off, and may have taken effect."
            .into(),
        scale: match most {
            0..250_000 => Scale::linear(Unit::Share, most),
            _ => Scale::whole(),
        },
        lines,
        shades: Vec::new(),
        choice: Some((SERVICE, name.into())),
    }
}

fn outstanding(seen: &OverTime) -> Plot {
    let values: Vec<Option<u64>> = seen.outstanding.iter().map(|most| Some(*most)).collect();
    let most = seen.outstanding.iter().copied().max().unwrap_or(0);
    Plot {
        id: "outstanding".into(),
        title: "Outstanding operations".into(),
        note: "Most operations that waited for an answer at a time, in each window.".into(),
        scale: Scale::linear(Unit::Count, most),
        lines: vec![Line {
            name: "outstanding".into(),
            class: "ink".into(),
            rest: peak(Unit::Count, &values),
            values,
            band: None,
            dotted: false,
        }],
        shades: Vec::new(),
        choice: None,
    }
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
        Line {
            name: name.to_owned(),
            class: if shown.len() == 1 {
                "queue".into()
            } else {
                format!("n{place}")
            },
            band: Some(depths.iter().map(|d| (d.lowest, d.highest)).collect()),
            rest: format!("peak {}", Unit::Count.text(most)),
            values,
            dotted: false,
        }
    };
    let most = shown.iter().flat_map(|(_, depths)| depths.iter());
    let most = most.map(|depth| depth.highest).max().unwrap_or(0);
    Some(Plot {
        id: "queue-depth".into(),
        title: "Queue depth".into(),
        note: "Messages in the queue at the end of each window, recounted from the answers to \
               publishes and acks; the band spans the least and the most within the window."
            .into(),
        scale: Scale::linear(Unit::Count, most),
        lines: shown.iter().copied().enumerate().map(line).collect(),
        shades: Vec::new(),
        choice: None,
    })
}

fn hit_rate(seen: &OverTime) -> Option<Plot> {
    let (gets, hits) = (seen.reads.iter()).fold((0, 0), |(gets, hits), reads| {
        (gets + reads.gets, hits + reads.hits)
    });
    let whole = (hits * 1_000_000_u64).checked_div(gets)?;
    let values = seen.reads.iter();
    let values = values.map(|reads| (reads.hits * 1_000_000).checked_div(reads.gets));
    Some(Plot {
        id: "hit-rate".into(),
        title: "Cache hit rate".into(),
        note: "Share of the reads answered by the cluster that found a value.".into(),
        scale: Scale::whole(),
        lines: vec![Line {
            name: "hits".into(),
            class: "cache".into(),
            values: values.collect(),
            band: None,
            rest: format!("{} in all", Unit::Share.text(whole)),
            dotted: false,
        }],
        shades: Vec::new(),
        choice: None,
    })
}
