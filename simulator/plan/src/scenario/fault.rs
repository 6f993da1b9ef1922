//! `[[fault]]`: when, for how long, how often, and exactly one action.
//!
//! A file has an action's keys beside the others of the table. Before serde reads it, `nest`
//! puts them into a table of their own, in the form of [`Action`]; [`written`] is the way
//! back. Places stay with keys and values, so errors still point to them.

use std::borrow::Cow;

use serde::Deserialize;
use squall_fault::{ACTIONS, Action, ActionKeys, Target, Trigger};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::bounds::{Checked, Place, problem};
use super::source::Problem;
use super::unit::Duration;

/// `[[fault]]`: one fault that is written down, not drawn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// From the start of the chaos phase.
    pub at: Spanned<Duration>,
    /// It heals by itself after this long; without it, at the end of the chaos phase.
    #[serde(rename = "for")]
    pub lasts: Option<Spanned<Duration>>,
    /// Absent: it happens once.
    pub repeat: Option<Spanned<Repeat>>,
    /// Its place is that of the value under the action's key.
    pub action: Spanned<Action<Spanned<Target>>>,
    /// Fires at the first such event from `at` on, instead of at `at`.
    pub when: Option<Spanned<Trigger>>,
    /// Fires when its target passes the point of `when` for the so-manieth time. Default 1.
    pub nth: Option<Spanned<u64>>,
    /// As if drawn by `[chaos]`: while the budget is spent it waits, within its own time; if
    /// there is never room for it, or no node that it could hit, that is no failure. It ends
    /// with the chaos phase at the latest.
    #[serde(default)]
    pub within_budget: bool,
}

/// The fault happens `times` times, its starts `every` apart.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// From start to start; longer than the fault lasts.
    pub every: Spanned<Duration>,
    /// The first one included.
    pub times: Spanned<u64>,
}

/// Keys that every fault may have, whatever its action.
const COMMON: [&str; 6] = ["at", "for", "repeat", "when", "nth", "within_budget"];

/// The detail of a disk whose value is the name of a fault.
const DAMAGE: &str = "damage";

/// Puts the action of every fault of `document` into a table under `action`.
pub(super) fn nest(document: &mut DeTable) -> Checked {
    let faults = document.get_mut("fault").map(Spanned::get_mut);
    let Some(DeValue::Array(faults)) = faults else {
        return Ok(());
    };
    for fault in faults.iter_mut() {
        let place = fault.span();
        if let DeValue::Table(fault) = fault.get_mut() {
            nest_action(fault, place)?;
        }
    }
    Ok(())
}

fn nest_action(fault: &mut DeTable, place: Place) -> Checked {
    let keys = action_of(fault, place)?;
    let own = fault.remove(keys.action).expect("the key was found");
    let place = own.span();
    let beside = keys.beside.iter();
    let mut beside: DeTable = beside.filter_map(|key| fault.remove_entry(*key)).collect();
    let action = if keys.of_nodes {
        let name = DeValue::String(Cow::Borrowed(keys.action));
        let does = if keys.beside.is_empty() {
            Spanned::new(place.clone(), name)
        } else {
            let how = beside
                .remove(DAMAGE)
                .unwrap_or_else(|| table(&place, beside));
            table(&place, single(keys.action, how))
        };
        let mut nodes = single("does", does);
        nodes.extend(single("targets", own));
        single("nodes", table(&place, nodes))
    } else if keys.action == "partition" {
        beside.extend(single("sides", own));
        single(keys.action, table(&place, beside))
    } else if keys.action == "link" {
        single(keys.action, nest_link(own))
    } else {
        single(keys.action, own)
    };
    fault.extend(single("action", table(&place, action)));
    Ok(())
}

