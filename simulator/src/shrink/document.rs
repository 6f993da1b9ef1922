//! A scenario as a document to be cut: every fault of the plan written out.
//!
//! Shrinking works on the document and not on the plan, so that the result is a scenario
//! like any other, and so that whatever a scenario may hold can be removed without anybody
//! here knowing what it means. Only faults are known in full: what the plan has resolved
//! (repetitions, drawn faults) must become a `[[fault]]` of its own.

use toml::{Table, Value};

use crate::fault::text::{duration_text, offset_text, share_text};
use crate::fault::{
    ClientFault, ClockFault, DiskFault, FaultAction, LinkChange, MemberChange, Target,
};
use crate::plan::{Plan, PlannedFault};
use crate::scenario::Scenario;
use crate::scenario::unit::Duration;

/// Where a scenario names earlier runs to be compared with.
const BASELINE: [&str; 2] = ["objectives", "baseline"];

/// The scenario with the faults of its plan, and nothing left to draw about them.
pub fn explicit(scenario: &Scenario, plan: &Plan) -> Table {
    let mut document = scenario.document();
    document.remove("chaos");
    // A budget counts as before; the usual one need not be written.
    if plan
        .chaos
        .as_ref()
        .is_some_and(|chaos| chaos.budget.is_none())
    {
        let nothing_drawn = [
            ("kinds", Value::Array(Vec::new())),
            ("budget", "unlimited".into()),
        ];
        let table = nothing_drawn.map(|(key, value)| (key.to_owned(), value));
        document.insert("chaos".into(), Table::from_iter(table).into());
    }
    let faults = plan
        .faults
        .iter()
        .map(|fault| Value::Table(table(fault, plan)));
    set_tables(&mut document, "fault", faults.collect());
    document
}

/// The scenario, compared with a baseline of this name in a file beside it. Its tolerance
/// stays.
pub fn with_baseline(document: &Table, file: &str, name: &str) -> Table {
    let written = get(document, &BASELINE).and_then(Value::as_table);
    let mut baseline = written.cloned().unwrap_or_default();
    for (key, value) in [("file", file), ("name", name)] {
        baseline.insert(key.to_owned(), value.into());
    }
    with(document, &BASELINE, baseline.into())
}

/// Whether the scenario is compared with a baseline.
pub fn has_baseline(document: &Table) -> bool {
    get(document, &BASELINE).is_some()
}

/// The elements of an array of tables; none if it is not there.
pub fn tables<'a>(document: &'a Table, key: &str) -> &'a [Value] {
    let array = document.get(key).and_then(Value::as_array);
    array.map_or(&[], Vec::as_slice)
}

/// Replaces an array of tables; an empty one is left out.
pub(super) fn set_tables(document: &mut Table, key: &str, tables: Vec<Value>) {
    match tables.is_empty() {
        true => document.remove(key),
        false => document.insert(key.to_owned(), Value::Array(tables)),
    };
}

/// The keys of the table at a path.
pub(super) fn keys(document: &Table, path: &[&str]) -> Vec<String> {
    let table = get(document, path).and_then(Value::as_table);
    table.into_iter().flat_map(Table::keys).cloned().collect()
}

/// The value at a path of keys and positions.
pub(super) fn get<'a>(document: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(document.get(*first)?, |value, part| match value {
            Value::Table(table) => table.get(*part),
            Value::Array(array) => array.get(part.parse::<usize>().ok()?),
            _ => None,
        })
}

fn get_mut<'a>(document: &'a mut Table, path: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(document.get_mut(*first)?, |value, part| match value {
            Value::Table(table) => table.get_mut(*part),
            Value::Array(array) => array.get_mut(part.parse::<usize>().ok()?),
            _ => None,
        })
}

/// The document with another value at a path; the outermost table is made if it is missing.
pub(super) fn with(document: &Table, path: &[&str], value: Value) -> Table {
    let mut document = document.clone();
    let (last, parents) = path.split_last().expect("a path has a part");
    if parents.len() == 1 && !document.contains_key(parents[0]) {
        document.insert(parents[0].to_owned(), Table::new().into());
    }
    match get_mut(&mut document, parents) {
        Some(Value::Table(table)) => {
            table.insert((*last).to_owned(), value);
        }
        Some(Value::Array(array)) => {
            if let Some(slot) = last.parse::<usize>().ok().and_then(|at| array.get_mut(at)) {
                *slot = value;
            }
        }
        _ => {}
    }
    document
}

/// The document without what is at a path, nor a table that is then empty.
pub(super) fn without(document: &Table, path: &[&str]) -> Table {
    let mut document = document.clone();
    let (last, parents) = path.split_last().expect("a path has a part");
    if parents.is_empty() {
        document.remove(*last);
    } else if let Some(Value::Table(table)) = get_mut(&mut document, parents) {
        table.remove(*last);
        if table.is_empty() && parents.len() == 1 {
            document.remove(parents[0]);
        }
    }
    document
}

