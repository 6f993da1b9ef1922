//! Tests the files of runs and sweeps for CI servers: JUnit XML that keeps to the schema of
//! Jenkins (`junit-10.xsd`), with every broken check and missed objective in it, and a summary
//! in Markdown that names the same.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};
use squall::report::cases::{CONCLUSIVE, Kind, Outcome, Suite};
use squall::report::write::{junit, summary};
use squall::report::{Report, RunVerdict};
use squall::scenario::Scenario;
use squall::sweep::{self, SeedResult};
use squall::track_record::judge;
use squall_cluster::planted::Bug;
use squall_tests::repository;

/// An element, its attributes (those before the bar must be there), and its children.
type Rule = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const SCHEMA: &[Rule] = &[
    (
        "testsuites",
        &[],
        &["name", "time", "tests", "failures", "disabled", "errors"],
        &["testsuite"],
    ),
    (
        "testsuite",
        &["name", "tests"],
        &[
            "failures",
            "errors",
            "time",
            "disabled",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
        ],
        &["testcase"],
    ),
    (
        "testcase",
        &["name"],
        &["classname", "time", "assertions", "status"],
        &["skipped", "error", "failure"],
    ),
    ("skipped", &[], &["message", "type"], &[]),
    ("error", &[], &["message", "type"], &[]),
    ("failure", &[], &["message", "type"], &[]),
];

