//! A golden timeline: what the cluster did in one run, event by event, as text.
//!
//! Checks say whether a run was right; this says whether it was the same as yesterday. A
//! change of the engine, the cluster or a default shows here as a diff to review. Entries
//! applied and committed are left out, since every operation makes some.

use std::fmt::Write;

use squall::history::{EventKind, FaultEvent, FaultStatus, History, NodeEvent};
use squall::run;
use squall::scenario::Scenario;
use squall_tests::{golden, repository};

#[test]
fn failure_recovery_with_seed_1_goes_as_written() {
    let path = repository().join("scenarios/failure-recovery.toml");
    let scenario = Scenario::load(path).expect("the repository's scenario is valid");
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    let file = repository().join("tests/golden/failure-recovery-1.txt");
    golden::assert_matches(&timeline(&judged.history), &file);
}

/// One line an event: seconds of the run, who, what.
fn timeline(history: &History) -> String {
    let mut text = String::new();
    for event in &history.events {
        let Some((who, what)) = line(&event.kind) else {
            continue;
        };
        let seconds = event.at_us / 1_000_000;
        let micros = event.at_us % 1_000_000;
        writeln!(text, "{seconds:>3}.{micros:06}  {who:<8}  {what}").expect("a String takes all");
    }
    text
}

fn line(kind: &EventKind) -> Option<(&str, String)> {
    match kind {
        EventKind::Phase { phase } => Some(("phase", format!("{phase:?}").to_lowercase())),
        EventKind::Fault(fault) => Some(("fault", fault_text(fault))),
        EventKind::Node { node, event } => node_text(event).map(|text| (node.as_str(), text)),
        EventKind::Majority { is_left, impaired } => {
            let impaired = impaired.join(" ");
            Some(("majority", format!("left: {is_left}; impaired: {impaired}")))
        }
        EventKind::Note { text } => Some(("note", text.clone())),
        EventKind::Harness { event } => Some(("harness", format!("{event:?}"))),
        EventKind::Setup { .. }
        | EventKind::Invoke { .. }
        | EventKind::Return { .. }
        | EventKind::Retry { .. }
        | EventKind::Stream { .. }
        | EventKind::Load { .. } => None,
    }
}

fn fault_text(fault: &FaultEvent) -> String {
    let status = match &fault.status {
        FaultStatus::Installed => "installed".to_owned(),
        FaultStatus::Healed => "healed".to_owned(),
        FaultStatus::Skipped { why } => format!("skipped: {why}"),
        FaultStatus::Uncertain { why } => format!("uncertain: {why}"),
    };
    format!("{} {} {status}", fault.kind, fault.targets.join(" "))
}

fn node_text(event: &NodeEvent) -> Option<String> {
    use NodeEvent::*;
    Some(match event {
        Applied { .. } | Committed { .. } | CacheReads { .. } | Work(_) => return None,
        Started { last_log, applied } => format!("started with log {last_log}, applied {applied}"),
        Stopped { why } => format!("stopped: {why}"),
        Election { term, pre_vote } => match pre_vote {
            true => format!("asks whether it would be elected in term {term}"),
            false => format!("stands for election in term {term}"),
        },
        Voted { term, candidate } => format!("votes for {candidate} in term {term}"),
        Leader { term } => format!("leads term {term}"),
        FirstCommit { term, index } => format!("first commit of term {term}: {index}"),
        Follower { term, leader } => match leader {
            Some(leader) => format!("follows {leader} in term {term}"),
            None => format!("follows nobody in term {term}"),
        },
        Snapshot { term, index } => format!("snapshot up to {index} of term {term}"),
        SnapshotInstalled { term, index } => {
            format!("installs a snapshot up to {index} of term {term}")
        }
        Membership {
            index,
            voters,
            learners,
            ..
        } => format!(
            "membership {index}: voters [{}], learners [{}]",
            voters.join(" "),
            learners.join(" ")
        ),
        SnapshotArrived { index } => format!("gets a snapshot up to {index}"),
        Damaged { why } => format!("damaged: {why}"),
        Replaced => "replaced by an empty machine".to_owned(),
    })
}
