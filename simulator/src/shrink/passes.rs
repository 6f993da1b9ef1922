//! The passes: what is taken away, in which order.
//!
//! Greatest savings first, since every later try is then cheaper; again from the start as
//! long as anything gets smaller, since what was needed before may not be any more.

use toml::{Table, Value};

use super::ddmin::ddmin;
use super::document::{duration_us, get, keys, set_tables, tables, time, with, without};
use super::{Over, SEEDS_FOR_MUCH, Search, Work};
use crate::fault::text::duration_text;

/// Round numbers and times, rising.
const COUNTS: [i64; 14] = [1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 500, 1_000];
const TIMES_MS: [u64; 14] = [
    0, 100, 200, 500, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000,
];
/// Pauses between operations, falling: the longer, the fewer operations.
const PAUSES_MS: [u64; 10] = [1_000, 500, 300, 200, 100, 70, 50, 40, 30, 20];

/// Phases left at their defaults last up to thirty seconds.
const PHASE_US: u64 = 30_000_000;

/// What saves most if it works at all: worth a try, but not again and again.
pub(super) fn first(search: &mut Search) -> Result<(), Over> {
    no_faults(search)?;
    switch_off(search)?;
    list(search, "workload")?;
    horizon(search)
}

/// Runs all other passes until none of them gains anything.
pub(super) fn all(search: &mut Search) -> Result<(), Over> {
    loop {
        let before = search.best.document.clone();
        list(search, "fault")?;
        list(search, "point")?;
        list(search, "workload")?;
        idle_time(search)?;
        phases(search)?;
        counts(search)?;
        fault_times(search)?;
        fault_targets(search)?;
        idle_time(search)?;
        phases(search)?;
        passes_of_points(search)?;
        pauses(search)?;
        operations(search)?;
        defaults(search)?;
        if search.best.document == before {
            return Ok(());
        }
    }
}

/// Faults, points or workloads, by delta debugging.
fn list(search: &mut Search, key: &str) -> Result<(), Over> {
    let try_list = |search: &mut Search, list: &[Value]| {
        let mut document = search.best.document.clone();
        set_tables(&mut document, key, list.to_vec());
        search.try_out(document, Work::MayGrow)
    };
    let all = tables(&search.best.document, key).to_vec();
    ddmin(all, |list| try_list(search, list))?;
    Ok(())
}

/// Perhaps no fault is needed at all, or nothing that happens at points.
fn no_faults(search: &mut Search) -> Result<(), Over> {
    let mut document = search.best.document.clone();
    set_tables(&mut document, "fault", Vec::new());
    search.try_with(SEEDS_FOR_MUCH, document, Work::MayGrow)?;
    let mut document = search.best.document.clone();
    if document.remove("point").is_some() {
        search.try_with(SEEDS_FOR_MUCH, document, Work::MayGrow)?;
    }
    Ok(())
}

/// Ends the chaos phase early, and leaves out what would have come later: long runs cost
/// most, and a failure often shows long before their end.
fn horizon(search: &mut Search) -> Result<(), Over> {
    let chaos_us = time(&search.best.document, &["phases", "chaos"]).unwrap_or(PHASE_US);
    let ends = TIMES_MS.map(|ms| ms * 1_000).into_iter();
    for end_us in ends.filter(|us| (1_000_000..chaos_us).contains(us)) {
        let mut document = search.best.document.clone();
        let mut faults = tables(&document, "fault").to_vec();
        faults.retain(|fault| start_us(fault) < end_us);
        for fault in &mut faults {
            let left_us = end_us - start_us(fault);
            let Value::Table(fault) = fault else { continue };
            let lasts = fault.get_mut("for");
            if let Some(lasts) = lasts.filter(|lasts| duration_us(lasts) > Some(left_us)) {
                *lasts = duration_text(left_us).into();
            }
        }
        set_tables(&mut document, "fault", faults);
        let document = with(
            &document,
            &["phases", "chaos"],
            duration_text(end_us).into(),
        );
        if search.try_out(document, Work::MayGrow)? {
            break;
        }
    }
    Ok(())
}

/// When a fault begins, from the start of the chaos phase.
fn start_us(fault: &Value) -> u64 {
    fault.get("at").and_then(duration_us).unwrap_or(0)
}

/// What only looks on.
fn switch_off(search: &mut Search) -> Result<(), Over> {
    let mut document = search.best.document.clone();
    document.remove("objectives");
    search.try_out(document, Work::MayGrow)?;
    let mut document = search.best.document.clone();
    let mut probe = Table::new();
    probe.insert("enabled".into(), false.into());
    document.insert("probe".into(), probe.into());
    search.try_out(document, Work::MayGrow)?;
    Ok(())
}

