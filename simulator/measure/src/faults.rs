//! Faults as they were: each occurrence with its targets, its beginning and its end.
//!
//! A fault that flaps, or ends processes in turn, is installed and healed several times under
//! one number; every installation is an occurrence of its own, since each can cost the cluster
//! its leader.

use squall_fault::FaultKind;
use squall_fault::kind::Silence;
use squall_history::{EventKind, FaultEvent, FaultStatus, History};

/// One occurrence of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpan {
    /// Number of the fault in the plan.
    pub fault: usize,
    /// What was done.
    pub kind: FaultKind,
    /// Names of the nodes, or of the clients, it was done to.
    pub targets: Vec<String>,
    /// Members that it cuts off from a majority, if it is a partition.
    pub cut_off: Vec<String>,
    /// First event of the occurrence.
    pub at_us: u64,
    /// When it took effect; `None` if it was never seen to.
    pub installed_us: Option<u64>,
    /// When it was over; a fault that is over at once, when it took effect.
    pub healed_us: Option<u64>,
    /// How it stands at the end of the history; `Installed` is in force to the end.
    pub status: FaultStatus,
}

impl FaultSpan {
    /// Whether the node is a target, or an end of a targeted link `a->b`.
    pub fn names(&self, node: &str) -> bool {
        self.targets
            .iter()
            .any(|target| target.split("->").any(|end| end == node))
    }

    /// Whether it has taken effect and is not over.
    pub fn is_in_force(&self, at_us: u64) -> bool {
        self.installed_us.is_some_and(|from_us| from_us <= at_us)
            && self.healed_us.is_none_or(|to_us| at_us < to_us)
    }

    /// The nodes that it keeps down or unheard.
    pub fn silenced(&self) -> &[String] {
        match self.kind.info().silence {
            Silence::None => &[],
            Silence::Process | Silence::CutOff => &self.targets,
            Silence::Minority => &self.cut_off,
        }
    }

    /// Whether the node is one of those that it silences.
    pub fn silences(&self, node: &str) -> bool {
        self.silenced().iter().any(|silenced| silenced == node)
    }
}

/// Every occurrence of every fault, in order of its first event.
pub fn spans(history: &History) -> Vec<FaultSpan> {
    let mut spans: Vec<FaultSpan> = Vec::new();
    for event in &history.events {
        if let EventKind::Fault(fault) = &event.kind {
            record(&mut spans, event.at_us, fault);
        }
    }
    spans
}

fn record(spans: &mut Vec<FaultSpan>, at_us: u64, event: &FaultEvent) {
    let open = spans
        .iter()
        .rposition(|span| span.fault == event.fault && span.status == FaultStatus::Installed);
    let index = open
        .filter(|_| event.status != FaultStatus::Installed)
        .unwrap_or_else(|| {
            spans.push(FaultSpan {
                fault: event.fault,
                kind: event.kind,
                targets: event.targets.clone(),
                cut_off: event.cut_off.clone(),
                at_us,
                installed_us: None,
                healed_us: None,
                status: FaultStatus::Installed,
            });
            spans.len() - 1
        });
    let span = &mut spans[index];
    span.status = event.status.clone();
    match event.status {
        FaultStatus::Installed => {
            span.installed_us = Some(at_us);
            if event.kind.is_instant() {
                span.healed_us = Some(at_us);
                span.status = FaultStatus::Healed;
            }
        }
        FaultStatus::Healed => span.healed_us = Some(at_us),
        FaultStatus::Skipped { .. } | FaultStatus::Uncertain { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn flapping_gives_one_occurrence_for_each_installation() {
        let mut script = Script::new();
        script.fault(0, "partition", &["node-1", "node-2"], 10, Some(20));
        script.fault(1, "kill", &["node-3"], 15, None);
        script.fault(0, "partition", &["node-1", "node-2"], 30, Some(40));
        let spans = spans(&script.end(50));
        let seen: Vec<_> = spans
            .iter()
            .map(|s| (s.fault, s.installed_us, s.healed_us, &s.status))
            .collect();
        assert_eq!(
            seen,
            [
                (0, Some(10), Some(20), &FaultStatus::Healed),
                (1, Some(15), None, &FaultStatus::Installed),
                (0, Some(30), Some(40), &FaultStatus::Healed),
            ]
        );
    }

    #[test]
    fn instant_faults_are_over_when_they_take_effect() {
        let mut script = Script::new();
        for (fault, kind) in ["transfer", "clock_jump", "client_crash"]
            .iter()
            .enumerate()
        {
            script.fault(fault, kind, &["node-1"], 10, None);
        }
        for span in spans(&script.end(50)) {
            assert_eq!((span.installed_us, span.healed_us), (Some(10), Some(10)));
            assert_eq!(span.status, FaultStatus::Healed);
        }
    }

    #[test]
    fn a_fault_that_did_nothing_never_took_effect() {
        let why = || "no such node".to_owned();
        let mut script = Script::new();
        script.fault_status(
            0,
            "kill",
            &["node-9"],
            10,
            FaultStatus::Skipped { why: why() },
        );
        script.fault(1, "link", &["node-1->node-2"], 20, None);
        script.fault_status(1, "link", &[], 30, FaultStatus::Uncertain { why: why() });
        let spans = spans(&script.end(50));
        assert_eq!(spans[0].installed_us, None);
        assert_eq!(spans[0].status, FaultStatus::Skipped { why: why() });
        assert_eq!((spans[1].at_us, spans[1].installed_us), (20, Some(20)));
        assert_eq!(spans[1].status, FaultStatus::Uncertain { why: why() });
        assert!(spans[1].names("node-1") && spans[1].names("node-2"));
        assert!(!spans[1].names("node"));
    }
}
