//! A small run, rendered; and the composition of verdicts.
//!
//! The expected files are in `golden/`; `UPDATE_GOLDEN=1` writes them anew, and the
//! difference is the review.

use super::verdict::{VerdictInput, verdict};
use super::*;

use squall_history::{Action, History, NodeEvent, Outcome, Service};
use squall_measure::measure;
use squall_measure::testing::{Script, get, unknown, value};
use squall_objective::objective::{Metric, Objective, Quantile};

const SECOND: u64 = 1_000_000;

/// A leader and a follower die at 3 s and are back at 6 s; one message is lost.
fn history() -> History {
    let mut script = Script::new();
    for (at_s, phase) in [
        (0, Phase::Warmup),
        (2, Phase::Chaos),
        (7, Phase::Heal),
        (8, Phase::Serve),
        (9, Phase::Audit),
    ] {
        script.phase(at_s * SECOND, phase);
    }
    script.leader(50_000, "node-2", 1, 60_000);
    script
        .by("cache-1")
        .gets(100_000, 3 * SECOND, 20_000, 4_000)
        .gets(4 * SECOND, 9 * SECOND, 20_000, 4_000);
    script.op(3 * SECOND, get("k"), Some((3_500_000, unknown())));
    script.by("queue-1");
    let publish = |value: &str| Action::Publish {
        queue: "q".into(),
        value: value.into(),
        bytes: 1_024,
    };
    for (id, at_us) in (100_000..9 * SECOND).step_by(100_000).enumerate() {
        if !(2_990_000..4 * SECOND).contains(&at_us) {
            let outcome = Outcome::Published { id: id as u64 };
            script.op(
                at_us,
                publish(&format!("m{id}")),
                Some((at_us + 6_000, outcome)),
            );
        }
    }
    script.op(3_010_000, publish("m-late"), Some((3_510_000, unknown())));
    let receive = || Action::Receive {
        queue: "q".into(),
        max: 99,
        visibility_ms: 1,
        wait_ms: 0,
    };
    let names: Vec<_> = (0..89).map(|id| format!("m{id}")).collect();
    let all: Vec<_> = (0..)
        .zip(&names)
        .map(|(id, name)| (id, name.as_str()))
        .collect();
    let kept: Vec<_> = all
        .into_iter()
        .filter(|(id, _)| *id != 27 && !(29..39).contains(id))
        .collect();
    script.by("audit");
    script.received(9_100_000, 9_110_000, receive(), &kept);
    script.received(9_200_000, 9_205_000, receive(), &[]);
    script.op(9_300_000, get("k"), Some((9_302_000, value(None, 0))));
    for node in ["node-2", "node-4"] {
        script.node(
            3 * SECOND,
            node,
            NodeEvent::Stopped {
                why: "killed".into(),
            },
        );
        script.node(
            6_050_000,
            node,
            NodeEvent::Started {
                last_log: 9,
                applied: 20,
            },
        );
    }
    script.fault(
        0,
        "kill",
        &["node-2", "node-4"],
        3 * SECOND,
        Some(6 * SECOND),
    );
    script.fault(1, "link", &["node-1->node-3"], 5 * SECOND, Some(7 * SECOND));
    script.election(3_412_000, "node-1", 1);
    script.leader(3_700_000, "node-1", 2, 3_873_000);
    script.end(9_500_000)
}

fn objectives() -> Vec<Objective> {
    let quantile = Quantile::P99;
    let limits = [
        (Metric::Election { quantile }, SECOND),
        (Metric::DowntimeMax, 900_000),
        (Metric::Lost, 0),
        (Metric::Availability, 800_000),
        (Metric::Memory, 1_000_000),
    ];
    let limits = limits.into_iter();
    limits
        .map(|(figure, limit)| limited(figure, limit))
        .collect()
}

fn limited(figure: Metric, limit: u64) -> Objective {
    Objective {
        figure,
        limit,
        grace_us: None,
    }
}

