//! The tables of a report, as cells of text; text and Markdown lay out the same ones.

use crate::history::Phase;
use crate::measure::{Class, SpanStatus};

use super::*;

/// How a row is meant, for whoever prints in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Bad,
    Doubtful,
}

pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// Names; those of right-aligned columns start with `>`.
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<(Tone, Vec<String>)>,
}

/// What stands for a value that does not exist.
pub(super) const NOTHING: &str = "-";

/// All tables that have rows. With `all_checks`, also of the checks that hold and of figures
/// that are as they were.
pub(super) fn tables(report: &Report, all_checks: bool) -> Vec<Table> {
    let tables = [
        faults(report),
        services(report),
        times(report),
        latencies(report),
        super::payload::table(report),
        stages(report),
        messages(report),
        cached(report),
        super::load::steps(&report.load),
        objectives(report),
        comparison(report, all_checks),
        checks(report, all_checks),
    ];
    tables
        .into_iter()
        .filter(|table| !table.rows.is_empty())
        .collect()
}

/// Four significant digits or so: `412 µs`, `4.12 ms`, `412 ms`, `1.234 s`, `12.34 s`.
pub fn duration(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.2} ms", Ms::of(us)),
        10_000..100_000 => format!("{:.1} ms", Ms::of(us)),
        100_000..1_000_000 => format!("{:.0} ms", Ms::of(us)),
        1_000_000..10_000_000 => format!("{:.3} s", Seconds::of(us)),
        _ => format!("{:.2} s", Seconds::of(us)),
    }
}