/// Takes away the time before the first fault and after the last, from the phase and from
/// every fault at once.
fn idle_time(search: &mut Search) -> Result<(), Over> {
    let chaos = ["phases", "chaos"];
    let faults = indexes(search, "fault");
    let starts = |document: &Table| -> Vec<u64> {
        let starts = faults
            .iter()
            .filter_map(|index| time(document, &["fault", index, "at"]));
        starts.collect()
    };
    let first_us = starts(&search.best.document).into_iter().min().unwrap_or(0);
    for left_us in TIMES_MS
        .map(|ms| ms * 1_000)
        .into_iter()
        .filter(|us| *us < first_us)
    {
        let mut document = search.best.document.clone();
        let cut_us = first_us - left_us;
        for index in &faults {
            let path = ["fault", index, "at"];
            if let Some(at_us) = time(&document, &path) {
                document = with(&document, &path, duration_text(at_us - cut_us).into());
            }
        }
        if let Some(chaos_us) = time(&document, &chaos) {
            let left = duration_text(chaos_us.saturating_sub(cut_us)).into();
            document = with(&document, &chaos, left);
        }
        if search.try_out(document, Work::MayGrow)? {
            break;
        }
    }
    let ends = faults.iter().filter_map(|index| {
        let at_us = time(&search.best.document, &["fault", index, "at"])?;
        let lasts_us = time(&search.best.document, &["fault", index, "for"]);
        Some(at_us + lasts_us.unwrap_or(0))
    });
    let end_us = ends.max().unwrap_or(0).next_multiple_of(100_000);
    if time(&search.best.document, &chaos).is_some_and(|chaos_us| end_us < chaos_us) {
        let document = with(&search.best.document, &chaos, duration_text(end_us).into());
        search.try_out(document, Work::MayGrow)?;
    }
    Ok(())
}

/// Shorter phases.
fn phases(search: &mut Search) -> Result<(), Over> {
    for phase in ["chaos", "warmup", "serve"] {
        let path = ["phases", phase];
        smaller_time(search, &path, Work::MayGrow)?;
    }
    Ok(())
}

/// Fewer nodes, clients and keys.
fn counts(search: &mut Search) -> Result<(), Over> {
    // Without a word about it there are five.
    smaller_count(search, &["cluster", "nodes"], 5)?;
    for index in indexes(search, "workload") {
        for (key, default) in [
            ("clients", 5),
            ("producers", 5),
            ("consumers", 5),
            ("keys", 10),
        ] {
            smaller_count(search, &["workload", &index, key], default)?;
        }
    }
    Ok(())
}

/// Faults that come earlier and last less long, at round times.
fn fault_times(search: &mut Search) -> Result<(), Over> {
    for index in indexes(search, "fault") {
        for key in ["at", "for"] {
            smaller_time(search, &["fault", &index, key], Work::MayGrow)?;
        }
    }
    Ok(())
}

/// Faults that strike at an earlier pass of their point, and points at which something happens
/// only once, at as early a pass as can be.
fn passes_of_points(search: &mut Search) -> Result<(), Over> {
    for index in indexes(search, "fault") {
        smaller_count(search, &["fault", &index, "nth"], 1)?;
    }
    for index in indexes(search, "point") {
        smaller_count(search, &["point", &index, "times"], i64::MAX)?;
        smaller_count(search, &["point", &index, "yield"], 1)?;
        // At each pass: then nothing has to be drawn or counted.
        let path = ["point", &index, "every"];
        let every = get(&search.best.document, &path);
        if every.is_some_and(|every| every.as_integer() != Some(1)) {
            let document = with(&search.best.document, &path, 1.into());
            search.try_out(document, Work::MayGrow)?;
        }
    }
    Ok(())
}

/// Fewer targets a fault, and fewer details.
fn fault_targets(search: &mut Search) -> Result<(), Over> {
    for index in indexes(search, "fault") {
        let Some(fault) = get(&search.best.document, &["fault", &index]) else {
            continue;
        };
        let keys: Vec<String> = fault
            .as_table()
            .into_iter()
            .flat_map(Table::keys)
            .cloned()
            .collect();
        for key in keys {
            let path = ["fault", &index, &key];
            shorter_lists(search, &path)?;
        }
    }
    Ok(())
}

/// Leaves elements of a list of targets out, one by one; of a list of lists, within each.
fn shorter_lists(search: &mut Search, path: &[&str]) -> Result<(), Over> {
    let Some(Value::Array(list)) = get(&search.best.document, path).cloned() else {
        return Ok(());
    };
    for at in (0..list.len()).rev() {
        if list[at].is_array() {
            let at = at.to_string();
            let inner: Vec<&str> = path.iter().copied().chain([at.as_str()]).collect();
            shorter_lists(search, &inner)?;
        } else {
            let Some(Value::Array(mut fewer)) = get(&search.best.document, path).cloned() else {
                return Ok(());
            };
            fewer.remove(at);
            let document = with(&search.best.document, path, Value::Array(fewer));
            search.try_out(document, Work::MayGrow)?;
        }
    }
    Ok(())
}

