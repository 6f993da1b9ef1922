//! Events of nodes and faults, and what became of messages, in plain words.

use crate::backends::trace::{Fate, Hold, Message, time};
use crate::history::{FaultEvent, FaultStatus, NodeEvent};
use crate::report;

/// What a node says of itself; `None` for what it says all the time.
pub fn node_event(event: &NodeEvent) -> Option<String> {
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

/// `partition node-1 node-2 installed`.
pub fn fault(fault: &FaultEvent) -> String {
    let status = match &fault.status {
        FaultStatus::Installed => "installed".to_owned(),
        FaultStatus::Healed => "healed".to_owned(),
        FaultStatus::Skipped { why } => format!("skipped: {why}"),
        FaultStatus::Uncertain { why } => format!("uncertain: {why}"),
    };
    format!("{} {} {status}", fault.kind, fault.targets.join(" "))
}

/// `arrived 3.202111s (+877 µs)`, and what delayed it.
pub fn fate(message: &Message) -> String {
    let after = |at_us: i64| report::duration((at_us - message.sent_us).max(0) as u64);
    let fate = match message.fate {
        Fate::UnderWay => "never arrived".to_owned(),
        Fate::Arrived { at_us, read_us } => {
            let arrived = format!("arrived {} (+{})", time(at_us), after(at_us));
            match read_us {
                Some(read_us) if read_us == at_us => arrived,
                Some(read_us) => format!("{arrived}, read {}", time(read_us)),
                None => format!("{arrived}, never read"),
            }
        }
        Fate::Lost { at_us, why } => {
            format!("lost {} (+{}): {}", time(at_us), after(at_us), why.words())
        }
    };
    match message.held.is_empty() {
        true => fate,
        false => format!("{fate}, held: {}", holds(&message.held)),
    }
}

/// `fault 0 had cut the link, a packet was lost`.
pub fn holds(held: &[Hold]) -> String {
    let held = held.iter().map(|hold| match hold {
        Hold::Cut { fault } => format!("fault {fault} had cut the link"),
        Hold::Degraded { fault } => format!("fault {fault} slowed the link"),
        Hold::Loss => "a packet was lost".into(),
        Hold::NoPower => "no power".into(),
        Hold::Behind => "waited behind another".into(),
    });
    held.collect::<Vec<_>>().join(", ")
}