/// With its digits in groups of three: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `kill node-1, node-2`; long lists are cut.
pub(super) fn targets(fault: &FaultRow) -> String {
    const SHOWN: usize = 3;
    let shown = fault
        .targets
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match fault.targets.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

pub(super) fn or_nothing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

fn ms(value: Option<Ms>) -> String {
    or_nothing(value, |ms| duration(ms.get()))
}

fn moment(ms: Ms) -> String {
    format!("{:.3} s", Seconds::of(ms.get()))
}

pub(super) fn faults(report: &Report) -> Table {
    let row = |fault: &FaultRow| {
        let (tone, healed) = match &fault.status {
            SpanStatus::Healed | SpanStatus::Installed => {
                (Tone::Plain, or_nothing(fault.healed_ms, moment))
            }
            SpanStatus::Skipped { .. } => (Tone::Doubtful, "skipped".to_owned()),
            SpanStatus::Uncertain { .. } => (Tone::Doubtful, "uncertain".to_owned()),
        };
        let leaders = or_nothing(fault.old_leader.as_ref(), |old| {
            let new = fault.new_leader.as_deref().unwrap_or("none");
            format!("{old} → {new}")
        });
        let cells = vec![
            fault.kind.clone(),
            targets(fault),
            moment(fault.at_ms),
            healed,
            ms(fault.detected_ms),
            ms(fault.elected_ms),
            leaders,
        ];
        (tone, cells)
    };
    Table {
        title: "faults",
        columns: vec![
            "fault",
            "targets",
            ">at",
            ">healed",
            ">detected",
            ">elected",
            "leader",
        ],
        rows: report.faults.iter().map(row).collect(),
    }
}

pub(super) fn services(report: &Report) -> Table {
    let downtime = &report.downtime_ms;
    let services = [
        ("lock", downtime.lock),
        ("queue", downtime.queue),
        ("cache", downtime.cache),
        ("all", downtime.any),
    ];
    let row = |(name, downtime): (&str, Option<ServiceDowntimeMs>)| {
        let rates = report.throughput.get(name)?;
        let per_second = |phase| {
            or_nothing(rates.get(&phase), |rate| {
                count(rate.per_second.get() / 1_000)
            })
        };
        let lowest = rates.get(&Phase::Chaos).and_then(|rate| rate.lowest);
        let cells = vec![
            name.to_owned(),
            per_second(Phase::Warmup),
            per_second(Phase::Chaos),
            or_nothing(lowest, count),
            ms(downtime.map(|d| d.total)),
            ms(downtime.map(|d| d.max)),
            or_nothing(downtime, |d| count(d.count)),
            or_nothing(downtime, |d| format!("{:.3} %", d.availability)),
        ];
        Some((Tone::Plain, cells))
    };
    Table {
        title: "services",
        columns: vec![
            "service",
            ">warm-up op/s",
            ">chaos op/s",
            ">lowest",
            ">downtime",
            ">longest",
            ">gaps",
            ">available",
        ],
        rows: services.into_iter().filter_map(row).collect(),
    }
}

pub(super) fn times(report: &Report) -> Table {
    let seen = |times: Times| Spell { times, unseen: 0 };
    let spells = [
        ("detection", seen(report.detection_ms)),
        ("election", seen(report.election_ms)),
        ("recovery: service", report.recovery_ms.throughput),
        ("recovery: members", report.recovery_ms.members),
        ("recovery: rejoin", report.recovery_ms.rejoin),
    ];
    let row = |(name, spell): (&str, Spell)| {
        let Spell { times, unseen } = spell;
        let tone = if unseen > 0 {
            Tone::Doubtful
        } else {
            Tone::Plain
        };
        let cells = vec![
            name.to_owned(),
            count(times.count),
            ms(times.min),
            ms(times.p50),
            ms(times.p99),
            ms(times.max),
            count(unseen),
        ];
        (times.count + unseen > 0).then_some((tone, cells))
    };
    Table {
        title: "times",
        columns: vec![
            "time",
            ">count",
            ">min",
            ">p50",
            ">p99",
            ">max",
            ">not seen",
        ],
        rows: spells.into_iter().filter_map(row).collect(),
    }
}

pub(super) fn latencies(report: &Report) -> Table {
    let mut rows = Vec::new();
    for (service, operations) in &report.latency_us {
        for (operation, phases) in operations {
            let ok = |phase| {
                phases
                    .get(&phase)
                    .and_then(|classes| classes.get(&Class::Ok))
            };
            let total = |class| -> u64 {
                phases
                    .values()
                    .filter_map(|classes| classes.get(&class))
                    .map(|l| l.count)
                    .sum()
            };
            let (warmup, chaos) = (ok(Phase::Warmup), ok(Phase::Chaos));
            let cells = vec![
                format!("{service} {operation}"),
                count(total(Class::Ok)),
                count(total(Class::Failed)),
                count(total(Class::Unknown)),
                or_nothing(warmup, |l| duration(l.p50)),
                or_nothing(warmup, |l| duration(l.p99)),
                or_nothing(chaos, |l| duration(l.p50)),
                or_nothing(chaos, |l| duration(l.p99)),
                or_nothing(chaos, |l| duration(l.max)),
            ];
            rows.push((Tone::Plain, cells));
        }
    }
    Table {
        title: "latency",
        columns: vec![
            "operation",
            ">ok",
            ">failed",
            ">unknown",
            ">warm-up p50",
            ">p99",
            ">chaos p50",
            ">p99",
            ">max",
        ],
        rows,
    }
}

pub(super) fn objectives(report: &Report) -> Table {
    let row = |result: &ObjectiveResult| {
        let grace = result.grace_ms.map(|grace| {
            let missed = result.missed_for_ms.map_or(0, Ms::get);
            format!(
                "missed for {} of {}",
                duration(missed),
                duration(grace.get())
            )
        });
        let note = grace.into_iter().chain(result.note.clone());
        let cells = vec![
            result.name.clone(),
            format!("{} {}", result.bound.sign(), result.unit.text(result.limit)),
            or_nothing(result.measured, |number| result.unit.text(number)),
            or_nothing(result.margin_percent, |margin| margin.to_string()),
            result.status.label().to_owned(),
            note.collect::<Vec<_>>().join("; "),
        ];
        let tone = match result.status {
            Status::Met => Tone::Plain,
            Status::Missed => Tone::Bad,
            Status::Unknown | Status::Unsupported => Tone::Doubtful,
        };
        (tone, cells)
    };
    Table {
        title: "objectives",
        columns: vec![
            "objective",
            ">target",
            ">measured",
            ">margin",
            "result",
            "note",
        ],
        rows: report.objectives.iter().map(row).collect(),
    }
}

/// What got worse or better than in earlier runs; with `all`, also what did not.
pub(super) fn comparison(report: &Report, all: bool) -> Table {
    use crate::baseline::{Row, Standing};
    let row = |row: &Row| {
        let text = |value: Option<Number>| or_nothing(value, |value| row.unit.text(value));
        let (tone, standing) = match row.standing {
            Standing::Regression => (Tone::Bad, "regression"),
            Standing::Better => (Tone::Plain, "better"),
            Standing::Same => (Tone::Plain, "same"),
            Standing::New => (Tone::Plain, "new"),
            Standing::Gone => (Tone::Doubtful, "gone"),
        };
        let cells = vec![
            row.figure.clone(),
            text(row.median),
            text(row.worst),
            text(row.measured),
            or_nothing(row.change_percent, |change| change.to_string()),
            standing.to_owned(),
        ];
        (tone, cells)
    };
    let rows = report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.rows);
    let shown = |row: &&Row| all || matches!(row.standing, Standing::Regression | Standing::Better);
    Table {
        title: "comparison",
        columns: vec![
            "figure",
            ">before",
            ">worst before",
            ">now",
            ">change",
            "result",
        ],
        rows: rows.filter(shown).map(row).collect(),
    }
}