/// Longer pauses between operations, if that makes fewer of them.
fn pauses(search: &mut Search) -> Result<(), Over> {
    for index in indexes(search, "workload") {
        let (think, rate) = (["workload", &index, "think"], ["workload", &index, "rate"]);
        if get(&search.best.document, &rate).is_some() {
            for rate_text in ["1/s", "5/s", "10/s", "20/s", "50/s", "100/s"] {
                let document = with(&search.best.document, &rate, rate_text.into());
                if search.try_out(document, Work::MayNotGrow)? {
                    break;
                }
            }
            continue;
        }
        for pause_ms in PAUSES_MS {
            let pause = duration_text(pause_ms * 1_000).into();
            let document = with(&search.best.document, &think, pause);
            if search.try_out(document, Work::MayNotGrow)? {
                break;
            }
        }
    }
    Ok(())
}

/// A limit to the operations of each workload.
fn operations(search: &mut Search) -> Result<(), Over> {
    for index in indexes(search, "workload") {
        let path = ["workload", &index, "operations"];
        let most = i64::try_from(search.best.failing.operations).unwrap_or(i64::MAX);
        smaller_count(search, &path, most)?;
    }
    Ok(())
}

/// Keys whose value was made as small as it can be; the default is larger.
const REDUCED: [&str; 9] = [
    "nodes",
    "clients",
    "producers",
    "consumers",
    "keys",
    "operations",
    "warmup",
    "chaos",
    "serve",
];

/// What can be left at its default, if that makes no more work.
fn defaults(search: &mut Search) -> Result<(), Over> {
    let sections: Vec<String> = search.best.document.keys().cloned().collect();
    for section in sections {
        leave_out(search, &[&section])?;
        leave_out_each(search, &[&section])?;
        for index in indexes(search, &section) {
            leave_out_each(search, &[&section, &index])?;
        }
    }
    Ok(())
}

fn leave_out_each(search: &mut Search, path: &[&str]) -> Result<(), Over> {
    for key in keys(&search.best.document, path) {
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        leave_out(search, &path)?;
    }
    Ok(())
}

fn leave_out(search: &mut Search, path: &[&str]) -> Result<(), Over> {
    let within = keys(&search.best.document, path);
    let named = path
        .iter()
        .copied()
        .chain(within.iter().map(String::as_str));
    if named.into_iter().any(|key| REDUCED.contains(&key)) {
        return Ok(());
    }
    let document = without(&search.best.document, path);
    search.try_out(document, Work::MayNotGrow)?;
    Ok(())
}

/// The smallest round number below the present one that still fails.
fn smaller_count(search: &mut Search, path: &[&str], default: i64) -> Result<(), Over> {
    let is_known = get(&search.best.document, &path[..path.len() - 1]).is_some();
    let now = get(&search.best.document, path).and_then(Value::as_integer);
    let now = now.unwrap_or(default);
    if !is_known && path[0] == "workload" {
        return Ok(());
    }
    for count in COUNTS.into_iter().filter(|count| *count < now) {
        let document = with(&search.best.document, path, count.into());
        if search.try_out(document, Work::MayGrow)? {
            break;
        }
    }
    Ok(())
}

/// The smallest round time below the present one that still fails; else the nearest below.
fn smaller_time(search: &mut Search, path: &[&str], work: Work) -> Result<(), Over> {
    let written = get(&search.best.document, path);
    // Phases left at their defaults last up to thirty seconds.
    let now_us = match written.map(duration_us) {
        Some(Some(us)) => us,
        Some(None) => return Ok(()),
        None if path[0] == "phases" => PHASE_US,
        None => return Ok(()),
    };
    for us in TIMES_MS
        .map(|ms| ms * 1_000)
        .into_iter()
        .filter(|us| *us < now_us)
    {
        let document = with(&search.best.document, path, duration_text(us).into());
        if search.try_out(document, work)? {
            return Ok(());
        }
    }
    for step_us in [1_000_000, 500_000, 100_000, 10_000, 1_000] {
        let rounded = now_us / step_us * step_us;
        if rounded < now_us && rounded > 0 {
            let document = with(&search.best.document, path, duration_text(rounded).into());
            if search.try_out(document, work)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Positions of an array of tables, as parts of a path, from the end.
fn indexes(search: &Search, key: &str) -> Vec<String> {
    let count = tables(&search.best.document, key).len();
    (0..count).rev().map(|index| index.to_string()).collect()
}
