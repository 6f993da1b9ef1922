//! Describes the surroundings of a violation: leaders, changes of leadership, faults in force.

use super::case::Case;
use super::sentence::Sentence;
use crate::backends::Role;
use crate::backends::trace::time;
use crate::trace::RoleSpan;

/// Changes of leadership and faults that are shown.
const MOST: usize = 8;

pub(super) fn sentences(case: &Case) -> Vec<Sentence> {
    let Some((from_us, to_us)) = case.stretch() else {
        return Vec::new();
    };
    let mut sentences = leaders(case, from_us, to_us);
    let overlapping = case.faults.iter().filter(|span| {
        let ended_us = span.until_us.map_or(i64::MAX, |at_us| at_us as i64);
        span.from_us as i64 <= to_us && ended_us >= from_us
    });
    let overlapping: Vec<_> = overlapping.collect();
    for span in overlapping.iter().take(MOST) {
        let cut_off = match span.event.cut_off.as_slice() {
            [] => String::new(),
            nodes => format!("; it cut {} off from a majority", nodes.join(" and ")),
        };
        let until = match span.until_us {
            Some(until_us) => format!("until {}", time(until_us as i64)),
            None => "until the end".into(),
        };
        let from = time(span.from_us as i64);
        let when = match span.until_us == Some(span.from_us) {
            true => format!("happened at {from}"),
            false => format!("was in force from {from} {until}{cut_off}"),
        };
        sentences.push(Sentence::new(
            format!("Fault {} ({}) {when}.", span.event.fault, span.words()),
            vec![case.fault_line(span)],
        ));
    }
    if overlapping.is_empty() {
        sentences.push(Sentence::new(
            "No fault was in force while the operations were at work.",
            Vec::new(),
        ));
    }
    sentences
}

fn leaders(case: &Case, from_us: i64, to_us: i64) -> Vec<Sentence> {
    let leaders = case.roles.iter().filter(|span| span.role == Role::Leader);
    let leaders: Vec<&RoleSpan> = leaders.collect();
    let changes: Vec<&&RoleSpan> = leaders
        .iter()
        .filter(|span| (from_us..=to_us).contains(&(span.from_us as i64)))
        .collect();
    let at_first = case.latest_leader(from_us);
    let mut sentences = Vec::new();
    match (at_first, changes.as_slice()) {
        (Some(leader), []) => sentences.push(Sentence::new(
            format!(
                "No other leader came while the operations were at work: {} had led term {} \
                 since {}.",
                leader.node,
                leader.term,
                time(leader.from_us as i64)
            ),
            case.role_line(leader),
        )),
        (None, []) => sentences.push(Sentence::new(
            "Who led cannot be shown: no node had said that it does.",
            Vec::new(),
        )),
        (before, changes) => {
            let mut before: Option<&RoleSpan> = before;
            for change in changes.iter().take(MOST) {
                let ended = before.map(|before| how_it_ended(case, before, change));
                sentences.push(Sentence::new(
                    format!(
                        "{} led term {} from {}{}.",
                        change.node,
                        change.term,
                        time(change.from_us as i64),
                        ended.unwrap_or_default()
                    ),
                    case.role_line(change),
                ));
                before = Some(change);
            }
            if changes.len() > MOST {
                let more = changes.len() - MOST;
                sentences.push(Sentence::new(
                    format!(
                        "Leadership changed {more} more times until {}.",
                        time(to_us)
                    ),
                    Vec::new(),
                ));
            }
        }
    }
    sentences
}

/// What had become of the leader before, when the next one came.
fn how_it_ended(case: &Case, before: &RoleSpan, next: &RoleSpan) -> String {
    let at_us = next.from_us as i64;
    let node = before.node;
    let was = match case.role_at(node, at_us).map(|span| span.role) {
        Some(Role::Down) => format!("; {node}, the leader before, was down"),
        Some(Role::Leader) if node != next.node => {
            format!("; {node}, the leader before, still took itself for one")
        }
        _ if node == next.node => "; it had led before".into(),
        _ => format!("; {node}, the leader before, led no more"),
    };
    let faults: Vec<String> = case
        .faults_at(node, at_us)
        .iter()
        .map(|span| format!("fault {} ({})", span.event.fault, span.event.kind))
        .collect();
    match faults.is_empty() {
        true => was,
        false => format!("{was}, under {}", faults.join(" and ")),
    }
}
