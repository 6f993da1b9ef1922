//! Builds small histories by hand, so that each check's tests read like the story of a
//! run. Times are milliseconds; a call takes one.

mod operations;

use std::ptr::fn_addr_eq;

use super::result::Judge;
use super::view::View;
use super::{CHECKS, CheckResult, Verdict};
pub(super) use operations::*;
use squall_history::{
    Action, Event, EventKind, FaultEvent, FaultStatus, HarnessEvent, History, NodeEvent, Outcome,
    Phase, StreamEvent,
};

/// A history being written. Starts in the chaos phase at 1 ms.
#[derive(Debug)]
pub(super) struct Run {
    events: Vec<Event>,
    clock_us: u64,
    next_op: u64,
}

impl Run {
    pub(super) fn new() -> Self {
        let mut run = Self::bare();
        run.phase(Phase::Warmup).at(1).phase(Phase::Chaos);
        run
    }

    /// A run with no event at all.
    pub(super) fn bare() -> Self {
        Self {
            events: Vec::new(),
            clock_us: 0,
            next_op: 1,
        }
    }

    /// Moves the clock to `ms`.
    pub(super) fn at(&mut self, ms: u64) -> &mut Self {
        assert!(ms * 1_000 >= self.clock_us, "the clock does not go back");
        self.clock_us = ms * 1_000;
        self
    }

    pub(super) fn push(&mut self, kind: EventKind) -> &mut Self {
        self.events.push(Event {
            at_us: self.clock_us,
            kind,
        });
        self
    }

    pub(super) fn phase(&mut self, phase: Phase) -> &mut Self {
        self.push(EventKind::Phase { phase })
    }

    pub(super) fn missed(&mut self, event: HarnessEvent) -> &mut Self {
        self.push(EventKind::Harness { event })
    }

    pub(super) fn node(&mut self, node: &str, event: NodeEvent) -> &mut Self {
        self.push(EventKind::Node {
            node: node.into(),
            event,
        })
    }

    pub(super) fn fault(&mut self, kind: &str, target: &str, status: FaultStatus) -> &mut Self {
        self.push(EventKind::Fault(fault(kind, target, status)))
    }

    pub(super) fn started(&mut self, node: &str) -> &mut Self {
        let (last_log, applied) = (0, 0);
        self.node(node, NodeEvent::Started { last_log, applied })
    }

    pub(super) fn stopped(&mut self, node: &str) -> &mut Self {
        let why = "killed".into();
        self.node(node, NodeEvent::Stopped { why })
    }

    /// These start, and all have a vote.
    pub(super) fn members(&mut self, names: &[&str]) -> &mut Self {
        for name in names {
            self.started(name);
        }
        self.configured(names, false)
    }

    /// These make up two configurations at once.
    pub(super) fn joint(&mut self, names: &[&str]) -> &mut Self {
        self.configured(names, true)
    }

    fn configured(&mut self, names: &[&str], joint: bool) -> &mut Self {
        let event = NodeEvent::Membership {
            index: 1,
            voters: names.iter().map(|name| (*name).into()).collect(),
            learners: Vec::new(),
            joint,
        };
        self.node("node-1", event)
    }

    /// A clock begins to run at another rate, or no longer does.
    pub(super) fn drift(&mut self, ppm: Option<i32>, status: FaultStatus) -> &mut Self {
        let drift = fault("clock_drift", "node-1", status);
        self.push(EventKind::Fault(FaultEvent {
            drift_ppm: ppm,
            ..drift
        }))
    }

    /// The lease in milliseconds, and the clocks that run at a wrong rate.
    pub(super) fn setup(&mut self, lease_ms: Option<u64>, drift_ppm: &[(&str, i32)]) -> &mut Self {
        let drift_ppm = drift_ppm.iter().map(|(node, ppm)| ((*node).into(), *ppm));
        self.push(EventKind::Setup {
            lease_us: lease_ms.map(|ms| ms * 1_000),
            drift_ppm: drift_ppm.collect(),
        })
    }

