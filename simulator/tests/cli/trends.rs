//! `squall trend` and `squall compare --ab` on run directories as a run leaves them, with
//! figures put in by hand.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command::{Finished, SmallRun, squall_with};

const FIGURE: &str = "latency.cache.set.p50";

/// Made from one run: a directory of run directories, a day apart, with these medians.
fn nightly(run: &SmallRun, name: &str, values_ms: &[f64]) -> PathBuf {
    let all = run.scenario.beside(name);
    for (number, value_ms) in values_ms.iter().enumerate() {
        let dir = all.join(format!("{number:02}"));
        fs::create_dir_all(&dir).expect("a directory of the test's own");
        fs::copy(run.dir.join("scenario.toml"), dir.join("scenario.toml")).expect("it is there");
        let figure =
            json!({"kind": "latency", "unit": "ms", "bound": "at_most", "value": value_ms});
        edit(&run.dir, &dir, "report.json", |report| {
            report["seed"] = (number + 1).into();
            report["figures"] = json!({ FIGURE: figure });
        });
        edit(&run.dir, &dir, "run.json", |manifest| {
            manifest["seed"] = (number + 1).into();
            manifest["started"] = format!("2026-01-{:02}T03:00:00Z", number + 1).into();
        });
    }
    all
}

fn edit(from: &Path, to: &Path, name: &str, change: impl Fn(&mut Value)) {
    let text = fs::read_to_string(from.join(name)).expect("the run left it behind");
    let mut value = serde_json::from_str(&text).expect("it is JSON");
    change(&mut value);
    fs::write(to.join(name), value.to_string()).expect("the file is ours");
}

fn trend(paths: &[&Path], more: &[&str]) -> Finished {
    let paths = paths
        .iter()
        .map(|path| path.to_str().expect("a plain path"));
    let arguments: Vec<&str> = ["trend"]
        .into_iter()
        .chain(paths)
        .chain(more.iter().copied())
        .collect();
    squall_with(&arguments)
}

/// Twelve nights of noise, then a step of five milliseconds.
fn stepped() -> Vec<f64> {
    let noise = [
        0.1, -0.2, 0.05, 0.2, -0.1, 0.0, 0.15, -0.05, -0.15, 0.1, 0.2, -0.2,
    ];
    let values = noise.iter().cycle().take(18).enumerate();
    values
        .map(|(night, noise)| {
            if night < 12 {
                10.0 + noise
            } else {
                15.0 + noise
            }
        })
        .collect()
}

