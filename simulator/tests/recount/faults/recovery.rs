//! Recounts recovery: of throughput, of members behind a new leader, and of nodes after healing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Change, Faults, New, SECOND};
use crate::history::{begins, ended, is_acknowledged, measured, service, us};

pub(super) fn recovery(
    lines: &[Value],
    faults: &Faults,
    changes: &[Change],
    report: &Value,
) -> Vec<String> {
    let new: BTreeMap<u64, New> = changes
        .iter()
        .filter_map(|c| c.new)
        .map(|new| (new.term, new))
        .collect();
    let served = new.values().map(|new| served_again(lines, new.at));
    let mut wrong = Vec::new();
    let mut same = |what: &str, counted: Vec<Option<u64>>| {
        let row = &report["recovery_ms"][what];
        let unseen = counted.iter().filter(|us| us.is_none()).count();
        let mut seen: Vec<u64> = counted.into_iter().flatten().collect();
        seen.sort_unstable();
        let all = &report["samples_us"][format!("recovery_{what}")];
        let reported: Vec<u64> = all.as_array().into_iter().flatten().map(us).collect();
        if reported != seen || row["unseen"] != unseen {
            wrong.push(format!(
                "recovery of {what}: {row} {reported:?}, {seen:?} counted"
            ));
        }
    };
    same("throughput", served.collect());
    let nodes: BTreeSet<&str> = faults.said.iter().map(|s| s.node).collect();
    let members = new.values().map(|new| {
        let runs = |node: &str| {
            let stood = faults.indexes(node);
            let last = stood.iter().rev().find(|(at, _)| *at <= new.at);
            !stood.is_empty() && last.is_none_or(|(_, index)| index.is_some())
        };
        let heard = nodes
            .iter()
            .filter(|node| runs(node) && !faults.is_gone(node, new.at));
        let heard = heard.map(|node| faults.reaches(node, new.index, new.at));
        heard
            .map(|at| at.map(|at| at - new.at))
            .fold(Some(0), latest)
    });
    same("members", members.collect());
    let healed = faults
        .strikes
        .iter()
        .filter(|s| s.at.is_some() && !s.gone().is_empty());
    let rejoin = healed
        .filter_map(|s| Some((s, s.healed?)))
        .map(|(strike, healed)| {
            let indexes = nodes.iter().flat_map(|node| faults.indexes(node));
            let highest = indexes
                .filter(|(at, _)| *at <= healed)
                .filter_map(|(_, index)| index)
                .max();
            let back = strike.gone().into_iter();
            let back = back.map(|node| faults.reaches(node, highest.unwrap_or(0), healed));
            back.map(|at| at.map(|at| at - healed))
                .fold(Some(0), latest)
        });
    same("rejoin", rejoin.collect());
    wrong
}

fn latest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.max(b?))
}

/// From a new leader on: how long until a second begins that is as the warm-up was.
fn served_again(lines: &[Value], led_us: u64) -> Option<u64> {
    let (warmup, chaos) = (begins(lines, "warmup")?, begins(lines, "chaos")?);
    let waits = |action: &Value| action["wait_ms"].as_u64().unwrap_or(0) > 0;
    let acked = ended(lines).into_iter();
    let acked: Vec<_> = acked
        .filter(|o| is_acknowledged(o.outcome) && service(o.f) != "near")
        .collect();
    let mut usual: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for o in acked
        .iter()
        .filter(|o| o.phase == "warmup" && !waits(o.action))
    {
        usual
            .entry(service(o.f))
            .or_default()
            .push(o.end_us - o.start_us);
    }
    let limits: BTreeMap<&str, u64> = usual
        .into_iter()
        .map(|(name, mut all)| {
            all.sort_unstable();
            (name, 2 * all[(all.len() * 99).div_ceil(100) - 1])
        })
        .collect();
    let mut ends: Vec<(u64, bool)> = acked
        .iter()
        .map(|o| {
            let limit = limits.get(service(o.f)).filter(|_| !waits(o.action));
            (
                o.end_us,
                limit.is_some_and(|limit| o.end_us - o.start_us > *limit),
            )
        })
        .collect();
    ends.sort_unstable();
    let first = ends
        .iter()
        .map(|(at, _)| *at)
        .find(|at| *at >= warmup)?
        .min(chaos);
    let before = ends
        .iter()
        .filter(|(at, _)| first <= *at && *at < chaos)
        .count() as u128;
    let length = u128::from(chaos - first);
    if before == 0 || length == 0 {
        return None;
    }
    let mut begin = led_us;
    while begin + SECOND <= measured(lines).1 {
        let from = ends.partition_point(|(at, _)| *at < begin);
        let to = ends.partition_point(|(at, _)| *at < begin + SECOND);
        let slow = ends[from..to].iter().filter(|(_, slow)| *slow).count();
        let count = (to - from) as u128;
        let dense = count * length * 10 >= before * u128::from(SECOND) * 9;
        if dense && slow * 100 <= to - from {
            return Some(begin - led_us);
        }
        begin += 10_000;
    }
    None
}
