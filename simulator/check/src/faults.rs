//! The faults took effect: each that was planned was installed and seen, and a fault that
//! ends a process did end it.
//!
//! Source: this harness's own rule that a run whose faults did not take effect is
//! inconclusive; an injector that does nothing is the commonest silent mistake of fault
//! testing. A skipped fault is allowed as long as another one was installed. Not checked:
//! effects on links, disks and clocks, which leave no mark of their own in a history.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_fault::kind::Proof;
use squall_history::{FaultEvent, FaultStatus, NodeEvent};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let stops = stops(view);
    let mut installed = 0u64;
    for (_, at_us, fault) in view.faults() {
        judge.count_checked();
        match &fault.status {
            FaultStatus::Installed => {
                installed += 1;
                without_effect(view, judge, &stops, at_us, fault);
            }
            FaultStatus::Uncertain { why } => judge.unknown(format!(
                "fault {} ({}) at {}: effect not seen: {why}",
                fault.fault,
                fault.kind,
                seconds(at_us)
            )),
            FaultStatus::Healed | FaultStatus::Skipped { .. } => {}
        }
    }
    if installed == 0 && view.faults().next().is_some() {
        judge.unknown("no fault took effect".into());
    }
}

/// Times at which each node is known to have ended or come up; both show an end.
fn stops<'a>(view: &View<'a>) -> BTreeMap<&'a str, Vec<u64>> {
    let mut stops: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        let times = stops.entry(node).or_default();
        if matches!(what, NodeEvent::Stopped { .. } | NodeEvent::Started { .. }) {
            times.push(at_us);
        }
    }
    stops
}

/// Notes targets that lived on through a fault that ends processes. A node that never
/// reported anything cannot be judged so.
fn without_effect(
    view: &View,
    judge: &mut Judge,
    stops: &BTreeMap<&str, Vec<u64>>,
    at_us: u64,
    fault: &FaultEvent,
) {
    match fault.kind.info().proof {
        Proof::ProcessEnd => {}
        Proof::Observed => return,
    }
    let ended = |node: &str| {
        let times = stops.get(node);
        times.is_none_or(|times| times.iter().any(|&time_us| time_us >= at_us))
            || stopped_just_before(view, at_us, node)
    };
    for node in fault.targets.iter().filter(|node| !ended(node)) {
        judge.unknown(format!(
            "fault {} ({}) at {} is said to be installed, \
            but {node} neither stopped nor restarted after it",
            fault.fault,
            fault.kind,
            seconds(at_us)
        ));
    }
}

/// Whether `node` was down already when the fault was installed: the last that was heard
/// of its life is that it stopped.
fn stopped_just_before(view: &View, at_us: u64, node: &str) -> bool {
    let life = view.nodes().filter(|&(_, time_us, name, what)| {
        let about_life = matches!(what, NodeEvent::Stopped { .. } | NodeEvent::Started { .. });
        time_us <= at_us && name == node && about_life
    });
    matches!(life.last(), Some((_, _, _, NodeEvent::Stopped { .. })))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{FaultStatus, NodeEvent};

    fn started() -> NodeEvent {
        NodeEvent::Started {
            last_log: 0,
            applied: 0,
        }
    }

    #[test]
    fn an_injector_that_does_nothing() {
        let mut run = Run::new();
        run.node("node-1", started()).at(5);
        run.fault("kill", "node-1", FaultStatus::Installed);
        run.at(9).fault("kill", "node-1", FaultStatus::Healed);
        cannot_tell(check, &run.end(), "node-1 neither stopped nor restarted");
    }

    #[test]
    fn a_kill_that_is_seen() {
        let mut run = Run::new();
        run.node("node-1", started()).at(5);
        let why = "killed".to_owned();
        run.node("node-1", NodeEvent::Stopped { why }).at(6);
        run.fault("kill", "node-1", FaultStatus::Installed);
        passes(check, &run.end());
    }

    #[test]
    fn all_skipped_or_one_uncertain() {
        let skipped = || FaultStatus::Skipped {
            why: "no leader".into(),
        };
        let mut run = Run::new();
        run.fault("kill", "leader", skipped());
        cannot_tell(check, &run.end(), "no fault took effect");
        let mut run = Run::new();
        run.fault("partition", "node-1", FaultStatus::Installed);
        run.fault("kill", "leader", skipped());
        passes(check, &run.end());
        let why = "no packet was lost".to_owned();
        let mut run = Run::new();
        run.fault("loss", "a->b", FaultStatus::Uncertain { why });
        cannot_tell(check, &run.end(), "effect not seen");
    }
}