/// Mean time of an operation in each stage.
pub(super) fn stages(report: &Report) -> Table {
    const STAGES: [&str; 8] = [
        "travel",
        "held",
        "queued",
        "disk",
        "network",
        "consensus",
        "applied",
        "waited",
    ];
    let row = |(service, stages): (&String, &BTreeMap<String, u64>)| {
        let cells = STAGES.map(|stage| or_nothing(stages.get(stage), |us| duration(*us)));
        let total = stages.values().sum();
        let cells = [service.clone(), duration(total)].into_iter().chain(cells);
        (Tone::Plain, cells.collect())
    };
    let head = ["mean of", ">all"].into_iter();
    Table {
        title: "stages",
        columns: head
            .chain([
                ">travel",
                ">held",
                ">queued",
                ">disk",
                ">network",
                ">consensus",
                ">applied",
                ">waited",
            ])
            .collect(),
        rows: report.stages_us.iter().map(row).collect(),
    }
}

pub(super) fn messages(report: &Report) -> Table {
    let row = |queue: &QueueReport| {
        let cells = [
            queue.published,
            queue.delivered,
            queue.consumed,
            queue.dead_letters,
            queue.depth_max,
            queue.depth_end,
        ];
        let head = ["all".to_owned()].into_iter();
        let cells = head.chain(cells.map(count)).chain([ms(queue.drained_ms)]);
        (Tone::Plain, cells.collect())
    };
    Table {
        title: "messages",
        columns: vec![
            "messages",
            ">published",
            ">delivered",
            ">consumed",
            ">dead letters",
            ">most at a time",
            ">at the end",
            ">drained in",
        ],
        rows: report.queue.iter().map(row).collect(),
    }
}

pub(super) fn cached(report: &Report) -> Table {
    // Only caches in front of something slower fill what they miss.
    let fills = (report.cache.as_ref()).is_some_and(|cache| cache.miss_penalty_ms.is_some());
    let row = |cache: &CacheReport| {
        let times = cache.invalidation_ms;
        let cells = vec![
            "all".to_owned(),
            count(cache.reads),
            count(cache.hits),
            or_nothing(cache.hit_rate, |rate| format!("{rate:.2} %")),
            count(times.count),
            ms(times.p50),
            ms(times.p99),
        ];
        let filled = [
            ms(cache.hit_ms.p50),
            ms(cache.miss_ms.p50),
            ms(cache.miss_penalty_ms),
        ];
        let filled = filled.into_iter().filter(|_| fills);
        (Tone::Plain, cells.into_iter().chain(filled).collect())
    };
    let heads = [
        "cache",
        ">reads",
        ">hits",
        ">hit rate",
        ">invalidations",
        ">heard p50",
        ">p99",
    ];
    let filled = [">hit p50", ">filled miss p50", ">miss penalty"];
    let filled = filled.into_iter().filter(|_| fills);
    Table {
        title: "cache",
        columns: heads.into_iter().chain(filled).collect(),
        rows: report.cache.iter().map(row).collect(),
    }
}

pub(super) fn checks(report: &Report, all: bool) -> Table {
    let row = |check: &CheckRow| {
        let (tone, verdict) = match check.verdict {
            CheckVerdict::Pass => (Tone::Plain, "holds"),
            CheckVerdict::Fail => (Tone::Bad, "broken"),
            CheckVerdict::Unknown => (Tone::Doubtful, "unknown"),
        };
        let cells = vec![
            check.property.clone(),
            check.name.clone(),
            verdict.to_owned(),
            count(check.checked),
            check.detail.clone(),
        ];
        (tone, cells)
    };
    let shown = |check: &&CheckRow| all || check.verdict != CheckVerdict::Pass;
    Table {
        title: "checks",
        columns: vec!["property", "check", "verdict", ">checked", "detail"],
        rows: report.checks.iter().filter(shown).map(row).collect(),
    }
}

/// `0 of 1,200 acknowledged writes lost, 0 duplicated, 0 phantom`.
pub(super) fn data_loss(loss: &Loss) -> String {
    let mut line = format!(
        "{} of {} acknowledged writes lost",
        count(loss.lost),
        count(loss.acked)
    );
    if loss.lost > 0 {
        let window = duration(loss.window_ms.get());
        line += &format!(" ({} bytes, over {window})", count(loss.lost_bytes));
    }
    line += &format!(
        ", {} duplicated, {} phantom",
        count(loss.duplicated),
        count(loss.phantom)
    );
    if loss.unaudited > 0 {
        line += &format!(", {} not audited", count(loss.unaudited));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_or_four_digits() {
        let cases = [
            (0, "0"),
            (412, "412 µs"),
            (4_129, "4.12 ms"),
            (41_290, "41.2 ms"),
            (412_900, "412 ms"),
            (1_234_567, "1.234 s"),
            (12_345_678, "12.34 s"),
        ];
        for (us, text) in cases {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        let texts = [0, 999, 1_000, 12_345_678].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "12,345,678"]);
    }
}
