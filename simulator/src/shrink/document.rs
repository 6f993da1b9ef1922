//! A scenario as a document to be cut: every fault of the plan written out.
//!
//! Shrinking works on the document and not on the plan, so that the result is a scenario
//! like any other, and so that whatever a scenario may hold can be removed without anybody
//! here knowing what it means. Only faults are known in full: what the plan has resolved
//! (repetitions, drawn faults) must become a `[[fault]]` of its own.

use toml::{Table, Value};

use crate::fault::Target;
use crate::fault::kind::Ends;
use crate::fault::text::duration_text;
use crate::plan::{Budget, Delay, Plan, PlannedFault, PlannedPoint};
use crate::scenario::Scenario;
use crate::scenario::fault::written;
use crate::scenario::unit::Duration;

/// Where a scenario names earlier runs to be compared with.
const BASELINE: [&str; 2] = ["objectives", "baseline"];

/// The scenario with the faults of its plan, and nothing left to draw but by nodes and clients.
/// What `[[swarm]]` draws is for its caller to draw first ([`Scenario::draw`]).
pub fn explicit(scenario: &Scenario, plan: &Plan) -> Table {
    let mut document = scenario.document();
    document.remove("chaos");
    // A budget counts as before; the usual one need not be written.
    let unusual = plan.chaos.as_ref().and_then(|chaos| match chaos.budget {
        Budget::Impaired(_) => None,
        Budget::Damaged(_) => Some("damage"),
        Budget::Unlimited => Some("unlimited"),
    });
    if let Some(budget) = unusual {
        let nothing_drawn = [
            ("kinds", Value::Array(Vec::new())),
            ("budget", budget.into()),
        ];
        let table = nothing_drawn.map(|(key, value)| (key.to_owned(), value));
        document.insert("chaos".into(), Table::from_iter(table).into());
    }
    let faults = plan
        .faults
        .iter()
        .map(|fault| Value::Table(table(fault, plan)));
    set_tables(&mut document, "fault", faults.collect());
    let points = plan
        .points
        .iter()
        .map(|point| Value::Table(point_table(point)));
    set_tables(&mut document, "point", points.collect());
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

/// The scenario, compared with none.
pub fn without_baseline(document: &Table) -> Table {
    without(document, &BASELINE)
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
pub(crate) fn set_tables(document: &mut Table, key: &str, tables: Vec<Value>) {
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
pub(crate) fn duration_us(value: &Value) -> Option<u64> {
    Some(value.as_str()?.parse::<Duration>().ok()?.us())
}

/// A time of the document, if it is written.
pub(crate) fn time(document: &Table, path: &[&str]) -> Option<u64> {
    duration_us(get(document, path)?)
}

fn table(fault: &PlannedFault, plan: &Plan) -> Table {
    let mut table = Table::new();
    let time = |us: u64| Value::String(duration_text(us));
    let at_us = fault.at_us.saturating_sub(plan.phases.warmup_us);
    table.insert("at".into(), time(at_us));
    table.extend(written(&fault.action));
    if let Some(trigger) = fault.when {
        table.insert("when".into(), trigger.to_string().into());
    }
    if fault.nth > 1 {
        let nth = i64::try_from(fault.nth).unwrap_or(i64::MAX);
        table.insert("nth".into(), nth.into());
    }
    if fault.action.kind().info().ends == Ends::Healed {
        table.insert("for".into(), time(fault.until_us - fault.at_us));
    }
    if fault.drawn {
        table.insert("within_budget".into(), true.into());
    }
    table
}

fn point_table(planned: &PlannedPoint) -> Table {
    let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let range = |min: Value, max: Value| match min == max {
        true => min,
        false => {
            let bounds = [("min".to_owned(), min), ("max".to_owned(), max)];
            Value::Table(Table::from_iter(bounds))
        }
    };
    let mut table = Table::new();
    table.insert("name".into(), planned.point.name().into());
    match planned.does {
        Delay::Wait { min_us, max_us } => {
            let time = |us: u64| Value::String(duration_text(us));
            table.insert("wait".into(), range(time(min_us), time(max_us)));
        }
        Delay::Yield { turns } => drop(table.insert("yield".into(), number(turns))),
    }
    if planned.node != Target::Any {
        table.insert("node".into(), planned.node.to_string().into());
    }
    if (planned.every_min, planned.every_max) != (1, 1) {
        let every = range(number(planned.every_min), number(planned.every_max));
        table.insert("every".into(), every);
    }
    if let Some(times) = planned.times {
        table.insert("times".into(), number(times));
    }
    table
}
