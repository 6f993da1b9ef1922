//! `--junit` and `--summary`: files for CI servers, whatever the verdict.

use std::path::Path;

use crate::command::{SMALL, ScenarioFile, run, squall, squall_run};

/// An objective that every seed misses.
const MISSED: (&str, &str) = ("lost = 0", "lost = 0\nelection = { p99 = \"1ms\" }");

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_run_leaves_its_cases_and_appends_its_summary() {
    let scenario = ScenarioFile::new(&SMALL.replace(MISSED.0, MISSED.1));
    let [junit, summary] = ["cases.xml", "summary.md"].map(|name| scenario.beside(name));
    std::fs::write(&summary, "# Of the step before\n").expect("the file is ours");
    let paths = [&junit, &summary].map(|path| path.to_str().expect("a plain path"));
    let more = ["--junit", paths[0], "--summary", paths[1]];
    let missed = squall_run(&scenario.path, &scenario.beside("run"), &more);
    assert_eq!(missed.code, 2, "{}", missed.stderr);
    let xml = read(&junit);
    for expected in [
        "<testsuite name=\"small\"",
        "name=\"R4 liveness\" classname=\"small.checks\"",
        "name=\"lost\" classname=\"small.objectives\"",
        "type=\"objective_missed\"",
        "<skipped message=",
    ] {
        assert!(xml.contains(expected), "{expected}\n{xml}");
    }
    let markdown = read(&summary);
    assert!(markdown.starts_with("# Of the step before\n# small seed 1: OBJECTIVE MISSED\n"));
    assert!(
        markdown.contains("| **election\\_p99** | small | objective missed |"),
        "{markdown}"
    );
    let command = format!(
        "```sh\nsquall run {} --seed 1\n```",
        scenario.path.display()
    );
    assert!(markdown.contains(&command), "{markdown}");
}

#[test]
fn a_sweep_and_its_shards_merged_leave_the_same() {
    let scenario = ScenarioFile::new(&SMALL.replace(MISSED.0, MISSED.1));
    let sweep = |name: &str, shard: &str| {
        let mut sweep = squall();
        sweep
            .arg("sweep")
            .arg(&scenario.path)
            .args(["--seeds", "1..2", "--shard", shard]);
        sweep.arg("--out").arg(scenario.beside(name));
        for (option, file) in [("--junit", "xml"), ("--summary", "md")] {
            sweep
                .arg(option)
                .arg(scenario.beside(&format!("{name}.{file}")));
        }
        let swept = run(&mut sweep);
        assert_eq!(swept.code, 2, "{}", swept.stderr);
        assert!(swept.stdout.contains("election_p99"), "{}", swept.stdout);
    };
    sweep("whole", "1/1");
    sweep("part-1", "1/2");
    sweep("part-2", "2/2");
    let mut merge = squall();
    merge
        .arg("merge")
        .args(["part-1", "part-2"].map(|name| scenario.beside(name)));
    merge.arg("--out").arg(scenario.beside("merged"));
    merge.arg("--junit").arg(scenario.beside("merged.xml"));
    merge.arg("--summary").arg(scenario.beside("merged.md"));
    assert_eq!(run(&mut merge).code, 2);
    for file in ["xml", "md"] {
        let of = |name: &str| read(&scenario.beside(&format!("{name}.{file}")));
        assert_eq!(of("whole"), of("merged"));
    }
    let xml = read(&scenario.beside("whole.xml"));
    let message = "message=\"missed in 2 of 2 runs: seeds 1, 2\"";
    assert!(xml.contains(message), "{xml}");
    let summary = read(&scenario.beside("whole/summary.json"));
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("it is JSON");
    let counted = &summary["scenarios"][0]["objectives"]["election_p99"];
    assert_eq!(
        (&counted["missed"], &counted["first_missed"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn a_file_that_cannot_be_written_is_the_machines_fault() {
    let scenario = ScenarioFile::new(SMALL);
    let below_a_file = scenario.path.join("cases.xml");
    let more = ["--junit", below_a_file.to_str().expect("a plain path")];
    let failed = squall_run(&scenario.path, &scenario.beside("run"), &more);
    assert_eq!(failed.code, 70, "{}", failed.stderr);
    let place = format!("error: {}: ", below_a_file.display());
    assert!(failed.stderr.contains(&place), "{}", failed.stderr);
}