/// A value as a time, if it is one.
pub(super) fn duration_us(value: &Value) -> Option<u64> {
    Some(value.as_str()?.parse::<Duration>().ok()?.us())
}

/// A time of the document, if it is written.
pub(super) fn time(document: &Table, path: &[&str]) -> Option<u64> {
    duration_us(get(document, path)?)
}

fn table(fault: &PlannedFault, plan: &Plan) -> Table {
    let mut table = Table::new();
    let time = |us: u64| Value::String(duration_text(us));
    let at_us = fault.at_us.saturating_sub(plan.phases.warmup_us);
    table.insert("at".into(), time(at_us));
    action(&fault.action, &mut table);
    if let Some(moment) = fault.when {
        table.insert("when".into(), moment.to_string().into());
    }
    let takes_its_time = matches!(fault.action, FaultAction::RollingRestart { .. });
    if !fault.action.is_instant() && !takes_its_time {
        table.insert("for".into(), time(fault.until_us - fault.at_us));
    }
    if fault.drawn {
        table.insert("within_budget".into(), true.into());
    }
    table
}

fn action(action: &FaultAction, table: &mut Table) {
    let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
    match action {
        FaultAction::Kill { targets }
        | FaultAction::Stop { targets }
        | FaultAction::PowerLoss { targets }
        | FaultAction::Pause { targets }
        | FaultAction::Wipe { targets }
        | FaultAction::Isolate { targets } => {
            put(action.kind(), list(targets));
        }
        FaultAction::Partition { sides, one_way } => {
            put(
                "partition",
                Value::Array(sides.iter().map(|s| list(s)).collect()),
            );
            if *one_way {
                put("one_way", true.into());
            }
        }
        FaultAction::Bridge { sides, bridge } => {
            put(
                "partition",
                Value::Array(sides.iter().map(|s| list(s)).collect()),
            );
            put("bridge", bridge.to_string().into());
        }
        FaultAction::Link { from, to, change } => {
            let mut link = change_table(change);
            link.insert("from".into(), list(from));
            link.insert("to".into(), list(to));
            put("link", link.into());
        }
        FaultAction::Transfer { to } => {
            put("transfer", to.to_string().into());
        }
        FaultAction::CrashLoop {
            targets,
            up_us,
            down_us,
        }
        | FaultAction::RollingRestart {
            targets,
            up_us,
            down_us,
        } => {
            put(action.kind(), list(targets));
            put("up", duration_text(*up_us).into());
            put("down", duration_text(*down_us).into());
        }
        FaultAction::Disk { targets, fault } => {
            put("disk", list(targets));
            match fault {
                DiskFault::SlowSync { by_us } => put("slow_sync", duration_text(*by_us).into()),
                DiskFault::Full => put("damage", "full".into()),
                fault => put("damage", fault.kind().into()),
            };
        }
        FaultAction::Clock { targets, fault } => {
            put("clock", list(targets));
            match fault {
                ClockFault::Offset { by_us } => put("offset", offset_text(*by_us).into()),
                ClockFault::Jump { by_us } => put("jump", offset_text(*by_us).into()),
                ClockFault::Drift { by_ppm } => put("drift", format!("{by_ppm}ppm").into()),
            };
        }
        FaultAction::Member { target, change } => {
            let key = match change {
                MemberChange::Add => "add",
                MemberChange::Remove => "remove",
                MemberChange::Replace => "replace",
            };
            put("member", single(key, target.to_string().into()));
        }
        FaultAction::Client { fault } => {
            let key = match fault {
                ClientFault::Crash { .. } => "crash",
                ClientFault::RetryStorm { .. } => "retry_storm",
            };
            let clients = i64::try_from(fault.clients()).expect("a scenario counts few clients");
            put("client", single(key, clients.into()));
        }
    }
}

/// A table with one key.
fn single(key: &str, value: Value) -> Value {
    Value::Table(Table::from_iter([(key.to_owned(), value)]))
}

fn change_table(change: &LinkChange) -> Table {
    let mut table = Table::new();
    let texts = [
        (
            "latency",
            duration_text(change.latency_us),
            change.latency_us > 0,
        ),
        (
            "jitter",
            duration_text(change.jitter_us),
            change.jitter_us > 0,
        ),
        ("loss", share_text(change.loss_ppm), change.loss_ppm > 0),
    ];
    for (key, text, is_there) in texts {
        if is_there {
            table.insert(key.into(), text.into());
        }
    }
    if let Some(bandwidth) = change.bandwidth_bytes_per_s {
        table.insert("bandwidth".into(), format!("{bandwidth}B/s").into());
    }
    table
}

fn list(targets: &[Target]) -> Value {
    let names = targets.iter().map(|target| target.to_string().into());
    Value::Array(names.collect())
}
