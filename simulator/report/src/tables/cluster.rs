//! Defines the tables of faults, elections, downtime and checks.

use std::borrow::Cow;

use squall_history::{FaultStatus, Phase};

use crate::columns;
use crate::document::{Column, Severity, Table, Value, number, rate, share, word};
use crate::faults::FaultRow;
use crate::report::Report;
use crate::words::count;
use squall_check::{CheckResult, Verdict};
use squall_measure::{Rate, RecoveryTimes, ResourceRow, ServiceDowntime, Times};

/// `node-1, node-2`; long lists are cut.
pub(crate) fn targets(fault: &FaultRow) -> String {
    const SHOWN: usize = 3;
    let shown = &fault.targets[..fault.targets.len().min(SHOWN)];
    let shown = shown.join(", ");
    match fault.targets.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

const FAULTS: &[Column<FaultRow>] = &columns! { fault: FaultRow;
    text "fault" "fault" fault.kind.name();
    text "targets" "" targets(fault);
    text "" "targets" fault.targets.join(" ");
    number "at" "at_ms" Value::At(fault.at_ms);
    number "healed" "" healed(fault);
    number "" "healed_ms" fault.healed_ms;
    text "" "status" status(&fault.status).0;
    text "" "why" status(&fault.status).1;
    number "detected" "detected_ms" fault.detected_ms;
    number "elected" "elected_ms" fault.elected_ms;
    text "leader" "" leaders(fault);
    text "" "old_leader" fault.old_leader.as_ref();
    text "" "new_leader" fault.new_leader.as_ref();
    text "" "new_term" number(fault.new_term);
};

fn healed(fault: &FaultRow) -> Value {
    match status(&fault.status) {
        ("healed" | "installed", _) => fault.healed_ms.map_or(Value::Nothing, Value::At),
        (status, _) => status.into(),
    }
}

fn leaders(fault: &FaultRow) -> Option<String> {
    let new = fault.new_leader.as_deref().unwrap_or("none");
    let old = fault.old_leader.as_ref()?;
    Some(format!("{old} → {new}"))
}

fn status(status: &FaultStatus) -> (&'static str, &str) {
    match status {
        FaultStatus::Installed => ("installed", ""),
        FaultStatus::Healed => ("healed", ""),
        FaultStatus::Skipped { why } => ("skipped", why),
        FaultStatus::Uncertain { why } => ("uncertain", why),
    }
}

pub(crate) fn faults(report: &Report) -> Table {
    let severity = |fault: &FaultRow| match fault.status {
        FaultStatus::Healed | FaultStatus::Installed => Severity::Plain,
        FaultStatus::Skipped { .. } | FaultStatus::Uncertain { .. } => Severity::Warning,
    };
    Table::with_severity("faults", FAULTS, &report.faults, severity)
}

struct Served<'a> {
    name: Cow<'a, str>,
    warmup: Option<Rate>,
    chaos: Option<Rate>,
    downtime: Option<ServiceDowntime>,
}

const SERVICES: &[Column<Served<'_>>] = &columns! { served: Served<'_>;
    text "service" "" served.name.as_ref();
    number "warm-up op/s" "" rate(served.warmup.map(|rate| rate.per_second));
    number "chaos op/s" "" rate(served.chaos.map(|rate| rate.per_second));
    number "lowest" "" served.chaos.and_then(|rate| rate.lowest);
    number "downtime" "" served.downtime.map(|down| down.total);
    number "longest" "" served.downtime.map(|down| down.max);
    number "gaps" "" served.downtime.map(|down| down.count);
    number "available" "" share(served.downtime.map(|down| down.availability), 3);
    number "a client" "" served.downtime.map(|down| down.clients.max);
    text "without" "" served.downtime.map(|down| without(&down));
    number "slowest" "" served.downtime.map(|down| down.clients.slowest);
};

/// `5 of 6`.
fn without(down: &ServiceDowntime) -> String {
    let clients = down.clients;
    format!("{} of {}", count(clients.without), count(clients.asked))
}

