//! The register under Squall's public API: it passes, its planted mistake is found, replayed
//! and shrunk.

use std::path::Path;
use std::process::{Command, Output};

use primary_backup::PrimaryBackup;
use squall::sweep::SeedResult;
use squall::testing::{RunReport, Simulation, seconds};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/failover.toml");

fn failover(early_ack: bool) -> Simulation {
    Simulation::load(SCENARIO).system(PrimaryBackup { early_ack })
}

#[test]
fn a_write_that_was_acknowledged_survives_the_primary() {
    failover(false).seeds(1..=8).check(|report| {
        report.must_pass();
        assert_eq!(report.lost(), 0);
        assert_eq!(report.holds("cache_linearizable"), Some(true));
        assert_eq!(report.election().count(), 7);
        assert!(report.downtime().max() < seconds(2));
    });
}

#[test]
fn an_early_acknowledgement_is_found_replayed_and_shrunk() {
    let mistaken = failover(true);
    let runs = mistaken.clone().seeds(1..=20).run();
    let mut failed = runs
        .results()
        .iter()
        .filter(|result| !result.causes.is_empty());
    let found = failed
        .next()
        .expect("the mistake shows within twenty seeds");
    let facts = found.run.as_ref().expect("it was judged");

    let only = found.seed..=found.seed;
    let again = mistaken.clone().seeds(only).run();
    assert_eq!(&again.results()[0], found, "a replay is the same run");

    let smallest = mistaken.shrink(found.seed, seconds(240), RunReport::must_pass);
    let smallest = smallest.expect("it fails");
    println!(
        "{}\n{}, {} operations",
        smallest.scenario, smallest.why, smallest.operations
    );
    assert!(smallest.faults <= 3, "{}", smallest.scenario);
    let before = facts.operations.invoked;
    assert!(
        smallest.operations * 10 <= before,
        "{} of {before}",
        smallest.operations
    );
    // It fails by itself, and only because of the mistake.
    let small = |early_ack| {
        Simulation::parse(smallest.scenario.clone())
            .system(PrimaryBackup { early_ack })
            .seeds(smallest.seed..=smallest.seed)
            .run()
    };
    let with = small(true);
    let checks = |run: &SeedResult| -> Vec<String> {
        let causes = run.causes.iter();
        causes.map(|cause| cause.name.clone()).collect()
    };
    let (before, after) = (checks(found), checks(&with.results()[0]));
    assert!(
        after.iter().any(|check| before.contains(check)),
        "{after:?}"
    );
    let without = small(false);
    assert_eq!(without.lost(), 0);
}

fn primary_backup(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_primary-backup"));
    command.args(arguments).arg(dir).env("EARLY_ACK", "1");
    command.output().expect("it starts")
}

/// The command that the library makes for it sweeps, replays and shrinks like `squall`.
#[test]
fn the_command_knows_the_register() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let sweep = dir.path().join("sweep");
    let swept = primary_backup(&["sweep", SCENARIO, "--seeds", "1..12", "--out"], &sweep);
    let text = String::from_utf8_lossy(&swept.stdout).into_owned();
    assert_eq!(swept.status.code(), Some(1), "{text}");
    let failures = std::fs::read_dir(sweep.join("failures")).expect("some seeds failed");
    let mut kept: Vec<_> = failures
        .map(|entry| entry.expect("an entry").path())
        .collect();
    kept.sort();
    let replayed = primary_backup(&["replay"], &kept[0]);
    let text = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(text.starts_with("identical: "), "{text}");
    let shrunk = primary_backup(&["shrink", "--for", "5s"], &kept[0]);
    let text = String::from_utf8_lossy(&shrunk.stdout).into_owned();
    assert_eq!(shrunk.status.code(), Some(0), "{text}");
    let replayed = primary_backup(&["replay"], &kept[0].join("shrunk"));
    assert_eq!(replayed.status.code(), Some(1), "the shrunk run fails, too");
}
