use super::*;
use squall_history::{Action, FaultEvent, FaultStatus, NodeEvent, Outcome};
use squall_objective::alert::{Alert, AlertStatus, Severity};
use squall_objective::objective::Objective;
use squall_plan::scenario::Scenario;
use standing::Standing;

const SECOND: u64 = 1_000_000;

/// What this body of a scenario makes of a run, before anything happened.
fn tally(body: &str) -> Tally {
    let text = format!("name = \"t\"\n{body}\n[[workload]]\nservice = \"cache\"\n");
    let scenario = Scenario::parse(&text, "t.toml").expect("a scenario");
    Tally::of(&Plan::resolve(&scenario, 1).expect("a plan"))
}

fn feed(tally: &mut Tally, events: Vec<(u64, EventKind)>) {
    for (at_us, kind) in events {
        tally.take_in(&Event { at_us, kind });
    }
}

fn invoke(op: u64) -> EventKind {
    EventKind::Invoke {
        op,
        client: "cache-1".into(),
        intended_us: None,
        action: Action::Delete { key: "k".into() },
    }
}

fn returned(op: u64, outcome: Outcome) -> EventKind {
    EventKind::Return { op, outcome }
}

fn stored() -> Outcome {
    Outcome::Stored { version: 0 }
}

fn unknown() -> Outcome {
    let why = "timed out".to_owned();
    Outcome::Unknown { why }
}

fn node(node: &str, event: NodeEvent) -> EventKind {
    let node = node.into();
    EventKind::Node { node, event }
}

fn phase(phase: Phase) -> EventKind {
    EventKind::Phase { phase }
}

/// So many operations that are answered, and that are not, at one moment.
fn operations(tally: &mut Tally, at_us: u64, acked: u64, errors: u64) {
    for number in 0..acked + errors {
        let op = at_us + number;
        let outcome = if number < acked { stored() } else { unknown() };
        feed(
            tally,
            vec![(at_us, invoke(op)), (at_us, returned(op, outcome))],
        );
    }
}

#[test]
fn rate_and_percentile_are_those_of_the_last_second() {
    let mut tally = tally("");
    let mut events = vec![(0, invoke(0)), (500, returned(0, stored()))];
    events.extend((1..=10).map(|op| (1_900_000, invoke(op))));
    events.extend((1..=10).map(|op| (1_900_000 + op * 100, returned(op, stored()))));
    events.push((1_950_000, invoke(11)));
    events.push((2_000_000, returned(11, unknown())));
    feed(&mut tally, events);
    assert_eq!(
        (tally.per_second(), tally.recent_us([990])[0]),
        (10, Some(1_000))
    );
    assert_eq!(tally.operations.totals(), [11, 0, 1]);
    // Seven steps are over at 2 s, and the eighth as it begins.
    let acked: Vec<u64> = tally
        .series
        .points
        .iter()
        .map(|p| p.acked.iter().sum())
        .collect();
    assert_eq!(acked, [1, 0, 0, 0, 0, 0, 0, 10]);
    assert_eq!(tally.series.points[7].outstanding, 1);
}

#[test]
fn faults_are_in_force_until_they_are_healed() {
    let fault = |fault, kind, status| {
        EventKind::Fault(FaultEvent {
            fault,
            kind,
            targets: vec!["node-1".into(), "node-2".into()],
            cut_off: Vec::new(),
            drift_ppm: None,
            status,
        })
    };
    let mut tally = tally("");
    let installed = |number, kind| fault(number, kind, FaultStatus::Installed);
    feed(&mut tally, vec![(10, installed(3, FaultKind::PowerLoss))]);
    assert_eq!(tally.faults(), ["power loss node-1, node-2"]);
    feed(&mut tally, vec![(15, installed(4, FaultKind::ClockJump))]);
    assert_eq!(tally.faults().len(), 1, "a jump is over at once");
    let healed = fault(3, FaultKind::PowerLoss, FaultStatus::Healed);
    feed(&mut tally, vec![(20, healed)]);
    assert!(tally.faults().is_empty());
    let bars = tally.series.bars.iter();
    let bars: Vec<_> = bars
        .map(|b| (b.lane.as_str(), b.from_us, b.to_us))
        .collect();
    assert_eq!(
        bars,
        [("power loss", 10, Some(20)), ("clock jump", 15, Some(15))]
    );
}

