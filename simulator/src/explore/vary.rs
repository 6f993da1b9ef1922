//! Variations of a scenario whose faults are written out: one small change at a time.
//!
//! A change need not make a scenario; its caller reads the result, and drops what is none. No
//! change touches phases or promises: a variation takes about as long as what it was made of,
//! and is judged alike.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use toml::{Table, Value};

use crate::fault::Point;
use crate::fault::text::duration_text;
use crate::shrink::document::{duration_us, set_tables, tables, time};

/// Targets that stand for each other.
const TARGETS: [&str; 6] = ["leader", "follower", "any", "minority", "majority", "all"];
/// Where one node is meant.
const ONE: [&str; 3] = ["leader", "follower", "any"];
const TRIGGERS: [&str; 4] = ["election", "snapshot", "membership", "acknowledgement"];
/// Tables whose values may change, and between which times, in microseconds. Variations are
/// varied again: without bounds a network would become one that no election timeout fits, and a
/// client one that never pauses.
const CHANGEABLE: [(&str, u64, u64); 5] = [
    ("cluster", 10_000, 3_000_000),
    ("network", 0, 60_000),
    ("disk", 10, 60_000),
    ("clock", 0, 10_000_000),
    ("workload", 1_000, 10_000_000),
];
/// How far a fault is moved: from a message's flight to an election's length.
const SHIFTS_US: [u64; 6] = [1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000];
/// No count grows beyond this by variation, clients for one, and no cluster beyond so many nodes: a
/// run is to stay as cheap as it was.
const MOST_COUNT: i64 = 64;
const MOST_NODES: i64 = 7;
/// Nor does a fault get longer.
const LONGEST_US: u64 = 20_000_000;
/// Nor does the number of faults, nor of what happens at points.
const MOST_FAULTS: usize = 200;
const MOST_POINTS: usize = 40;
/// A fault strikes at one of the first passes of its point: the 1st, 2nd, 4th, 8th …
const MOST_PASS: i64 = 64;
/// Delays of tasks at points: what is drawn goes from a message's flight to a slow sync.
const LEAST_WAIT_US: u64 = 10;
const MOST_WAIT_US: u64 = 50_000;
const MOST_TURNS: i64 = 20;

/// Changes one thing, and says what; `None` if there was nothing to change in that way.
pub(super) fn change(
    document: &mut Table,
    other: &Table,
    rng: &mut ChaCha8Rng,
) -> Option<&'static str> {
    let mut faults = tables(document, "fault").to_vec();
    let said = match rng.random_range(0..12_u64) {
        0 => drop_one(&mut faults, rng),
        1 => repeat(&mut faults, rng),
        2 | 3 => shift(&mut faults, rng),
        4 => last(&mut faults, rng),
        5 => swap(&mut faults, rng),
        6 => retarget(&mut faults, rng),
        7 => trigger(&mut faults, rng),
        8 => borrow(&mut faults, tables(other, "fault"), rng),
        9 => aim_at_point(&mut faults, rng),
        10 => return delay(document, other, rng),
        _ => return value(document, rng),
    };
    faults.truncate(MOST_FAULTS);
    set_tables(document, "fault", faults);
    said
}

fn pick<T>(items: &[T], rng: &mut ChaCha8Rng) -> Option<usize> {
    match items.len() {
        0 => None,
        count => Some(rng.random_range(0..count as u64) as usize),
    }
}

