//! `squall report` and `squall baseline`: stored runs in other forms, and against each other.

use std::path::Path;

use crate::command::{SMALL, ScenarioFile, SmallRun, squall_run, squall_with};

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

#[test]
fn a_stored_run_reads_as_it_did_when_it_was_made() {
    let run = SmallRun::new();
    let dir = path(&run.dir);
    let json = squall_with(&["report", dir, "--json"]);
    assert_eq!((json.code, json.stdout), (0, run.read("report.json")));
    let markdown = squall_with(&["report", dir, "--markdown"]);
    assert_eq!(
        (markdown.code, &markdown.stdout),
        (0, &run.read("report.md"))
    );
    for part in [
        "# small seed 1: PASS",
        "## Summary",
        "## Objectives",
        "## Environment",
        "## Configuration",
        "## Results",
        "## Errors",
        "## Slowest operations",
        "## Bottlenecks",
        "## Comparison",
        "## Recommendations",
        "## Conclusion",
        "## Appendix",
    ] {
        assert!(markdown.stdout.contains(part), "{part}");
    }
    let text = squall_with(&["report", dir]);
    assert!(
        text.stdout.contains("\ndecision    go\n"),
        "{}",
        text.stdout
    );
    assert!(
        text.stdout.contains("no hardware is modelled"),
        "{}",
        text.stdout
    );
}

#[test]
fn a_run_began_when_it_began_however_late_it_is_judged() {
    let run = SmallRun::new();
    let started = |report: &str| -> serde_json::Value {
        let report: serde_json::Value = serde_json::from_str(report).expect("a report is JSON");
        report["sim"]["started"].clone()
    };
    let judged_again = || {
        let checked = squall_with(&["check", path(&run.dir), "--format", "json"]);
        assert_eq!(checked.code, 0, "{}", checked.stderr);
        started(&checked.stdout)
    };
    let manifest = run.read("run.json");
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["started"], started(&run.read("report.json")));
    manifest["started"] = "2020-02-29T12:00:00Z".into();
    run.write("run.json", &manifest.to_string());
    assert_eq!(judged_again(), "2020-02-29T12:00:00Z");
    // As the first version left it behind.
    manifest
        .as_object_mut()
        .expect("an object")
        .remove("started");
    run.write("run.json", &manifest.to_string());
    assert_eq!(judged_again(), "unknown");
}