#[test]
fn a_leader_leads_until_it_is_lost_and_the_wait_for_the_next_counts() {
    let mut tally = tally("[objectives]\nelection = { max = \"100ms\" }");
    let stopped = || NodeEvent::Stopped {
        why: "killed".into(),
    };
    feed(
        &mut tally,
        vec![
            (0, node("node-1", NodeEvent::Leader { term: 1 })),
            (0, phase(Phase::Chaos)),
            (400_000, node("node-1", stopped())),
            (470_000, phase(Phase::Chaos)),
        ],
    );
    assert_eq!(tally.leader(), None);
    assert_eq!(tally.leaderless_for_us(), 70_000);
    let standing = |tally: &Tally| tally.standings.iter().next().expect("one").standing;
    feed(&mut tally, vec![(500_000, phase(Phase::Heal))]);
    assert_eq!(standing(&tally), Standing::AtRisk);
    feed(
        &mut tally,
        vec![(630_000, node("node-2", NodeEvent::Leader { term: 2 }))],
    );
    assert_eq!(tally.leader(), Some(("node-2", 2)));
    feed(&mut tally, vec![(700_000, phase(Phase::Heal))]);
    assert_eq!(standing(&tally), Standing::Missed);
    let leaders = tally
        .series
        .bars
        .iter()
        .filter(|bar| bar.kind == BarKind::Leader);
    let leaders: Vec<_> = leaders
        .map(|b| (b.lane.as_str(), b.from_us, b.to_us))
        .collect();
    assert_eq!(
        leaders,
        [("node-1", 0, Some(400_000)), ("node-2", 630_000, None)]
    );
}

#[test]
fn a_limit_missed_for_half_its_grace_is_at_risk() {
    let mut tally = tally(
        "[objectives]\nerror_rate = { max = \"10%\", grace = \"2s\" }\n\
         throughput = { sustained = \"3/s\", grace = \"2s\" }",
    );
    let missed_for = |tally: &Tally| -> Vec<Option<u64>> {
        let watched = tally.standings.iter();
        watched
            .map(|w| w.missed_for_us().map(|(for_us, _)| for_us))
            .collect()
    };
    operations(&mut tally, 0, 0, 9);
    feed(&mut tally, vec![(500_000, phase(Phase::Chaos))]);
    operations(&mut tally, 500_000, 8, 2);
    operations(&mut tally, 1_400_000, 0, 0);
    assert_eq!(missed_for(&tally), [None, None], "the second is not over");
    // In order of the report: throughput comes before errors.
    operations(&mut tally, 1_500_000, 1, 1);
    assert_eq!(missed_for(&tally), [None, Some(SECOND)]);
    operations(&mut tally, 2_500_000, 9, 1);
    assert_eq!(missed_for(&tally), [Some(SECOND), Some(2 * SECOND)]);
    let standings: Vec<Standing> = tally.standings.iter().map(|w| w.standing).collect();
    assert_eq!(standings, [Standing::Kept, Standing::AtRisk]);
    operations(&mut tally, 3_500_000, 9, 1);
    assert_eq!(missed_for(&tally), [None, None], "both are kept again");
    feed(&mut tally, vec![(60 * SECOND, phase(Phase::Serve))]);
    operations(&mut tally, 60 * SECOND, 1, 0);
    operations(&mut tally, 63 * SECOND, 0, 0);
    feed(&mut tally, vec![(64 * SECOND, phase(Phase::Audit))]);
    assert_eq!(
        missed_for(&tally),
        [None, None],
        "throughput is that of chaos"
    );
}