    pub(super) fn invoke(&mut self, client: &str, action: Action) -> u64 {
        let op = self.next_op;
        self.next_op += 1;
        self.push(EventKind::Invoke {
            op,
            client: client.into(),
            intended_us: None,
            action,
        });
        op
    }

    pub(super) fn returns(&mut self, op: u64, outcome: Outcome) -> &mut Self {
        self.push(EventKind::Return { op, outcome })
    }

    /// Invokes now and returns 1 ms later.
    pub(super) fn call(&mut self, client: &str, action: Action, outcome: Outcome) -> &mut Self {
        let op = self.invoke(client, action);
        self.clock_us += 1_000;
        self.returns(op, outcome)
    }

    /// Heals, converges and serves, then begins the audit.
    pub(super) fn audit(&mut self) -> &mut Self {
        for phase in [Phase::Heal, Phase::Converge, Phase::Serve, Phase::Audit] {
            self.phase(phase);
        }
        self
    }

    /// The history as it is, without an end.
    pub(super) fn cut(&self) -> History {
        History {
            events: self.events.clone(),
        }
    }

    /// The history with whatever phases are missing until the end.
    pub(super) fn end(&mut self) -> History {
        let is_audit = |event: &Event| {
            event.kind
                == EventKind::Phase {
                    phase: Phase::Audit,
                }
        };
        if !self.events.iter().any(is_audit) {
            self.audit();
        }
        self.phase(Phase::End).cut()
    }
}

fn fault(kind: &str, target: &str, status: FaultStatus) -> FaultEvent {
    FaultEvent {
        fault: 0,
        kind: kind.parse().expect("tests know the kinds of faults"),
        targets: vec![target.into()],
        cut_off: Vec::new(),
        drift_ppm: None,
        status,
    }
}

/// The function of a check.
type Function = fn(&View, &mut Judge);

/// Judges by one check.
pub(super) fn judge(function: Function, history: &History) -> CheckResult {
    let row = CHECKS
        .iter()
        .find(|check| fn_addr_eq(check.judge, function));
    super::run(row.expect("the check has a row"), &View::new(history))
}

#[track_caller]
pub(super) fn passes(function: Function, history: &History) {
    let result = judge(function, history);
    assert_eq!(result.verdict, Verdict::Pass, "{result:#?}");
}

/// Expects a failure with evidence whose detail contains `detail`.
#[track_caller]
pub(super) fn fails(function: Function, history: &History, detail: &str) {
    let result = judge(function, history);
    assert_eq!(result.verdict, Verdict::Fail, "{result:#?}");
    assert!(result.detail.contains(detail), "{result:#?}");
    assert!(!result.evidence.is_empty(), "{result:#?}");
}

/// Expects "cannot tell" with a detail that contains `detail`.
#[track_caller]
pub(super) fn cannot_tell(function: Function, history: &History, detail: &str) {
    let result = judge(function, history);
    assert_eq!(result.verdict, Verdict::Unknown, "{result:#?}");
    assert!(result.detail.contains(detail), "{result:#?}");
}

/// Expects that there was nothing to judge, with a reason that contains `detail`.
#[track_caller]
pub(super) fn not_judged(function: Function, history: &History, detail: &str) {
    let result = judge(function, history);
    assert_eq!(result.verdict, Verdict::NotJudged, "{result:#?}");
    assert!(result.detail.contains(detail), "{result:#?}");
}

/// Key k of the cache: `a` at version 5, and `b` at version 6 a second later.
pub(super) fn written_twice() -> Run {
    let mut run = Run::new();
    run.call("cache-1", set("k", "a"), stored(5)).at(1000);
    run.call("cache-1", set("k", "b"), stored(6)).at(2000);
    run
}

/// The stream of a client with near copies says something.
pub(super) fn says(run: &mut Run, event: StreamEvent) {
    let client = "cache-near-1".into();
    run.push(EventKind::Stream { client, event });
}

pub(super) fn invalidated(run: &mut Run, index: u64, key: &str) {
    let keys = vec![key.into()];
    says(run, StreamEvent::Invalidated { index, keys });
}
