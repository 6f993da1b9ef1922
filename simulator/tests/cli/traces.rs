//! Traces, explanations and states of stored runs.

use crate::command::{self, Finished, SmallRun, squall};

fn with(run: &SmallRun, command: &str, arguments: &[&str]) -> Finished {
    command::run(squall().arg(command).arg(&run.dir).args(arguments))
}

#[test]
fn trace_shows_messages_operations_and_faults_of_its_window() {
    let run = SmallRun::new();
    let traced = with(&run, "trace", &["--from", "1400ms", "--to", "1600ms"]);
    assert_eq!(traced.code, 0, "{}", traced.stderr);
    for kind in [
        " msg    #",
        " invoke op ",
        " return op ",
        " fault  0 kill ",
        " node   ",
    ] {
        assert!(
            traced.stdout.contains(kind),
            "no `{kind}`:\n{}",
            traced.stdout
        );
    }
    let of_node = with(
        &run,
        "trace",
        &["--from", "1s", "--to", "1200ms", "--node", "node-2"],
    );
    let messages = of_node.stdout.lines().filter(|line| line.contains(" msg "));
    assert!(messages.clone().count() > 0);
    for line in messages {
        assert!(line.contains("node-2"), "{line}");
    }
}

#[test]
fn trace_around_an_operation_has_its_call_and_its_answer() {
    let run = SmallRun::new();
    let traced = with(&run, "trace", &["--around", "20", "--margin", "0ms"]);
    assert_eq!(traced.code, 0, "{}", traced.stderr);
    let mut of_op = traced.stdout.lines().filter(|line| line.contains(" op 20"));
    for (kind, what) in [
        ("invoke", ""),
        ("msg", "call"),
        ("msg", "answer"),
        ("return", ""),
    ] {
        let line = of_op
            .next()
            .unwrap_or_else(|| panic!("no {kind}: {}", traced.stdout));
        assert!(line.contains(kind) && line.contains(what), "{line}");
    }
}

#[test]
fn every_form_of_a_trace_goes_where_it_is_asked_to() {
    let run = SmallRun::new();
    let forms = [
        ("diagram", "clients"),
        ("svg", "<svg"),
        ("perfetto", "{\"traceEvents\":["),
        ("otlp", "{\"resourceSpans\":["),
    ];
    for (form, begin) in forms {
        let out = run.scenario.beside(form);
        let out = out.to_str().expect("the path is text");
        let window = ["--from", "1s", "--to", "1050ms", "--format", form];
        let printed = with(&run, "trace", &window);
        assert_eq!(printed.code, 0, "{}", printed.stderr);
        assert!(printed.stdout.trim_start().starts_with(begin), "{form}");
        let written = with(&run, "trace", &[&window[..], &["--out", out]].concat());
        assert_eq!((written.code, written.stdout.as_str()), (0, ""));
        let text = std::fs::read_to_string(out).expect("it was written");
        assert_eq!(text, printed.stdout);
    }
    let all = with(&run, "trace", &["--format", "diagram"]);
    assert_eq!(all.code, 64);
    assert!(
        all.stderr.contains("narrow it with --around"),
        "{}",
        all.stderr
    );
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let run = SmallRun::new();
    let refusals = [
        (
            &["replay", "--log", "node-9=debug"][..],
            "the run has no node-9: its nodes are node-1, node-2, node-3",
        ),
        (&["trace", "--node", "node-9"], "the run has no node-9"),
        (&["trace", "--around", "99999"], "no operation 99999"),
        (
            &["trace", "--around", "violation"],
            "no check of the run is broken",
        ),
        (&["trace", "--around", "soon"], "a time such as 12.3s"),
        (
            &["trace", "--from", "2s", "--to", "1s"],
            "--to lies before --from",
        ),
        (
            &["state", "--at", "1s", "--node", "node-9"],
            "the run has no node-9",
        ),
        (&["state", "--at", "90s"], "the run had ended by then"),
        (
            &["state", "--watch", "committed"],
            "no value `committed`; known: role, term",
        ),
        (
            &["state", "--watch", "commit", "--every", "0ms"],
            "--every is 0",
        ),
    ];
    for (arguments, why) in refusals {
        let refused = with(&run, arguments[0], &arguments[1..]);
        assert_eq!(refused.code, 64, "{arguments:?}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(why),
            "{arguments:?}: {}",
            refused.stderr
        );
    }
}

#[test]
fn a_run_that_goes_another_way_now_is_not_shown() {
    let run = SmallRun::new();
    let report = run.read("report.json");
    let hash = report
        .split("\"history_sha256\": \"")
        .nth(1)
        .expect("it is there");
    let other = hash[..8].chars().rev().collect::<String>();
    run.write("report.json", &report.replacen(&hash[..8], &other, 1));
    for command in ["trace", "explain"] {
        let refused = run.squall(command);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("goes another way than it did"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn states_are_a_row_for_each_node_or_moment() {
    let run = SmallRun::new();
    let at = with(&run, "state", &["--at", "2s"]);
    assert_eq!(at.code, 0, "{}", at.stderr);
    let rows: Vec<&str> = at.stdout.lines().skip(1).collect();
    assert_eq!(rows.len(), 3, "{}", at.stdout);
    let down = rows.iter().filter(|row| row.contains("  down  "));
    assert_eq!(
        down.count(),
        1,
        "the leader is dead from 1.5 s to 2.5 s: {}",
        at.stdout
    );
    assert_eq!(
        rows.iter().filter(|row| row.contains("  leader  ")).count(),
        1
    );
    let watched = [
        "--watch",
        "commit,applied",
        "--from",
        "1s",
        "--to",
        "1300ms",
    ];
    let over_time = with(&run, "state", &watched);
    assert_eq!(
        over_time.stdout.lines().count(),
        1 + 4 * 3,
        "{}",
        over_time.stdout
    );
    assert!(
        over_time
            .stdout
            .starts_with("     time  node    process  commit  applied\n")
    );
}

#[test]
fn what_a_node_holds_is_shown_and_where_two_differ() {
    let run = SmallRun::new();
    let held = with(&run, "state", &["--at", "2s", "--node", "node-2"]);
    assert_eq!(held.code, 0, "{}", held.stderr);
    for part in ["\nsessions\n", "\nlocks\n", "\nkeys\n", "lock-0", "cache-0"] {
        assert!(held.stdout.contains(part), "no {part}: {}", held.stdout);
    }
    // At the end all have applied the same.
    let last = ["state", "--at", "4400ms", "--diff", "node-1", "node-3"];
    let same = with(&run, last[0], &last[1..]);
    assert_eq!(same.code, 0, "{}", same.stderr);
    let applied = |line: &&str| line.starts_with("node-");
    assert_eq!(same.stdout.lines().filter(applied).count(), 2);
    let down = with(&run, "state", &["--at", "2s", "--diff", "node-1", "node-2"]);
    let down_too = with(&run, "state", &["--at", "2s", "--diff", "node-3", "node-2"]);
    // The leader is dead from 1.5 s to 2.5 s, whoever of them it was.
    let refused = [&down, &down_too].map(|finished| finished.code);
    assert!(
        refused.contains(&64) || same.stdout.contains("differ"),
        "{refused:?}"
    );
    for finished in [down, down_too].iter().filter(|f| f.code == 64) {
        assert!(
            finished.stderr.contains("holds nothing: it is down"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_run_that_passed_has_nothing_to_explain() {
    let explained = SmallRun::new().squall("explain");
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    let expected = "Nothing broke, so there is nothing to explain.";
    assert!(explained.stdout.contains(expected), "{}", explained.stdout);
}
