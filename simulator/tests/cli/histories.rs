//! `squall check FILE --model M`: histories from outside, and pictures.

use std::path::{Path, PathBuf};

use crate::command::{Finished, ScenarioFile, SmallRun, run, squall};
use crate::verdicts::with_a_value_nobody_wrote;

fn sample(file: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("histories").join(file)
}

fn check(file: &Path, more: &[&str]) -> Finished {
    run(squall().arg("check").arg(file).args(more))
}

#[test]
fn a_linearizable_history_is_0() {
    let log = check(&sample("etcd_002.log"), &["--model", "register"]);
    assert_eq!((log.code, log.stderr.as_str()), (0, ""));
    assert!(log.stdout.contains("jepsen log, "), "{}", log.stdout);
    assert!(
        log.stdout.ends_with("\nPASS  linearizable\n"),
        "{}",
        log.stdout
    );
    let maps = check(
        &sample("kv_c01-ok.txt"),
        &["--model", "kv", "--format", "edn"],
    );
    assert_eq!((maps.code, maps.stderr.as_str()), (0, ""));
}

#[test]
fn a_violation_is_1_with_the_shortest_wrong_prefix_and_a_picture() {
    let scenario = ScenarioFile::new("");
    let picture = scenario.beside("violation.html");
    let path = picture.to_str().expect("a plain path");
    let log = check(
        &sample("etcd_099.log"),
        &["--model", "register", "--picture", path],
    );
    assert_eq!(log.code, 1, "{}", log.stderr);
    let expected = "\nVIOLATION  the register is not linearizable; \
                wrong from event 136 on (line 136), no shorter prefix is\n";
    assert!(log.stdout.ends_with(expected), "{}", log.stdout);
    let stuck = "does not fit:\n  client 20: read -> 3 (lines 135 to 136)\n";
    assert!(log.stdout.contains(stuck), "{}", log.stdout);
    let page = std::fs::read_to_string(&picture).expect("it was drawn");
    assert!(page.contains("client 20: read -&gt; 3"), "{page}");
}

/// The sums of so many different amounts never repeat, so the search for an odd one cannot
/// end.
#[test]
fn a_search_out_of_time_is_3() {
    let scenario = ScenarioFile::new("");
    let file = scenario.beside("counter.log");
    let adds = (0..60u64).map(|n| format!("{n} :invoke :add {}\n", 2u64 << n));
    let text: String = adds.collect();
    let text = text + "99 :invoke :read nil\n99 :ok :read 1\n";
    std::fs::write(&file, text).expect("the file is ours");
    let log = check(&file, &["--model", "counter", "--timeout", "0"]);
    assert_eq!(log.code, 3, "{}", log.stderr);
    let expected = "\nINCONCLUSIVE  the counter: the search ran out of time\n";
    assert!(log.stdout.ends_with(expected), "{}", log.stdout);
}

#[test]
fn what_is_no_history_is_64() {
    let file = sample("etcd_002.log");
    for (more, expected) in [
        (
            &[][..],
            "a file; to judge it, say what it is a history of: --model ",
        ),
        (&["--model", "kv"], "line 1: unknown function :read"),
        (&["--model", "register", "--format", "edn"], "line 1: "),
        (
            &["--model", "register", "--format", "squall"],
            "line 1: not a history header",
        ),
    ] {
        let refused = check(&file, more);
        if expected.contains("unknown function") {
            // A key may be read, but not be compared and set.
            assert_eq!(refused.code, 64, "{}", refused.stderr);
            assert!(
                refused.stderr.contains("unknown function :cas"),
                "{}",
                refused.stderr
            );
            continue;
        }
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (64, ""),
            "{}",
            refused.stderr
        );
        let place = format!("error: {}: {expected}", file.display());
        assert!(refused.stderr.starts_with(&place), "{}", refused.stderr);
    }
    let text = check(&file, &["--model", "register", "--format", "text"]);
    assert_eq!(text.code, 64, "{}", text.stderr);
    let nowhere = check(Path::new("nowhere.log"), &["--model", "register"]);
    assert_eq!(nowhere.code, 64, "{}", nowhere.stderr);
}

#[test]
fn a_run_is_judged_on_one_model_and_drawn_when_it_is_wrong() {
    let small = SmallRun::new();
    let picture = small.scenario.beside("violation.html");
    let path = picture.to_str().expect("a plain path");
    for model in ["register", "kv", "counter", "lock"] {
        let judged = check(&small.dir, &["--model", model]);
        assert_eq!((judged.code, judged.stderr.as_str()), (0, ""), "{model}");
    }
    let good = check(&small.dir, &["--picture", path]);
    assert_eq!(good.code, 0);
    assert_eq!(
        good.stderr,
        "no picture: nothing that is not linearizable\n"
    );
    assert!(!picture.exists());
    // A read soon after the leader came back.
    let history = small.read("history.jsonl");
    let healed = history
        .find("\"status\":\"healed\"")
        .expect("the leader came back");
    let soon = history[healed..]
        .char_indices()
        .nth(4_000)
        .expect("a run goes on")
        .0;
    let (soon, later) = history.split_at(healed + soon);
    let history = with_a_value_nobody_wrote(soon) + later;
    small.write("history.jsonl", &history);
    let bad = check(&small.dir, &["--picture", path]);
    assert_eq!((bad.code, bad.stderr), (1, format!("picture: {path}\n")));
    let page = std::fs::read_to_string(&picture).expect("it was drawn");
    // The leader's death is shaded.
    for part in ["nobody.1", "class=\"fault\"", "kill node-"] {
        assert!(page.contains(part), "{part}");
    }
}