#[test]
fn alerts_see_the_seconds_and_the_moments_of_the_measured_stretch() {
    let mut tally = tally("");
    let alert = |figure: &str, limit| Alert {
        name: figure.into(),
        metric: figure.parse().expect("a figure"),
        limit,
        clear: limit,
        for_us: 0,
        severity: Severity::Critical,
        actions: Vec::new(),
    };
    tally.alerts = Alerts::of(&[alert("error_rate", 100_000), alert("downtime_max", 300_000)]);
    operations(&mut tally, 0, 0, 5);
    feed(&mut tally, vec![(2 * SECOND, phase(Phase::Chaos))]);
    assert_eq!(
        tally.alerts.take_changes(),
        [],
        "the warm-up promises nothing"
    );
    operations(&mut tally, 2 * SECOND, 1, 1);
    feed(&mut tally, vec![(2 * SECOND + 1, invoke(7))]);
    operations(&mut tally, 3 * SECOND, 4, 0);
    feed(
        &mut tally,
        vec![(3 * SECOND + 50_000, returned(7, stored()))],
    );
    feed(&mut tally, vec![(4 * SECOND + 1, phase(Phase::Audit))]);
    let changes = tally.alerts.take_changes().into_iter();
    let changes: Vec<_> = changes.map(|c| (c.alert, c.status, c.at_us)).collect();
    use AlertStatus::{Begun, Ended};
    assert_eq!(
        changes,
        [
            // In vain since 2 s, and answered just after the look at 3 s.
            (1, Begun, 2_400_000),
            (0, Begun, 3 * SECOND),
            (1, Ended, 3_100_000),
            (0, Ended, 4 * SECOND),
        ]
    );
    let bars = tally
        .series
        .bars
        .iter()
        .filter(|bar| bar.kind == BarKind::Alert);
    assert!(bars.clone().count() == 2 && bars.clone().all(|bar| bar.to_us.is_some()));
}

#[test]
fn messages_wait_from_their_publish_to_their_ack_and_reads_hit_or_miss() {
    let mut tally = tally("");
    let answers = [
        Outcome::Published { id: 1 },
        Outcome::PublishedBatch { ids: vec![2, 3] },
        Outcome::Settled { valid: true },
        Outcome::Settled { valid: false },
        Outcome::Value {
            value: Some("v".into()),
            version: 1,
        },
        Outcome::Value {
            value: None,
            version: 0,
        },
    ];
    for (op, answer) in (0..).zip(answers) {
        feed(
            &mut tally,
            vec![(op, invoke(op)), (op, returned(op, answer))],
        );
    }
    assert_eq!((tally.depth, tally.hits, tally.reads), (Some(2), 1, 2));
}

/// Nothing waits for what a client asked that is gone.
#[test]
fn what_a_crashed_client_asked_is_outstanding_no_longer() {
    let mut tally = tally("");
    let crash = EventKind::Fault(FaultEvent {
        fault: 1,
        kind: FaultKind::ClientCrash,
        targets: vec!["cache-1".into()],
        cut_off: Vec::new(),
        drift_ppm: None,
        status: FaultStatus::Installed,
    });
    feed(&mut tally, vec![(0, invoke(1)), (5, invoke(2))]);
    assert_eq!((tally.outstanding(), tally.silent().count()), (2, 1));
    feed(&mut tally, vec![(9, returned(1, stored())), (10, crash)]);
    assert_eq!((tally.outstanding(), tally.silent().count()), (0, 0));
    assert_eq!(tally.load_outstanding, 0);
    assert_eq!(tally.operations.totals(), [1, 0, 1]);
    tally.finish();
    assert_eq!(tally.operations.totals(), [1, 0, 1], "none counts twice");
}

/// What was asked and not answered is unknown when the run is over, as in the report.
#[test]
fn the_end_counts_what_is_outstanding() {
    let mut tally = tally("");
    feed(
        &mut tally,
        vec![(0, invoke(1)), (5, invoke(2)), (9, returned(1, stored()))],
    );
    tally.finish();
    assert_eq!(tally.operations.totals(), [1, 0, 1]);
    assert_eq!(Standings::of(&[] as &[Objective]).iter().count(), 0);
}
