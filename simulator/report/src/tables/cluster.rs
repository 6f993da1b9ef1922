//! What befell the cluster, and whether it kept its promises.

use super::{Table, Tone, or_nothing};
use crate::words::{count, moment, ms};
use crate::{CheckRow, CheckVerdict, FaultRow, Report, ServiceDowntimeMs, Spell, Times};
use squall_history::Phase;
use squall_measure::SpanStatus;

/// `kill node-1, node-2`; long lists are cut.
pub fn targets(fault: &FaultRow) -> String {
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

pub fn faults(report: &Report) -> Table {
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
            fault.kind.to_string(),
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

pub fn services(report: &Report) -> Table {
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

pub fn times(report: &Report) -> Table {
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

pub fn checks(report: &Report, all: bool) -> Table {
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
