//! A golden timeline: what the cluster did in one run, event by event, as text.
//!
//! Checks say whether a run was right; this says whether it was the same as yesterday. A
//! change of the engine, the cluster or a default shows here as a diff to review. Entries
//! applied and committed are left out, since every operation makes some.

use std::fmt::Write;

use squall::history::{EventKind, History};
use squall::run;
use squall::scenario::Scenario;
use squall::trace::words;
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
        EventKind::Fault(fault) => Some(("fault", words::fault(fault))),
        EventKind::Node { node, event } => {
            words::node_event(event).map(|text| (node.as_str(), text))
        }
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
        | EventKind::Load { .. }
        | EventKind::Points { .. } => None,
    }
}
