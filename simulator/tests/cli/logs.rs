//! Logs of nodes at replay.

use crate::command::{self, SmallRun, squall};

/// Of a line such as `1.250000s node-1 leader/2 DEBUG openraft::core: text`.
fn fields(line: &str) -> (f64, &str) {
    let mut words = line.split(' ');
    let time = words.next().and_then(|time| time.strip_suffix('s'));
    let seconds = time.and_then(|time| time.parse().ok());
    let node = words.next().expect("a line of a log names its node");
    (seconds.expect("a line of a log begins with its time"), node)
}

#[test]
fn replay_with_a_log_filter_shows_that_nodes_lines_within_the_window() {
    let run = SmallRun::new();
    let replayed = command::run(
        squall()
            .arg("replay")
            .arg(&run.dir)
            .args(["--log", "node-1=openraft=debug"])
            .args(["--from", "1s", "--to", "1500ms"]),
    );
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    let is_of_log = |line: &&str| !line.starts_with("identical") && !line.starts_with("verdict");
    let lines: Vec<&str> = replayed.stdout.lines().filter(is_of_log).collect();
    assert!(!lines.is_empty(), "a node that runs logs at this level");
    for line in &lines {
        let (seconds, node) = fields(line);
        assert!((1.0..=1.5).contains(&seconds), "{line}");
        assert_eq!(node, "node-1", "{line}");
        assert!(line.contains(" openraft"), "{line}");
    }
    // The history is the same with and without it, which the replay says.
    assert!(
        replayed.stdout.contains("identical: "),
        "{}",
        replayed.stdout
    );
    assert_eq!(
        run.read("nodes/node-1.log").lines().collect::<Vec<_>>(),
        lines
    );
}

#[test]
fn log_filter_that_cannot_be_read_is_refused_with_an_example() {
    let run = SmallRun::new();
    let replayed = command::run(
        squall()
            .arg("replay")
            .arg(&run.dir)
            .args(["--log", "openraft=loud"]),
    );
    assert_eq!(replayed.code, 64);
    let expected = "invalid log filter `openraft=loud`";
    assert!(replayed.stderr.contains(expected), "{}", replayed.stderr);
}