fn one_of(words: &[&'static str], rng: &mut ChaCha8Rng) -> &'static str {
    words[rng.random_range(0..words.len() as u64) as usize]
}

fn drop_one(faults: &mut Vec<Value>, rng: &mut ChaCha8Rng) -> Option<&'static str> {
    faults.remove(pick(faults, rng)?);
    Some("dropped a fault")
}

fn repeat(faults: &mut Vec<Value>, rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let mut again = faults[pick(faults, rng)?].clone();
    move_by(again.as_table_mut()?, rng);
    faults.push(again);
    Some("repeated a fault")
}

fn shift(faults: &mut [Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let at = pick(faults, rng)?;
    move_by(faults[at].as_table_mut()?, rng);
    Some("moved a fault")
}

fn move_by(fault: &mut Table, rng: &mut ChaCha8Rng) {
    let at_us = time(fault, &["at"]).unwrap_or(0);
    let by_us = SHIFTS_US[rng.random_range(0..SHIFTS_US.len() as u64) as usize];
    let at_us = match rng.random_range(0..2_u64) {
        0 => at_us.saturating_sub(by_us),
        _ => at_us + by_us,
    };
    fault.insert("at".into(), duration_text(at_us).into());
}

fn last(faults: &mut [Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let at = pick(faults, rng)?;
    let fault = faults[at].as_table_mut()?;
    let for_us = time(fault, &["for"])?;
    fault.insert(
        "for".into(),
        duration_text(scaled(for_us, rng).min(LONGEST_US)).into(),
    );
    Some("made a fault longer or shorter")
}

/// Twice or four times as much, or as little.
fn scaled(value: u64, rng: &mut ChaCha8Rng) -> u64 {
    match rng.random_range(0..4_u64) {
        0 => value / 4,
        1 => value / 2,
        2 => value.saturating_mul(2),
        _ => value.saturating_mul(4),
    }
}

/// Two faults change places in time.
fn swap(faults: &mut [Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let (a, b) = (pick(faults, rng)?, pick(faults, rng)?);
    let at = |fault: &Value| fault.get("at").cloned();
    let (at_a, at_b) = (at(&faults[a])?, at(&faults[b])?);
    faults[a].as_table_mut()?.insert("at".into(), at_b);
    faults[b].as_table_mut()?.insert("at".into(), at_a);
    (a != b).then_some("swapped two faults")
}

fn retarget(faults: &mut [Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let at = pick(faults, rng)?;
    let fault = faults[at].as_table_mut()?;
    let is_target = |value: &Value| value.as_str().is_some_and(|text| TARGETS.contains(&text));
    let targets: Vec<&mut Value> = fault
        .iter_mut()
        .flat_map(|(_, value)| match value {
            Value::Array(array) => array.iter_mut().filter(|value| is_target(value)).collect(),
            _ => Vec::new(),
        })
        .collect();
    let nth = pick(&targets, rng)?;
    let alone = targets.len() == 1;
    let target = targets.into_iter().nth(nth)?;
    *target = one_of(if alone { &TARGETS } else { &ONE }, rng).into();
    Some("aimed a fault at another target")
}

fn trigger(faults: &mut [Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let at = pick(faults, rng)?;
    let fault = faults[at].as_table_mut()?;
    fault.remove("nth");
    if fault.remove("when").is_none() {
        wait_for(fault, one_of(&TRIGGERS, rng));
    }
    Some("let a fault wait for a moment, or not")
}

/// Nobody asked for a moment that may never come: missing it is no failure of the run.
fn wait_for(fault: &mut Table, moment: &str) {
    fault.insert("when".into(), moment.into());
    fault.insert("within_budget".into(), true.into());
}

/// Its target, whoever it is, is struck as it passes one of the named points. A fault that cannot
/// wait for one makes no scenario.
fn aim_at_point(faults: &mut [Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let at = pick(faults, rng)?;
    let fault = faults[at].as_table_mut()?;
    wait_for(fault, a_point(rng));
    let nth = 1_i64 << rng.random_range(0..=u64::from(MOST_PASS.ilog2()));
    fault.insert("nth".into(), nth.into());
    Some("let a fault strike at a point")
}

fn a_point(rng: &mut ChaCha8Rng) -> &'static str {
    Point::ALL[rng.random_range(0..Point::ALL.len() as u64) as usize].name()
}

/// What tasks do at points, and in which order they go on: one dropped, another put in, one moved
/// to another point, some of another run's, or the order.
fn delay(document: &mut Table, other: &Table, rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let mut points = tables(document, "point").to_vec();
    match rng.random_range(0..5_u64) {
        0 => drop(points.remove(pick(&points, rng)?)),
        1 => points.push(a_delay(rng)),
        2 => {
            let at = pick(&points, rng)?;
            let point = points[at].as_table_mut()?;
            point.insert("name".into(), a_point(rng).into());
        }
        3 => {
            let others = tables(other, "point");
            points.push(others[pick(others, rng)?].clone());
        }
        _ => {
            let order = one_of(&["fifo", "random"], rng);
            let table = Table::from_iter([("order".to_owned(), order.into())]);
            document.insert("schedule".into(), table.into());
        }
    }
    points.truncate(MOST_POINTS);
    set_tables(document, "point", points);
    Some("changed what tasks do at points")
}

/// A task waits, or lets others go first.
fn a_delay(rng: &mut ChaCha8Rng) -> Value {
    let mut point = Table::new();
    point.insert("name".into(), a_point(rng).into());
    match rng.random_range(0..2_u64) {
        0 => {
            // Every order of magnitude alike.
            let doublings = u64::from((MOST_WAIT_US / LEAST_WAIT_US).ilog2());
            let wait_us = LEAST_WAIT_US << rng.random_range(0..=doublings);
            point.insert("wait".into(), duration_text(wait_us).into());
        }
        _ => drop(point.insert("yield".into(), rng.random_range(1..=MOST_TURNS).into())),
    }
    let every = 1_i64 << rng.random_range(0..=4_u64);
    point.insert("every".into(), every.into());
    Value::Table(point)
}

/// A few faults of another run that stand together.
fn borrow(faults: &mut Vec<Value>, others: &[Value], rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let from = pick(others, rng)?;
    let count = rng.random_range(1..=4_u64) as usize;
    faults.extend(others[from..].iter().take(count).cloned());
    Some("borrowed faults of another run")
}

/// A time, a share or a count of the cluster or its clients.
fn value(document: &mut Table, rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let mut leaves = Vec::new();
    for (key, value) in document.iter_mut() {
        let table = CHANGEABLE.iter().find(|(table, ..)| table == key);
        if let Some((_, least_us, most_us)) = table {
            let bounds = Bounds {
                times_us: (*least_us, *most_us),
                most_count: MOST_COUNT,
            };
            collect(value, bounds, &mut leaves);
        }
    }
    let nth = pick(&leaves, rng)?;
    let (leaf, bounds) = leaves.into_iter().nth(nth)?;
    *leaf = changed(leaf, bounds, rng)?;
    Some("changed a value")
}

/// Between which values something may be changed.
#[derive(Clone, Copy)]
struct Bounds {
    times_us: (u64, u64),
    most_count: i64,
}

fn collect<'a>(value: &'a mut Value, bounds: Bounds, leaves: &mut Vec<(&'a mut Value, Bounds)>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                let most_count = match key.as_str() {
                    "nodes" | "spares" => MOST_NODES,
                    _ => bounds.most_count,
                };
                collect(
                    value,
                    Bounds {
                        most_count,
                        ..bounds
                    },
                    leaves,
                );
            }
        }
        Value::Array(array) => {
            let values = array.iter_mut();
            values.for_each(|value| collect(value, bounds, leaves));
        }
        _ => leaves.push((value, bounds)),
    }
}

fn changed(value: &Value, bounds: Bounds, rng: &mut ChaCha8Rng) -> Option<Value> {
    if let Some(us) = duration_us(value) {
        // What was written beyond the bounds may stay there, and goes no further.
        let (least_us, most_us) = bounds.times_us;
        let us = scaled(us, rng).clamp(least_us.min(us), most_us.max(us));
        return Some(duration_text(us).into());
    }
    if let Value::Integer(count) = value {
        let most = bounds.most_count.max(*count);
        let count = scaled(u64::try_from(*count).ok()?, rng);
        return Some(i64::try_from(count).ok()?.clamp(1, most).into());
    }
    let share: u64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    Some(format!("{}%", scaled(share.max(1), rng).min(100)).into())
}
