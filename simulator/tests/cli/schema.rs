//! The published schemas, and that what the command writes is what they say.
//! `UPDATE_GOLDEN=1` rewrites the files in `docs/`.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::command::{SMALL, ScenarioFile, squall_run, squall_with};

/// Everything that a report leaves out if nobody asked for it: steps of load, a stress test's
/// end, and an objective that can be missed for a while.
const LOADED: &str = r#"name = "loaded"
summary = "A load that rises until something breaks."

[cluster]
nodes = 3

[phases]
warmup = "1s"
serve = "500ms"

[probe]
enabled = false

[[workload]]
service = "cache"
clients = 10

[stress]
rate = { from = "50/s", by = "50/s", to = "100/s" }
hold = "2s"
recover = "2s"
limits = { p99 = "100us" }

[objectives]
lost = 0
latency.cache.get = { p99 = "100us", grace = "1s" }
"#;

fn schema(of: &str) -> Value {
    let shown = squall_with(&["schema", of]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    serde_json::from_str(&shown.stdout).expect("a schema is JSON")
}

fn validator(of: &str) -> Validator {
    jsonschema::draft202012::new(&schema(of)).expect("it is a schema")
}

fn complaints(validator: &Validator, value: &Value) -> Vec<String> {
    let complaints = validator.iter_errors(value);
    complaints
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[track_caller]
fn holds(of: &str, value: &Value) {
    let none: [&str; 0] = [];
    assert_eq!(complaints(&validator(of), value), none);
}

fn json_at(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("it was written");
    serde_json::from_str(&text).expect("it is JSON")
}

/// The report of a run of this scenario, which ends with this code.
fn report(text: &str, more: &[&str], code: i32) -> Value {
    let scenario = ScenarioFile::new(text);
    let out = scenario.beside("run");
    let ran = squall_run(&scenario.path, &out, more);
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    json_at(&out.join("report.json"))
}

#[test]
fn the_files_in_docs_are_what_the_types_say() {
    for (of, file) in [
        ("report", "report.schema.json"),
        ("sweep", "sweep.schema.json"),
        ("variants", "variants.schema.json"),
        ("ab", "ab.schema.json"),
        ("trend", "trend.schema.json"),
        ("system", "system.schema.json"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(file);
        let text = squall_with(&["schema", of]).stdout;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).expect("the file is ours");
        }
        let published = std::fs::read_to_string(&path).expect("UPDATE_GOLDEN=1 writes it");
        assert_eq!(
            published, text,
            "{file}: UPDATE_GOLDEN=1 accepts the new schema"
        );
        assert!(jsonschema::draft202012::meta::is_valid(&schema(of)), "{of}");
    }
}

#[test]
fn a_run_that_passes_is_as_the_schema_says() {
    let report = report(SMALL, &[], 0);
    assert!(!report["faults"].as_array().expect("a list").is_empty());
    holds("report", &report);
}

#[test]
fn a_run_that_misses_an_objective_is_as_the_schema_says() {
    let report = report(SMALL, &["--set", "objectives.election.max=1ms"], 2);
    assert_eq!(report["verdict"], "objective_missed");
    holds("report", &report);
}

/// The report of the golden tests has what a run seldom has, of every kind: broken checks
/// with their evidence, faults that were skipped, errors, bottlenecks.
#[test]
fn the_report_of_the_golden_tests_is_as_the_schema_says() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("report/src/golden/report.json");
    let report = json_at(&golden);
    assert_eq!(report["verdict"], "violation");
    holds("report", &report);
}

#[test]
fn a_run_under_rising_load_is_as_the_schema_says() {
    let report = report(LOADED, &[], 2);
    assert!(report["load"]["stress"].is_object(), "{}", report["load"]);
    assert!(report["load"]["steps"][0]["rate"].is_number());
    let objectives = report["objectives"].as_array().expect("a list");
    assert!(objectives.iter().any(|o| o["missed_for_ms"].is_number()));
    holds("report", &report);
}

#[test]
fn a_run_beside_its_baseline_is_as_the_schema_says() {
    let scenario = ScenarioFile::new(SMALL);
    let [first, second, kept] = ["first", "second", "kept.json"].map(|name| scenario.beside(name));
    let text = |path: &PathBuf| path.to_str().expect("temporary paths are UTF-8").to_owned();
    assert_eq!(squall_run(&scenario.path, &first, &[]).code, 0);
    let (dir, file) = (text(&first), text(&kept));
    let saved = squall_with(&["baseline", "save", &dir, "--file", &file]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let ran = squall_run(&scenario.path, &second, &["--baseline", &file]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let report = json_at(&second.join("report.json"));
    assert!(report["comparison"]["rows"][0]["median"].is_number());
    holds("report", &report);
}

#[test]
fn variants_are_as_the_schemas_say() {
    const VARIANTS: &str = "
[[variant]]
name = \"three\"

[[variant]]
name = \"five\"
set = { cluster.nodes = 5 }
";
    let scenario = ScenarioFile::new(&format!("{SMALL}{VARIANTS}"));
    let out = scenario.beside("run");
    let ran = squall_run(&scenario.path, &out, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    holds("variants", &json_at(&out.join("variants.json")));
    holds("report", &json_at(&out.join("five/report.json")));
}

#[test]
fn sweeps_that_pass_and_fail_are_as_the_schema_says() {
    for (objective, code) in [("1h", 0), ("1ms", 2)] {
        let scenario = ScenarioFile::new(SMALL);
        let out = scenario.beside("sweep");
        let setting = format!("objectives.election.max={objective}");
        let mut command = crate::command::squall();
        command
            .arg("sweep")
            .arg(&scenario.path)
            .arg("--out")
            .arg(&out);
        let swept = crate::command::run(command.args(["--seeds", "1..2", "--set", &setting]));
        assert_eq!(swept.code, code, "{}{}", swept.stdout, swept.stderr);
        let summary = json_at(&out.join("summary.json"));
        let failures = summary["failures"].as_array().expect("a list");
        assert_eq!(failures.is_empty(), code == 0);
        holds("sweep", &summary);
    }
}

/// Changes one thing at a time in what is valid.
#[test]
fn what_is_missing_misspelt_or_of_another_kind_is_refused() {
    let validator = validator("report");
    let good = report(SMALL, &[], 0);
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 7] = [
        ("missing", |r| {
            drop(r.as_object_mut().map(|r| r.remove("verdict")))
        }),
        ("misspelt", |r| rename(r, "election_ms", "elections_ms")),
        ("missing below", |r| {
            drop(r["sim"].as_object_mut().map(|s| s.remove("seconds")))
        }),
        ("misspelt below", |r| {
            rename(&mut r["data_loss"], "lost", "losses")
        }),
        ("misspelt beside a status", |r| {
            rename(&mut r["faults"][0], "healed_ms", "heald_ms")
        }),
        ("no verdict", |r| r["verdict"] = json!("maybe")),
        ("no number", |r| r["election_ms"]["max"] = json!("1.2 s")),
    ];
    for (what, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(bad, good, "{what}: nothing was changed");
        assert!(!complaints(&validator, &bad).is_empty(), "{what} passes");
    }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    let object = object.as_object_mut().expect("an object");
    if let Some(value) = object.remove(from) {
        object.insert(to.to_owned(), value);
    }
}