#[test]
fn every_csv_file_has_a_head_and_rows_as_wide() {
    let run = SmallRun::new();
    let out = run.scenario.beside("csv");
    let made = squall_with(&["report", path(&run.dir), "--csv", path(&out)]);
    assert_eq!(
        (made.code, made.stdout.as_str()),
        (0, ""),
        "{}",
        made.stderr
    );
    let mut rows = 0;
    for entry in std::fs::read_dir(&out).expect("it was made") {
        let file = entry.expect("it is readable").path();
        let text = std::fs::read_to_string(&file).expect("it is a text");
        // None of these values is quoted, but for the words of checks and objectives.
        let width = text.lines().next().expect("a head").split(',').count();
        for row in text.lines().filter(|row| !row.contains('"')) {
            assert_eq!(row.split(',').count(), width, "{}: {row}", file.display());
            rows += 1;
        }
    }
    assert!(rows > 60, "{rows}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("it was made");
    let windows = read("windows.csv");
    let of_all = windows.lines().filter(|row| row.contains(",all,"));
    let acknowledged = of_all.map(|row| row.split(',').nth(2).expect("a cell").parse::<u64>());
    let acknowledged: u64 = acknowledged.map(|count| count.expect("a count")).sum();
    let report: serde_json::Value = serde_json::from_str(&run.read("report.json")).expect("JSON");
    assert_eq!(acknowledged, report["operations"]["acknowledged"]);
    let elections = read("times.csv");
    let elections = elections.lines().filter(|row| row.starts_with("election,"));
    assert_eq!(elections.count() as u64, report["election_ms"]["count"]);
    let tails = read("percentiles.csv");
    let last_set = tails.lines().rfind(|row| row.starts_with("cache,set,"));
    assert!(
        last_set.is_some_and(|row| row.contains(",100.00000,")),
        "{last_set:?}"
    );
}

#[test]
fn a_run_is_compared_with_what_was_kept_of_others() {
    let run = SmallRun::new();
    let file = run.scenario.beside("baselines.json");
    let (dir, kept) = (path(&run.dir), path(&file));
    let save = squall_with(&["baseline", "save", dir, "--file", kept]);
    assert_eq!(save.code, 0, "{}", save.stderr);
    let before = std::fs::read_to_string(&file).expect("it was written");
    assert_eq!(
        squall_with(&["baseline", "save", dir, "--file", kept]).code,
        0
    );
    let after = std::fs::read_to_string(&file).expect("it was written");
    assert_eq!(before, after, "saving the same again changes nothing");
    let shown = squall_with(&["baseline", "show", "--file", kept]);
    assert!(shown.stdout.contains("stage.lock.disk"), "{}", shown.stdout);
    let same = squall_with(&["baseline", "compare", dir, "--file", kept]);
    assert_eq!(same.code, 0, "{}", same.stdout);
    assert!(same.stdout.contains(" 0 regressions"), "{}", same.stdout);

    let slow = run.scenario.beside("slow");
    let more = ["--set", "disk.sync=40ms", "--baseline", kept];
    let slower = squall_run(&run.scenario.path, &slow, &more);
    assert_eq!(slower.code, 2, "{}{}", slower.stdout, slower.stderr);
    assert!(
        slower.stdout.contains("regression: stage.lock.disk is "),
        "{}",
        slower.stdout
    );
    // Judged again, it is compared with the same.
    let again = squall_with(&["check", path(&slow)]);
    assert_eq!(again.code, 2, "{}{}", again.stdout, again.stderr);
    let compared = squall_with(&["baseline", "compare", path(&slow), "--file", kept]);
    assert_eq!(compared.code, 2);
    assert!(
        compared.stdout.contains("regression  stage.lock.disk is "),
        "{}",
        compared.stdout
    );
}

#[test]
fn runs_that_cannot_be_compared_are_refused_with_advice() {
    let run = SmallRun::new();
    let file = run.scenario.beside("none.json");
    let missing = squall_with(&["baseline", "compare", path(&run.dir), "--file", path(&file)]);
    assert_eq!(missing.code, 64);
    assert!(
        missing.stderr.contains("`squall baseline save RUN_DIR"),
        "{}",
        missing.stderr
    );
    let no_run = squall_with(&["report", path(run.scenario.dir.path())]);
    assert_eq!(no_run.code, 64, "{}", no_run.stderr);
}

#[test]
fn a_sweep_is_reported_and_kept_as_a_baseline_too() {
    let scenario = ScenarioFile::new(SMALL);
    let (out, file) = (scenario.beside("sweep"), scenario.beside("baselines.json"));
    let sweep = squall_with(&[
        "sweep",
        path(&scenario.path),
        "--seeds",
        "1..3",
        "--out",
        path(&out),
    ]);
    assert_eq!(sweep.code, 0, "{}{}", sweep.stdout, sweep.stderr);
    let summary = std::fs::read_to_string(out.join("summary.json")).expect("it was written");
    let json = squall_with(&["report", path(&out), "--json"]);
    assert_eq!((json.code, json.stdout), (0, summary));
    let markdown = squall_with(&["report", path(&out), "--markdown"]);
    assert!(
        markdown.stdout.contains("stage.lock.disk"),
        "{}",
        markdown.stdout
    );
    let save = squall_with(&["baseline", "save", path(&out), "--file", path(&file)]);
    assert_eq!(save.code, 0, "{}", save.stderr);
    let kept = std::fs::read_to_string(&file).expect("it was written");
    assert!(kept.contains("\"runs\": 3"), "{kept}");
}