#[test]
fn a_step_is_named_with_its_day_in_every_form() {
    let run = SmallRun::new();
    let nights = nightly(&run, "nights", &stepped());
    let page = run.scenario.beside("trend.html");
    let shown = trend(
        &[&nights],
        &["--html", page.to_str().expect("a plain path"), "--check"],
    );
    assert_eq!(shown.code, 2, "{}{}", shown.stdout, shown.stderr);
    let step = "latency.cache.set.p50 steps by +5";
    assert!(shown.stdout.contains(step), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("at 2026-01-13T03:00:00Z: worse"),
        "{}",
        shown.stdout
    );
    let page = fs::read_to_string(page).expect("it was written");
    assert!(page.contains("steps by +5") && page.contains("<svg"));

    let json = trend(&[&nights], &["--json"]);
    assert_eq!((json.code, json.stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    let figure = &json["groups"][0]["figures"][0];
    assert_eq!(
        (&figure["figure"], &figure["steps"][0]["at"]),
        (&json!(FIGURE), &json!(12))
    );
    assert_eq!(json["groups"][0]["per"], "day");

    // The first nights alone show nothing, and three are too few to tell.
    let early: Vec<PathBuf> = (0..12)
        .map(|night| nights.join(format!("{night:02}")))
        .collect();
    let early: Vec<&Path> = early.iter().map(PathBuf::as_path).collect();
    let quiet = trend(&early, &["--check", "--markdown"]);
    assert_eq!(quiet.code, 0, "{}", quiet.stdout);
    assert!(
        quiet.stdout.starts_with("# Nothing changed."),
        "{}",
        quiet.stdout
    );
    assert_eq!(trend(&early[..3], &["--check"]).code, 3);
    assert_eq!(trend(&early[..3], &[]).code, 0);
    assert_eq!(trend(&early[..1], &[]).code, 0);
}

#[test]
fn what_cannot_be_read_is_left_out_with_its_reason() {
    let run = SmallRun::new();
    let nights = nightly(&run, "nights", &[10.0, 10.1, 10.2, 10.3]);
    let spoilt = |night: &str, name: &str, text: &str| {
        fs::write(nights.join(night).join(name), text).expect("the file is ours");
    };
    spoilt("00", "report.json", "{\"figures\": NaN}");
    spoilt("01", "run.json", "[]");
    let crash = nights.join("02/crash.txt");
    fs::write(&crash, "out of luck\n").expect("the file is ours");
    let empty = run.scenario.beside("empty");
    fs::create_dir(&empty).expect("a directory of the test's own");
    let nowhere = run.scenario.beside("nowhere");
    let shown = trend(&[&nights, &empty, &nowhere], &["--json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let json: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    assert_eq!(
        json["groups"][0]["points"]
            .as_array()
            .expect("a list")
            .len(),
        1
    );
    let left: Vec<String> = json["left_out"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|left| {
            format!(
                "{} {}",
                left["path"].as_str().unwrap(),
                left["why"].as_str().unwrap()
            )
        })
        .collect();
    for (path, why) in [
        ("nights/00", "report.json: "),
        ("nights/01", "run.json: "),
        ("nights/02", "came to no verdict: out of luck"),
        ("empty", "neither a run, nor a sweep"),
        ("nowhere", "No such file"),
    ] {
        let is_said = left
            .iter()
            .any(|line| line.contains(path) && line.contains(why));
        assert!(is_said, "{path} {why}: {left:#?}");
    }
    // Nothing at all is refused, and so is what makes no sense.
    let refused = trend(&[&empty], &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (64, ""));
    assert!(
        refused.stderr.contains("neither a run"),
        "{}",
        refused.stderr
    );
    for more in [
        ["--limit", "x=NaN"],
        ["--limit", "x"],
        ["--certainty", "10%"],
    ] {
        assert_eq!(trend(&[&nights], &more).code, 64, "{more:?}");
    }
    // The newest is kept, whatever could not be read before it.
    let bounded = trend(&[&nights], &["--most", "1"]);
    assert_eq!(bounded.code, 0, "{}", bounded.stderr);
    for said in ["only 1 are read", "2026-01-04", "and 2 more"] {
        assert!(bounded.stdout.contains(said), "{}", bounded.stdout);
    }
    // What a link leads to as well is one run.
    std::os::unix::fs::symlink("03", nights.join("latest")).expect("a link of the test's own");
    let paths = [nights.as_path(), &nights.join("03")];
    let points = |more: &[&str]| {
        let shown = trend(&paths, &[&["--json"], more].concat());
        let json: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
        json["groups"][0]["points"]
            .as_array()
            .expect("a list")
            .len()
    };
    assert_eq!((points(&[]), points(&["--by", "given"])), (1, 2));
}

#[test]
fn baselines_are_limits_by_time_and_points_as_given() {
    let run = SmallRun::new();
    let nights = nightly(&run, "nights", &[10.0, 10.1, 10.2]);
    let file = run.scenario.beside("baselines.json");
    let path = file.to_str().expect("a plain path");
    let night = nights.join("00");
    let saved = squall_with(&["baseline", "save", night.to_str().unwrap(), "--file", path]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let shape = |more: &[&str]| {
        let shown = trend(&[&file, &nights], &[&["--json"], more].concat());
        let json: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
        let group = &json["groups"][0];
        let points = group["points"].as_array().expect("a list").len();
        (points, group["figures"][0]["limit"]["from"].clone())
    };
    assert_eq!(shape(&[]), (3, json!("baseline")));
    assert_eq!(shape(&["--by", "given"]), (4, Value::Null));
}

#[test]
fn two_versions_end_with_codes_that_a_script_can_read() {
    let run = SmallRun::new();
    let values =
        |from: f64| -> Vec<f64> { (0..10).map(|seed| from + f64::from(seed) * 0.1).collect() };
    let before = nightly(&run, "before", &values(10.0));
    let after = nightly(&run, "after", &values(15.0));
    let few = nightly(&run, "few", &values(10.0)[..3]);
    let ab = |a: &Path, b: &Path, more: &[&str]| {
        let paths = [a, b].map(|path| path.to_str().expect("a plain path"));
        squall_with(&[&["compare", "--ab", paths[0], paths[1]], more].concat())
    };
    let worse = ab(&before, &after, &[]);
    assert_eq!(worse.code, 2, "{}{}", worse.stdout, worse.stderr);
    assert!(
        worse
            .stdout
            .contains("WORSE: latency.cache.set.p50 +5 ms (+47.8 %)"),
        "{}",
        worse.stdout
    );
    assert_eq!(ab(&after, &before, &[]).code, 0);
    assert_eq!(ab(&before, &before, &[]).code, 0);
    assert_eq!(ab(&few, &few, &[]).code, 3);
    assert_eq!(ab(&before, &after, &["--margin", "60%"]).code, 0);
    assert_eq!(ab(&before, &after, &["--certainty", "100%"]).code, 64);
    let json = ab(&before, &after, &["--json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(json["verdict"], "worse");
    assert_eq!(
        json["scenarios"][0]["rows"][0]["found"]["test"],
        "signed_rank"
    );
    // A run that came to no verdict is one that crashed, and a link is no eleventh run.
    let crashed = nightly(&run, "crashed", &values(10.0));
    fs::remove_file(crashed.join("03/report.json")).expect("the file is ours");
    fs::write(crashed.join("03/crash.txt"), "out of luck\n").expect("the file is ours");
    std::os::unix::fs::symlink("09", crashed.join("latest")).expect("a link of the test's own");
    let broken = ab(&before, &crashed, &[]);
    assert_eq!(broken.code, 1, "{}", broken.stdout);
    let said = "BROKEN: crashed in 1 of 10 runs of B";
    assert!(broken.stdout.contains(said), "{}", broken.stdout);
    // A run of B that broke a promise, and none of A.
    edit(
        &after.join("03"),
        &after.join("03"),
        "report.json",
        |report| {
            report["verdict"] = "violation".into();
        },
    );
    let broken = ab(&before, &after, &[]);
    assert_eq!(broken.code, 1, "{}", broken.stdout);
    assert!(
        broken
            .stdout
            .contains("BROKEN: violation in 1 of 10 runs of B"),
        "{}",
        broken.stdout
    );
}