/// Checks the file against [`SCHEMA`], its counts, and that every name is there once.
#[track_caller]
fn must_be_valid(xml: &str) {
    let document = Document::parse(xml).unwrap_or_else(|e| panic!("{e}\n{xml}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    for node in root.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let rule = SCHEMA.iter().find(|rule| rule.0 == name);
        let (_, required, optional, children) = rule.unwrap_or_else(|| panic!("<{name}>"));
        for attribute in *required {
            assert!(node.has_attribute(*attribute), "<{name}> lacks {attribute}");
        }
        for attribute in node.attributes() {
            let known =
                required.contains(&attribute.name()) || optional.contains(&attribute.name());
            assert!(known, "<{name} {}>", attribute.name());
        }
        let elements: Vec<_> = node.children().filter(Node::is_element).collect();
        for child in &elements {
            let child = child.tag_name().name();
            assert!(children.contains(&child), "<{child}> in <{name}>");
        }
        if name == "testcase" {
            assert!(elements.len() <= 1, "a case has one outcome");
        }
    }
    for suite in root.children().filter(Node::is_element) {
        let cases: Vec<_> = suite.children().filter(Node::is_element).collect();
        let with = |outcome: &str| {
            let has =
                |case: &&Node<'_, '_>| case.children().any(|child| child.has_tag_name(outcome));
            cases.iter().filter(has).count().to_string()
        };
        assert_eq!(suite.attribute("tests"), Some(&*cases.len().to_string()));
        assert_eq!(suite.attribute("failures"), Some(&*with("failure")));
        assert_eq!(suite.attribute("errors"), Some(&*with("error")));
        assert_eq!(suite.attribute("skipped"), Some(&*with("skipped")));
        let names: BTreeSet<_> = cases.iter().map(|case| case.attribute("name")).collect();
        assert_eq!(names.len(), cases.len(), "every case has a name of its own");
    }
}

/// The scenario, with what is to be replaced.
fn scenario(path: &str, settings: &[(&str, &str)]) -> Scenario {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Vec<_> = settings.iter().map(own).collect();
    let path = repository().join("scenarios").join(path);
    Scenario::load_with(path, &settings).expect("the scenario is valid")
}

fn run(scenario: &Scenario, bug: Option<Bug>, verdict: RunVerdict) -> Report {
    let report = judge(scenario, 1, bug).expect("the simulation works");
    assert_eq!(report.verdict, verdict, "{}", report.reason);
    report
}

fn passing() -> Report {
    let quiet = scenario("quiet.toml", &[("phases.chaos", "3s")]);
    run(&quiet, None, RunVerdict::Pass)
}

fn violating() -> Report {
    let scenario = scenario("planted/mc-01.toml", &[]);
    run(&scenario, Some(Bug::ReadUnconfirmed), RunVerdict::Violation)
}

fn missing() -> Report {
    let settings = [("objectives.election.p99", "1ms"), ("objectives.lost", "0")];
    run(
        &scenario("leader-kill.toml", &settings),
        None,
        RunVerdict::ObjectiveMissed,
    )
}

fn inconclusive() -> Report {
    let settings = [("phases.chaos", "3s"), ("must_judge", "[\"C6\"]")];
    run(
        &scenario("quiet.toml", &settings),
        None,
        RunVerdict::Inconclusive,
    )
}

/// Every check and objective is a case, and what does not hold is found, of its own kind.
#[track_caller]
fn must_say_all(report: &Report) -> Suite {
    let suite = Suite::of_run(&report.scenario, report, None);
    let xml = junit::xml(std::slice::from_ref(&suite));
    must_be_valid(&xml);
    let markdown = summary::summary("a run", &report.reason, std::slice::from_ref(&suite), &[]);
    let named = |name: &str, kind: Option<Kind>| {
        let case = suite.cases.iter().find(|case| case.name == name);
        let case = case.unwrap_or_else(|| panic!("no case {name}"));
        let found = match &case.outcome {
            Outcome::Found(found) => Some(found.kind),
            _ => None,
        };
        assert_eq!(found, kind, "{name}");
        if let Some(kind) = kind {
            let in_markdown = markdown.contains(&name.replace('_', "\\_"));
            assert!(in_markdown, "{name} is not in the summary\n{markdown}");
            assert!(xml.contains(kind.label()), "{kind:?}");
        }
    };
    for check in &report.checks {
        use squall::report::Verdict;
        let kind = match check.verdict {
            Verdict::Fail if check.property == "R4" => Some(Kind::ObjectiveMissed),
            Verdict::Fail => Some(Kind::Violation),
            Verdict::Unknown => Some(Kind::Inconclusive),
            Verdict::Pass
            | Verdict::NotJudged
            | Verdict::NotPromised
            | Verdict::UnknownNotPromised => None,
        };
        named(&format!("{} {}", check.property, check.name), kind);
        if check.verdict == Verdict::NotJudged {
            assert!(markdown.contains(&check.name), "{}", check.name);
        }
    }
    for objective in &report.objectives {
        use squall::report::Status;
        let kind = match objective.status {
            Status::Missed => Some(Kind::ObjectiveMissed),
            Status::Unknown => Some(Kind::Inconclusive),
            Status::Met | Status::Unsupported => None,
        };
        named(&objective.name, kind);
    }
    let demand = (report.verdict == RunVerdict::Inconclusive).then_some(Kind::Inconclusive);
    named(CONCLUSIVE, demand);
    suite
}

fn kinds(suite: &Suite) -> Vec<Kind> {
    let found = suite.cases.iter().filter_map(|case| match &case.outcome {
        Outcome::Found(found) => Some(found.kind),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_pass_has_cases_that_pass_or_were_not_judged() {
    let suite = must_say_all(&passing());
    assert_eq!(kinds(&suite), []);
    let skipped = |outcome: &Outcome| matches!(outcome, Outcome::Skipped(_));
    assert!(suite.cases.iter().any(|case| skipped(&case.outcome)));
}

#[test]
fn a_violation_is_a_failure_with_its_evidence() {
    let report = violating();
    let suite = must_say_all(&report);
    assert!(kinds(&suite).contains(&Kind::Violation));
    let xml = junit::xml(&[suite]);
    let document = Document::parse(&xml).expect("it is valid");
    let failure = document
        .descendants()
        .find(|node| node.has_tag_name("failure"));
    let failure = failure.expect("there is one");
    assert_eq!(failure.attribute("type"), Some("violation"));
    let broken = report
        .checks
        .iter()
        .find(|check| !check.evidence.is_empty());
    let evidence = &broken.expect("a violation has evidence").evidence;
    assert!(
        failure
            .text()
            .is_some_and(|text| text.contains(&evidence[0]))
    );
}

#[test]
fn a_missed_objective_is_a_failure_of_its_own_type() {
    let suite = must_say_all(&missing());
    assert_eq!(kinds(&suite), [Kind::ObjectiveMissed]);
    let xml = junit::xml(&[suite]);
    assert!(
        xml.contains("<failure") && xml.contains("type=\"objective_missed\""),
        "{xml}"
    );
}

#[test]
fn an_inconclusive_run_is_an_error() {
    let suite = must_say_all(&inconclusive());
    assert_eq!(kinds(&suite), [Kind::Inconclusive]);
    let xml = junit::xml(&[suite]);
    assert!(xml.contains("<error") && !xml.contains("<failure"), "{xml}");
}

/// Seeds of one scenario that end in every way, as a sweep keeps them.
#[test]
fn a_sweep_with_mixed_results_names_all_of_them() {
    let reports = [passing(), violating(), missing(), inconclusive()];
    let as_seed = |(seed, report): (usize, &Report)| {
        let report = Report {
            scenario: "mixed".into(),
            seed: seed as u64 + 1,
            ..report.clone()
        };
        SeedResult::of(&report)
    };
    let mut results: Vec<SeedResult> = reports.iter().enumerate().map(as_seed).collect();
    let crashed = sweep::Ending::Crashed;
    results.push(SeedResult::without_run(
        "mixed",
        5,
        crashed,
        "a \u{1b}[31m<panic>".into(),
    ));
    let suite = sweep::cases::suite("mixed", &results);
    let xml = junit::xml(std::slice::from_ref(&suite));
    must_be_valid(&xml);
    let kinds: BTreeSet<_> = kinds(&suite).into_iter().map(Kind::label).collect();
    let expected = [
        "inconclusive",
        "no_verdict",
        "objective_missed",
        "violation",
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
    let markdown = summary::summary("a sweep", "mixed", &[suite], &[]);
    for (seed, report) in reports.iter().enumerate() {
        let broken = report
            .checks
            .iter()
            .filter(|check| check.verdict == squall::report::Verdict::Fail);
        let missed = report
            .objectives
            .iter()
            .filter(|objective| objective.status == squall::report::Status::Missed);
        let names = broken
            .map(|check| &check.name)
            .chain(missed.map(|objective| &objective.name));
        for name in names {
            let line = markdown
                .lines()
                .find(|line| line.contains(&name.replace('_', "\\_")));
            let line = line.unwrap_or_else(|| panic!("{name} is not in the summary"));
            assert!(line.contains(&format!("seed {}", seed + 1)), "{line}");
        }
    }
}