pub(crate) fn services(report: &Report) -> Table {
    let downtime = &report.downtime_ms;
    let services = downtime.services.iter();
    let services = services.map(|(service, downtime)| (service.name(), *downtime));
    let services = services.chain([("all", downtime.any)]);
    let served = services.filter_map(|(name, downtime)| {
        let rates = report.throughput.get(name)?;
        Some(Served {
            name: name.into(),
            warmup: rates.get(&Phase::Warmup).copied(),
            chaos: rates.get(&Phase::Chaos).copied(),
            downtime,
        })
    });
    let probes = report.probes_ms.iter().map(|(service, downtime)| Served {
        name: format!("{}, probes", service.name()).into(),
        warmup: None,
        chaos: None,
        downtime: Some(*downtime),
    });
    Table::of(
        "services",
        SERVICES,
        &served.chain(probes).collect::<Vec<_>>(),
    )
}

const TIMES: &[Column<(&str, RecoveryTimes)>] = &columns! { row: (&str, RecoveryTimes);
    text "time" "" row.0;
    number "count" "" row.1.times.count;
    number "min" "" row.1.times.min;
    number "p50" "" row.1.times.p50;
    number "p99" "" row.1.times.p99;
    number "max" "" row.1.times.max;
    number "not seen" "" row.1.unseen;
};

pub(crate) fn times(report: &Report) -> Table {
    let seen = |times: Times| RecoveryTimes { times, unseen: 0 };
    let spells = [
        ("detection", seen(report.detection_ms)),
        ("election", seen(report.election_ms)),
        ("recovery: service", report.recovery_ms.throughput),
        ("recovery: members", report.recovery_ms.members),
        ("recovery: rejoin", report.recovery_ms.rejoin),
    ];
    let shown = spells.iter();
    let shown = shown.filter(|(_, recovery)| recovery.times.count + recovery.unseen > 0);
    Table::with_severity("times", TIMES, shown, |(_, recovery)| {
        match recovery.unseen {
            0 => Severity::Plain,
            _ => Severity::Warning,
        }
    })
}

const CHECKS: &[Column<CheckResult>] = &columns! { check: CheckResult;
    text "property" "property" &check.property;
    text "check" "check" &check.name;
    text "verdict" "" label(check.verdict);
    text "" "verdict" word(&check.verdict);
    number "checked" "checked" check.checked;
    text "detail" "detail" &check.detail;
};

fn label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "holds",
        Verdict::Fail => "broken",
        Verdict::Unknown => "unknown",
        Verdict::NotJudged => "nothing to judge",
        Verdict::NotPromised => "not promised",
        Verdict::UnknownNotPromised => "unknown, not promised",
    }
}

/// With `all`, also those that hold or had nothing to judge.
pub(crate) fn checks(report: &Report, all: bool) -> Table {
    let is_fine = |verdict| matches!(verdict, Verdict::Pass | Verdict::NotJudged);
    let shown = |check: &&CheckResult| all || !is_fine(check.verdict);
    let checks = report.checks.iter().filter(shown);
    Table::with_severity("checks", CHECKS, checks, |check| match check.verdict {
        Verdict::Pass | Verdict::NotJudged => Severity::Plain,
        Verdict::Fail => Severity::Bad,
        Verdict::Unknown | Verdict::NotPromised | Verdict::UnknownNotPromised => Severity::Warning,
    })
}

pub(crate) fn resources(report: &Report) -> Table {
    let columns = columns! { row: (&String, &ResourceRow);
        text "node" "node" row.0;
        number "memory at most" "memory_max_bytes" Value::Bytes(row.1.memory_max_bytes);
        number "grown by" "memory_growth_percent" share(row.1.memory_growth, 1);
        number "processor" "cpu_percent" share(row.1.cpu, 1);
    };
    Table::of(
        "resources",
        &columns,
        &report.resources.iter().collect::<Vec<_>>(),
    )
}