/// The action that a fault has, after a look at the keys beside it.
fn action_of(fault: &DeTable, place: Place) -> Result<&'static ActionKeys, Problem> {
    let known = || {
        ACTIONS
            .iter()
            .flat_map(|keys| [&[keys.action], keys.beside].concat())
    };
    for key in fault.keys() {
        let name: &str = key.get_ref();
        if !COMMON.contains(&name) && !known().any(|known| known == name) {
            let mut names = COMMON.to_vec();
            known().for_each(|known| names.extend((!names.contains(&known)).then_some(known)));
            let names = names.join("`, `");
            problem(
                key.span(),
                format!("unknown field `{name}`, expected one of `{names}`"),
            )?;
        }
    }
    let place_of = |key: &str| fault.get(key).map(Spanned::span);
    let written = ACTIONS.iter();
    let written = written.filter_map(|keys| Some((place_of(keys.action)?, keys)));
    let mut written: Vec<(Place, &ActionKeys)> = written.collect();
    written.sort_by_key(|(place, _)| place.start);
    let (place, keys) = match &written[..] {
        [] => {
            let names: Vec<&str> = ACTIONS.iter().map(|keys| keys.action).collect();
            let names = names.join(", ");
            return Err(Problem::new(
                place,
                format!("a fault needs an action, one of {names}"),
            ));
        }
        [(place, keys)] => (place, *keys),
        [(_, first), (place, second), ..] => {
            let (first, second) = (first.action, second.action);
            let message = format!("a fault has one action, this one has `{first}` and `{second}`");
            return Err(Problem::new(place.clone(), message));
        }
    };
    for detail in ACTIONS.iter().flat_map(|keys| keys.beside) {
        if let Some(place) = place_of(detail)
            && !keys.beside.contains(detail)
        {
            let owners = ACTIONS.iter().filter(|keys| keys.beside.contains(detail));
            let owners: Vec<String> = owners.map(|keys| format!("`{}`", keys.action)).collect();
            problem(
                place,
                format!("`{detail}` belongs to {}", owners.join(" or ")),
            )?;
        }
    }
    let mut details: Vec<Place> = keys.beside.iter().filter_map(|key| place_of(key)).collect();
    details.sort_by_key(|place| place.start);
    if keys.needs_one && details.len() != 1 {
        let place = details.last().unwrap_or(place).clone();
        let (action, choices) = (keys.action, keys.beside.join("`, `"));
        problem(
            place,
            format!("`{action}` needs exactly one of `{choices}`"),
        )?;
    }
    Ok(keys)
}

/// The ends of a link as lists, and what it gets worse by in a table of its own.
fn nest_link<'i>(own: Spanned<DeValue<'i>>) -> Spanned<DeValue<'i>> {
    let place = own.span();
    let mut change = match own.into_inner() {
        DeValue::Table(change) => change,
        other => return Spanned::new(place, other),
    };
    let mut link = DeTable::new();
    for end in ["from", "to"] {
        let Some((key, value)) = change.remove_entry(end) else {
            continue;
        };
        let span = value.span();
        let targets = match value.get_ref() {
            DeValue::String(_) => DeValue::Array([value].into_iter().collect()),
            _ => value.into_inner(),
        };
        link.insert(key, Spanned::new(span, targets));
    }
    link.extend(single("change", table(&place, change)));
    table(&place, link)
}

fn table<'i>(place: &Place, entries: DeTable<'i>) -> Spanned<DeValue<'i>> {
    Spanned::new(place.clone(), DeValue::Table(entries))
}

/// A table with one key, which stands where its value does.
fn single<'i>(key: &'static str, value: Spanned<DeValue<'i>>) -> DeTable<'i> {
    let key = Spanned::new(value.span(), Cow::Borrowed(key));
    DeTable::from_iter([(key, value)])
}

/// An action as a file has it: its key, and the keys beside it.
pub fn written(action: &Action<Target>) -> Table {
    let nested = Value::try_from(action).expect("an action is plain data");
    let mut written = Table::new();
    for (key, value) in table_of(nested) {
        match key.as_str() {
            "nodes" => {
                let mut nodes = table_of(value);
                let targets = nodes.remove("targets").expect("nodes are targets");
                match nodes.remove("does").expect("nodes are done something") {
                    Value::Table(does) => {
                        for (action, how) in does {
                            written.insert(action, targets.clone());
                            match how {
                                Value::Table(details) => written.extend(details),
                                damage => drop(written.insert(DAMAGE.to_owned(), damage)),
                            }
                        }
                    }
                    name => {
                        let name = name.as_str().expect("what is no table is a name");
                        written.insert(name.to_owned(), targets);
                    }
                }
            }
            "partition" => {
                let mut details = table_of(value);
                written.extend(details.remove("sides").map(|sides| (key, sides)));
                written.extend(details);
            }
            "link" => {
                let mut link = table_of(value);
                let change = link.remove("change").expect("a link changes");
                link.extend(table_of(change));
                written.insert(key, link.into());
            }
            _ => drop(written.insert(key, value)),
        }
    }
    written
}

fn table_of(value: Value) -> Table {
    match value {
        Value::Table(table) => table,
        single => unreachable!("`{single}` is a table in every action"),
    }
}
