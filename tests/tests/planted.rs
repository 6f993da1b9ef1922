//! Every planted bug is caught, by the check that it should be caught by.
//!
//! A check that has never caught anything is not trusted. Each bug has a scenario of its own
//! in `scenarios/planted/`, which must fail with the bug within a few seeds, and must pass
//! without it for those very seeds: otherwise it would be the scenario that fails.

use squall::report::{CheckVerdict, Report, RunVerdict};
use squall::run;
use squall::scenario::Scenario;
use squall_cluster::planted::{self, Bug};
use squall_tests::repository;

/// Seeds that a bug may hide for.
const SEEDS: u64 = 20;

#[test]
fn a_release_that_checks_nobody_breaks_mutual_exclusion() {
    must_be_caught(Bug::ReleaseUnchecked, &["lock_exclusion"]);
}

#[test]
fn a_read_from_a_leader_deposed_unawares_is_not_linearizable() {
    must_be_caught(Bug::ReadUnconfirmed, &["cache_linearizable"]);
}

#[test]
fn an_acknowledged_write_that_was_not_synced_is_lost_with_the_power() {
    must_be_caught(Bug::FlushUnsynced, &["lost_writes", "queue_conservation"]);
}

/// DET-01 is not for a check to find, but for `--verify`; the tests of `squall` itself show it.
#[test]
fn every_planted_bug_has_a_scenario() {
    let dir = repository().join("scenarios/planted");
    let files = std::fs::read_dir(dir).expect("the directory is there");
    let files = files.map(|file| file.expect("an entry").file_name());
    let mut files: Vec<String> = files.map(|name| name.to_string_lossy().into()).collect();
    files.sort();
    let bugs = Bug::ALL
        .iter()
        .filter(|bug| **bug != Bug::StampFromMachineClock);
    let mut named: Vec<String> = bugs
        .map(|bug| format!("{}.toml", bug.id().to_lowercase()))
        .collect();
    named.sort();
    assert_eq!(files, named);
}

/// One of `checks` must fail for one of the seeds, and nothing without the bug.
fn must_be_caught(bug: Bug, checks: &[&str]) {
    let name = bug.id().to_lowercase();
    let path = repository().join(format!("scenarios/planted/{name}.toml"));
    let scenario = Scenario::load(path).expect("the repository's scenario is valid");
    let mut seen = Vec::new();
    for seed in 1..=SEEDS {
        let healthy = judge(&scenario, seed, None).expect("healthy nodes do not panic");
        let verdict = healthy.verdict;
        assert_eq!(
            verdict,
            RunVerdict::Pass,
            "seed {seed} without a bug: {}",
            healthy.reason
        );

        let Some(broken) = judge(&scenario, seed, Some(bug)) else {
            seen.push(format!(
                "seed {seed}: a node noticed by itself, and panicked"
            ));
            continue;
        };
        let failed = failed(&broken);
        if let Some(catcher) = failed.iter().find(|name| checks.contains(&name.as_str())) {
            assert_eq!(broken.verdict, RunVerdict::Violation, "{}", broken.reason);
            let id = bug.id();
            println!("{id}: caught by {catcher} with seed {seed} of {SEEDS}");
            return;
        }
        seen.push(format!(
            "seed {seed}: {:?} {}",
            broken.verdict,
            failed.join(" ")
        ));
    }
    panic!(
        "{} is caught by none of {} within {SEEDS} seeds\n{}",
        bug.id(),
        checks.join(", "),
        seen.join("\n")
    );
}

/// Runs on a thread of its own: bugs are active by thread, and a node may panic when it finds
/// its log gone. `None` if one did.
fn judge(scenario: &Scenario, seed: u64, bug: Option<Bug>) -> Option<Report> {
    let run = || {
        planted::activate(bug);
        let judged = run::run(scenario, seed, "").expect("the simulation works");
        judged.report
    };
    std::thread::scope(|scope| scope.spawn(run).join().ok())
}

fn failed(report: &Report) -> Vec<String> {
    let checks = report.checks.iter();
    let failed = checks.filter(|check| check.verdict == CheckVerdict::Fail);
    failed.map(|check| check.name.clone()).collect()
}