fn input() -> Input {
    Input {
        scenario: "failure-recovery".into(),
        seed: 7,
        backend: squall_history::BackendInfo {
            name: "sim",
            title: "simulation in virtual time",
            simulated: true,
            knows_resources: false,
        },
        cluster: Cluster {
            nodes: 5,
            heartbeat_ms: Ms::of(100_000),
            election_timeout_ms: ElectionTimeout {
                min: Ms::of(300_000),
                max: Ms::of(600_000),
            },
        },
        services: vec![Service::Queue, Service::Cache],
        objectives: objectives(),
        alerts: Vec::new(),
        completion_us: None,
        reference: None,
        resources: None,
        bounded_by: Some("no hardware is modelled".into()),
        closed_loops: vec!["lock".into()],
        configuration: "failure-recovery, seed 7\n".into(),
        quorum_loss: None,
        must_judge: Vec::new(),
        drawn_faults: Default::default(),
        history_sha256: "0123abcd".into(),
        events: 1_234,
        reproduce: "squall run scenarios/failure-recovery.toml --seed 7".into(),
        wall: WallInput {
            elapsed_us: 31_500,
            started: "2026-01-02T03:04:05Z".into(),
            version: "0.1.0".into(),
            commit: None,
            machine: None,
            alert_actions: Vec::new(),
        },
    }
}

fn result(name: &str, property: &str, verdict: Verdict) -> CheckResult {
    let (detail, evidence) = match verdict {
        Verdict::Pass => ("all judged".to_owned(), Vec::new()),
        _ => (
            "m27 is neither consumed nor ready".to_owned(),
            vec!["2.800000 s client-160: publish m27 -> published 27 (at 2.806000 s)".to_owned()],
        ),
    };
    CheckResult {
        name: name.into(),
        property: property.into(),
        verdict,
        detail,
        evidence,
        checked: 1_190,
    }
}

fn report() -> Report {
    let checks = [
        result("election_safety", "RAFT", Verdict::Pass),
        result("queue_conservation", "Q1", Verdict::Fail),
        result("liveness", "R4", Verdict::Pass),
    ];
    build(&input(), &measure(&history()), &checks)
}

fn assert_golden(name: &str, rendered: &str) {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/golden");
    let path = std::path::Path::new(golden).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("the path names a file in a directory"))
            .expect("the golden directory is writable");
        std::fs::write(&path, rendered).expect("golden files are writable");
    }
    let expected = std::fs::read_to_string(&path).expect("UPDATE_GOLDEN=1 writes missing files");
    assert!(
        rendered == expected,
        "{name} differs; it is now:\n{rendered}"
    );
}

#[test]
fn text_without_colour_is_golden() {
    assert_golden(
        "report.txt",
        &text(&report(), Style::default(), Some("runs/7")),
    );
}

#[test]
fn markdown_is_golden() {
    assert_golden("report.md", &markdown(&report()));
}

#[test]
fn json_is_golden_and_reads_back() {
    let report = report();
    assert_golden("report.json", &report.to_json());
    let mut read: Report = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(read.made_on, None, "a program knows its own backends");
    read.made_on = report.made_on;
    assert_eq!(read, report);
}

#[test]
fn what_is_broken_and_was_not_promised_is_shown_with_its_operations() {
    let checks = [
        result("election_safety", "RAFT", Verdict::Pass),
        CheckResult {
            evidence: (1..=5).map(|n| format!("{n} s: an operation")).collect(),
            ..result("lock_exclusion", "L1", Verdict::NotPromised)
        },
    ];
    let report = build(&input(), &measure(&history()), &checks);
    let shown = text(&report, Style::default(), None);
    assert!(
        shown.contains("\nnot promised  L1 lock_exclusion\n  1 s: an operation\n"),
        "{shown}"
    );
    assert!(!shown.contains("4 s: an operation"), "{shown}");
    let page = markdown(&report);
    assert!(page.contains("## Broken, and not promised"), "{page}");
    assert!(page.contains("5 s: an operation"), "{page}");
}

#[test]
fn colour_adds_escapes_and_nothing_else() {
    let plain = text(&report(), Style::default(), None);
    let mut colored = text(&report(), Style { color: true }, None);
    assert_ne!(plain, colored);
    for code in ["0", "1", "2", "31", "33"] {
        colored = colored.replace(&format!("\x1b[{code}m"), "");
    }
    let without_margin = |text: &str| {
        text.lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect::<String>()
    };
    assert_eq!(without_margin(&colored), without_margin(&plain));
}

