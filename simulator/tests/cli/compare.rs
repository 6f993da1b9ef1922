//! `squall compare` on what real runs left behind.

use crate::command::{SMALL, ScenarioFile, SmallRun, squall_run, squall_with};

#[test]
fn a_run_compared_with_itself_shows_no_difference() {
    let run = SmallRun::new();
    let dir = run.dir.to_str().expect("a plain path");
    let compared = squall_with(&["compare", dir, dir, "--format", "json"]);
    assert_eq!((compared.code, compared.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&compared.stdout).expect("it is JSON");
    let rows = json[0]["rows"].as_array().expect("rows");
    let row = |figure: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row["figure"] == figure).expect(figure)
    };
    for figure in ["election", "throughput: cache", "latency: lock acquire p50"] {
        let row = row(figure);
        assert_eq!(row["ratio"], 1.0, "{figure}: {row}");
        assert_eq!(row["a"], row["b"], "{figure}");
    }
    assert_eq!(row("election")["a"]["count"], 1);
    assert_eq!(row("lost writes")["b"]["max"], 0);
}

#[test]
fn runs_with_other_settings_are_compared_with_a_warning() {
    let run = SmallRun::new();
    let other = run.scenario.beside("other");
    let slower = ["--set", "network.latency=20ms"];
    let ran = squall_run(&run.scenario.path, &other, &slower);
    assert!(matches!(ran.code, 0..=3), "{}", ran.stderr);
    let paths = [&run.dir, &other].map(|path| path.to_str().expect("a plain path"));
    let compared = squall_with(&["compare", paths[0], paths[1]]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    let warning = "warning: the overrides (--set) differ; the figures may not be comparable\n";
    assert_eq!(compared.stderr, warning);
    assert!(
        compared.stdout.contains("A: small on sim, 1 run"),
        "{}",
        compared.stdout
    );
    // Both lie in one directory, which is a side of its own.
    let both = run.scenario.dir.path().to_str().expect("a plain path");
    let compared = squall_with(&["compare", both, paths[0], "--format", "markdown"]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    assert!(
        compared.stdout.contains("- A: small on sim, 2 runs"),
        "{}",
        compared.stdout
    );
    let expected = "runs of small with different overrides (--set), taken together here; keep each";
    assert!(compared.stderr.contains(expected), "{}", compared.stderr);
}

#[test]
fn variants_are_never_taken_together() {
    let variants = "[[variant]]\nname = \"near\"\n\n[[variant]]\nname = \"far\"\nset = { network.latency = \"20ms\" }\n";
    let scenario = ScenarioFile::new(&format!("{SMALL}\n{variants}"));
    let all = scenario.beside("all");
    let ran = squall_run(&scenario.path, &all, &[]);
    assert!(matches!(ran.code, 0..=3), "{}", ran.stderr);
    let all = all.to_str().expect("a plain path");
    let compared = squall_with(&["compare", all, all]);
    assert_eq!((compared.code, compared.stderr.as_str()), (0, ""));
    for name in ["small-near", "small-far"] {
        let head = format!("A: {name} on sim, 1 run");
        assert!(compared.stdout.contains(&head), "{}", compared.stdout);
    }
    let (near, far) = (format!("{all}/near"), format!("{all}/far"));
    let compared = squall_with(&["compare", &near, &far]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    let warning = "warning: A is small-near, B is small-far: not the same scenario";
    assert!(compared.stderr.starts_with(warning), "{}", compared.stderr);
    assert_eq!(compared.stderr.lines().count(), 1, "{}", compared.stderr);

    // Nor is one the yardstick of another.
    let file = scenario.beside("baselines.json");
    let file = file.to_str().expect("a plain path");
    let saved = squall_with(&["baseline", "save", &near, "--file", file]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    assert!(saved.stderr.starts_with("small-near: "), "{}", saved.stderr);
    let same = squall_with(&["baseline", "compare", &near, "--file", file]);
    assert_eq!(same.code, 0, "{}{}", same.stdout, same.stderr);
    let other = ["baseline", "compare", &far, "--file", file];
    let unknown = squall_with(&other);
    assert_eq!(unknown.code, 64, "{}", unknown.stdout);
    assert!(
        unknown.stderr.contains("no baseline small-far"),
        "{}",
        unknown.stderr
    );
    let refused = squall_with(&[&other[..], &["--name", "small-near"]].concat());
    assert_eq!(refused.code, 64, "{}", refused.stdout);
    let expected = "baseline small-near is of small-near, not of small-far: save one";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    let again = scenario.beside("again");
    let more = ["--set", "variant=near", "--baseline", file];
    let ran = squall_run(&scenario.path, &again, &more);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let more = ["--set", "variant=far", "--baseline", file];
    let refused = squall_run(&scenario.path, &again, &more);
    assert_eq!(refused.code, 64, "{}{}", refused.stdout, refused.stderr);
}

#[test]
fn what_is_no_run_is_refused() {
    let run = SmallRun::new();
    let dir = run.dir.to_str().expect("a plain path");
    let nodes = run.dir.join("nodes");
    let refused = squall_with(&["compare", dir, nodes.to_str().expect("a plain path")]);
    assert_eq!(refused.code, 64);
    assert!(
        refused.stderr.contains("neither a run directory"),
        "{}",
        refused.stderr
    );
    run.write("report.json", "{");
    let refused = squall_with(&["compare", dir, dir]);
    assert_eq!(refused.code, 64);
    assert!(
        refused.stderr.contains("report.json: "),
        "{}",
        refused.stderr
    );
}
