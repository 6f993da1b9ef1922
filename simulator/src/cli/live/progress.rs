//! Renders a run's tally for the live display.

use squall_watch::Tally;

use crate::history::Phase;
use crate::objective::{Bound, Metric, Quantile};
use crate::plan::Plan;

/// Limits that can be seen to be missed while a run works. Microseconds; `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// Longest gap of any service.
    downtime_us: Option<u64>,
    /// Time without a leader.
    election_us: Option<u64>,
}

impl Limits {
    pub(super) fn of(plan: &Plan) -> Self {
        let limit = |wanted: Metric| {
            let mut asked = plan.objectives.iter();
            let asked = asked.find(|objective| objective.figure == wanted);
            asked.map(|objective| objective.limit)
        };
        let election = |quantile| limit(Metric::Election { quantile });
        Self {
            downtime_us: limit(Metric::DowntimeMax),
            election_us: election(Quantile::Max).or_else(|| election(Quantile::P99)),
        }
    }
}

/// A limit that is passed, or nearly so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Risk {
    pub(super) what: String,
    pub(super) for_us: u64,
    pub(super) limit_us: u64,
}

/// How a run stands now, for whoever draws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) at_us: u64,
    pub(super) phase: Option<Phase>,
    pub(super) leader: Option<(String, u64)>,
    pub(super) per_second: u64,
    pub(super) p99_us: Option<u64>,
    pub(super) acked: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
    /// `kill node-1, node-3`.
    pub(super) faults: Vec<String>,
    /// Names of the alerts that are on.
    pub(super) alerts: Vec<String>,
    /// What is being missed, and by how much.
    pub(super) at_risk: Vec<Risk>,
}

impl Progress {
    pub(super) fn of(tally: &mut Tally, limits: Limits) -> Self {
        let [acked, failed, unknown] = tally.operations.totals();
        let leader = tally.leader();
        Self {
            at_us: tally.at_us,
            phase: tally.phase,
            leader: leader.map(|(node, term)| (node.to_owned(), term)),
            acked,
            failed,
            unknown,
            faults: tally.faults(),
            alerts: (tally.alerts.on())
                .map(|(alert, _)| alert.name.clone())
                .collect(),
            at_risk: at_risk(tally, limits),
            per_second: tally.per_second(),
            p99_us: tally.recent_us([990])[0],
        }
    }
}

/// Limits of which more than half is used up.
fn at_risk(tally: &Tally, limits: Limits) -> Vec<Risk> {
    // Before the chaos nothing is promised, and after serving nothing more.
    if !tally.is_measured() {
        return Vec::new();
    }
    let down = tally.silent().map(|(service, for_us)| {
        let what = format!("{} down", service.name());
        (what, for_us, limits.downtime_us)
    });
    let leaderless_us = tally.leaderless_for_us();
    let leaderless = ("no leader".to_owned(), leaderless_us, limits.election_us);
    let seconds = tally.standings.iter().filter_map(|watched| {
        let (for_us, grace_us) = watched.missed_for_us()?;
        let figure = &watched.objective.figure;
        let side = match figure.bound() {
            Bound::AtMost => "above",
            Bound::AtLeast => "below",
        };
        let limit = figure
            .unit()
            .text(figure.unit().number(watched.objective.limit));
        let what = format!("{figure} {side} {limit} for");
        Some((what, for_us, Some(grace_us)))
    });
    down.chain([leaderless])
        .chain(seconds)
        .filter_map(|(what, for_us, limit_us)| {
            let limit_us = limit_us.filter(|limit_us| for_us > limit_us / 2)?;
            Some(Risk {
                what,
                for_us,
                limit_us,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Action, Event, EventKind, NodeEvent, Outcome};
    use crate::scenario::Scenario;

    #[test]
    fn limits_are_at_risk_while_clients_or_the_cluster_wait() {
        let text = "name = \"t\"\n[[workload]]\nservice = \"cache\"\n[objectives]\n\
                    downtime = { max = \"1s\" }\nelection = { max = \"600ms\" }\n";
        let scenario = Scenario::parse(text, "t.toml").expect("a scenario");
        let plan = Plan::resolve(&scenario, 1).expect("a plan");
        let mut tally = Tally::of(&plan);
        let mut feed = |at_us, kind| tally.take_in(&Event { at_us, kind });
        let node = |node: &str, event| EventKind::Node {
            node: node.into(),
            event,
        };
        let phase = Phase::Chaos;
        let client = "cache-1".to_owned();
        let action = Action::Delete { key: "k".into() };
        feed(0, EventKind::Phase { phase });
        feed(0, node("node-1", NodeEvent::Leader { term: 1 }));
        let intended_us = None;
        let op = 1;
        let invoked = EventKind::Invoke {
            op,
            client,
            intended_us,
            action,
        };
        feed(100_000, invoked);
        let why = "killed".to_owned();
        feed(400_000, node("node-1", NodeEvent::Stopped { why }));
        feed(800_000, EventKind::Phase { phase });
        let progress = Progress::of(&mut tally, Limits::of(&plan));
        let risk = |what: &str, for_us, limit_us| Risk {
            what: what.into(),
            for_us,
            limit_us,
        };
        let expected = [
            risk("cache down", 700_000, 1_000_000),
            risk("no leader", 400_000, 600_000),
        ];
        assert_eq!((progress.leader, &*progress.at_risk), (None, &expected[..]));
        let mut feed = |at_us, kind| tally.take_in(&Event { at_us, kind });
        feed(900_000, node("node-2", NodeEvent::Leader { term: 2 }));
        let outcome = Outcome::Stored { version: 0 };
        feed(950_000, EventKind::Return { op, outcome });
        let progress = Progress::of(&mut tally, Limits::of(&plan));
        assert_eq!(progress.leader, Some(("node-2".into(), 2)));
        assert!(progress.at_risk.is_empty());
    }
}