#[test]
fn all_but_the_wall_clock_is_identical_for_equal_histories() {
    let slow = WallInput {
        elapsed_us: 99,
        started: "later".into(),
        version: "0.2.0".into(),
        commit: Some("0123abc".into()),
        machine: None,
        alert_actions: vec![squall_objective::alert::ActionOutcome {
            alert: "errors".into(),
            spell: 1,
            status: squall_objective::alert::AlertStatus::Begun,
            action: "command true".into(),
            failed: None,
        }],
    };
    let checks = [result("liveness", "R4", Verdict::Pass)];
    let first = build(&input(), &measure(&history()), &checks);
    let second = build(
        &Input {
            wall: slow,
            ..input()
        },
        &measure(&history()),
        &checks,
    );
    assert_ne!(first.to_json(), second.to_json());
    assert_eq!(first.sim.history_sha256, second.sim.history_sha256);
    assert_eq!(first.sim.events, second.sim.events);
    assert_eq!(
        first.to_json(),
        Report {
            sim: first.sim.clone(),
            ..second.clone()
        }
        .to_json()
    );
    let without_execution = |report: &Report| {
        let text = markdown(report);
        let (before, after) = text
            .split_once("## This execution")
            .expect("it has this part");
        let (_, after) = after
            .split_once("## Configuration")
            .expect("which ends here");
        format!("{before}{after}")
    };
    assert_eq!(without_execution(&first), without_execution(&second));
}

#[test]
fn a_run_without_events_renders() {
    let empty = build(&input(), &measure(&History::default()), &[]);
    assert_eq!(empty.verdict, RunVerdict::Inconclusive);
    assert!(text(&empty, Style::default(), None).contains("INCONCLUSIVE  too little load: queue"));
    assert!(markdown(&empty).contains("0 of 0 acknowledged writes lost"));
}

/// The verdict of a good run after something was done to its grounds.
fn judged(
    checks: &[CheckResult],
    status: FaultStatus,
    acked: u64,
    objectives: &[Objective],
) -> (RunVerdict, String) {
    judged_with(checks, status, acked, objectives, &[])
}

/// As [`judged`], in a scenario with `must_judge`.
fn judged_with(
    checks: &[squall_check::CheckResult],
    status: FaultStatus,
    acked: u64,
    objectives: &[Objective],
    must_judge: &[String],
) -> (RunVerdict, String) {
    let mut report = build(
        &Input {
            objectives: objectives.to_vec(),
            ..input()
        },
        &measure(&history()),
        checks,
    );
    report.faults[0].status = status;
    verdict(&VerdictInput {
        checks: &report.checks,
        must_judge,
        faults: &report.faults,
        objectives: &report.objectives,
        comparison: None,
        load: &[("cache".into(), 500), ("queue".into(), acked)],
        quorum_loss: None,
    })
}

#[test]
fn verdicts_in_their_order() {
    use super::Verdict::*;
    let checks = |safety, liveness| {
        [
            result("q", "Q1", safety),
            result("liveness", "R4", liveness),
        ]
    };
    let healed = || FaultStatus::Healed;
    let skipped = || FaultStatus::Skipped {
        why: "no leader".into(),
    };
    let none = &[][..];
    let strict = &[limited(Metric::Lost, 0)][..];
    let of = |(verdict, _)| -> (RunVerdict, u8) { (verdict, RunVerdict::exit_code(verdict)) };

    let pass = judged(&checks(Pass, Pass), healed(), 10, none);
    assert_eq!(
        pass,
        (
            RunVerdict::Pass,
            "2 checks hold, no objectives were set".into()
        )
    );
    assert_eq!(of(pass), (RunVerdict::Pass, 0));

    let everything = judged(&checks(Fail, Fail), skipped(), 0, strict);
    assert_eq!(of(everything), (RunVerdict::Violation, 1));
    let not_recovered = judged(&checks(Unknown, Fail), skipped(), 0, strict);
    assert_eq!(of(not_recovered), (RunVerdict::ObjectiveMissed, 2));
    let little = judged(&checks(Pass, Pass), healed(), 9, strict);
    assert_eq!(of(little), (RunVerdict::Inconclusive, 3));
    let idle = judged(&checks(Pass, Pass), skipped(), 10, strict);
    assert_eq!(
        idle,
        (
            RunVerdict::Inconclusive,
            "kill was skipped: no leader".into()
        )
    );
    let unsure = judged(&checks(Unknown, Pass), healed(), 10, strict);
    assert_eq!(of(unsure), (RunVerdict::Inconclusive, 3));
    let missed = judged(&checks(Pass, Pass), healed(), 10, strict);
    assert_eq!(
        missed,
        (RunVerdict::ObjectiveMissed, "lost is 1, limit 0".into())
    );
}

#[test]
fn a_check_without_anything_to_judge_is_no_pass_and_inconclusive_where_demanded() {
    use squall_check::Verdict::*;
    let checks = [result("q", "Q1", Pass), result("c", "C8", NotJudged)];
    let healed = || FaultStatus::Healed;
    let (verdict, why) = judged(&checks, healed(), 10, &[]);
    assert_eq!(verdict, RunVerdict::Pass);
    assert!(
        why.starts_with("1 check holds, 1 had nothing to judge"),
        "{why}"
    );
    for (id, expected) in [("Q1", RunVerdict::Pass), ("C8", RunVerdict::Inconclusive)] {
        let (verdict, why) = judged_with(&checks, healed(), 10, &[], &[id.into()]);
        assert_eq!(verdict, expected, "{why}");
    }
    let (_, why) = judged_with(&checks, healed(), 10, &[], &["C8".into()]);
    assert!(why.starts_with("C8 must be judged, and c: "), "{why}");
}

#[test]
fn what_cannot_be_measured_is_inconclusive_and_what_cannot_be_known_is_said() {
    let checks = [result("q", "Q1", Verdict::Pass)];
    let acquire = Metric::Latency {
        service: Service::Lock,
        operation: "acquire".into(),
        quantile: Quantile::P95,
    };
    let healed = || FaultStatus::Healed;
    let (unmeasured, why) = judged(&checks, healed(), 10, &[limited(acquire, 1)]);
    assert_eq!(unmeasured, RunVerdict::Inconclusive);
    assert!(
        why.starts_with("latency.lock.acquire.p95: nothing to measure"),
        "{why}"
    );
    let memory = judged(&checks, healed(), 10, &[limited(Metric::Memory, 1)]);
    let expected = "1 check holds, 0 objectives met, 1 not known on this backend";
    assert_eq!(memory, (RunVerdict::Pass, expected.into()));
}

#[test]
fn a_regression_is_a_missed_objective_that_names_the_figure() {
    use squall_objective::baseline::{Baseline, Reference, Tolerance};
    let measures = measure(&history());
    let baseline = Baseline::of("failure-recovery", "sim", &[figures(&measures)]);
    let reference = |baseline: Baseline| Reference {
        name: "main".into(),
        tolerance: Tolerance::default(),
        baseline,
    };
    let verdict = |baseline: Baseline| {
        let input = Input {
            objectives: Vec::new(),
            reference: Some(reference(baseline)),
            ..input()
        };
        let report = build(&input, &measures, &[]);
        (report.verdict, report.reason)
    };
    let (same, why) = verdict(baseline.clone());
    assert_eq!(same, RunVerdict::Pass, "{why}");
    assert!(why.ends_with("no regression against main"), "{why}");
    let mut faster = baseline;
    let figure = faster
        .figures
        .get_mut("latency.cache.get.p95")
        .expect("gets were measured");
    figure.median = Unit::Ms.number(1_000);
    figure.worst = Unit::Ms.number(2_000);
    let (slower, why) = verdict(faster);
    assert_eq!(slower, RunVerdict::ObjectiveMissed);
    let expected = "regression: latency.cache.get.p95 is 4 ms, was 1 ms (worst 2 ms): +300.0 %";
    assert_eq!(why, expected);
}
