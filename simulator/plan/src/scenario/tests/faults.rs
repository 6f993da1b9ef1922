//! Faults that cannot be, and targets that are not there.

use super::*;

/// A fault of the default cluster and phases; `at` is on line 3, the rest from line 4.
fn fault(rest: &str) -> String {
    error(&format!("[[fault]]\nat = \"1s\"\n{rest}"))
}

fn check_faults(cases: &[(&str, &str)]) {
    let found: Vec<(&str, String)> = cases.iter().map(|(rest, _)| (*rest, fault(rest))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(r, e)| (*r, e.as_str())).collect();
    assert_eq!(found, cases, "{found:#?}");
}

#[test]
fn impossible_faults() {
    check_faults(&[
        (
            "",
            "t.toml:2:1: a fault needs an action, one of kill, stop, pause, power_loss, isolate, wipe, reset, crash_loop, rolling_restart, disk, clock, partition, link, transfer, member, client",
        ),
        (
            "kill = [\"leader\"]\npause = [\"any\"]",
            "t.toml:5:9: a fault has one action, this one has `kill` and `pause`",
        ),
        (
            "kill = [\"leader\"]\none_way = true",
            "t.toml:5:11: `one_way` belongs to `partition`",
        ),
        (
            "kill = [\"leader\"]\nfor = \"0s\"",
            "t.toml:5:7: for must be at least 1ms",
        ),
        (
            "kill = [\"leader\"]\nfor = \"29001ms\"",
            "t.toml:5:7: the fault lasts until 30.001s, beyond the end of the chaos phase of 30s",
        ),
        (
            "kill = [\"leader\"]\nrepeat = { every = \"1s\", times = 2 }",
            "t.toml:5:10: a fault that repeats needs `for`, or the next would begin before it heals",
        ),
        (
            "kill = [\"leader\"]\nfor = \"1s\"\nrepeat = { every = \"1s\", times = 2 }",
            "t.toml:6:20: every 1s leaves no pause after for 1s",
        ),
        (
            "kill = [\"leader\"]\nfor = \"1s\"\nrepeat = { every = \"2s\", times = 16 }",
            "t.toml:6:10: the fault lasts until 32s, beyond the end of the chaos phase of 30s",
        ),
        (
            "kill = [\"leader\"]\nfor = \"1s\"\nrepeat = { every = \"2s\", times = 0 }",
            "t.toml:6:34: times must be at least 1, not 0",
        ),
        (
            "transfer = \"follower\"\nfor = \"1s\"",
            "t.toml:5:7: `transfer` is over at once, `for` means nothing to it",
        ),
        (
            "transfer = \"follower\"\nrepeat = { every = \"10s\", times = 4 }",
            "t.toml:5:10: the fault lasts until 31s, beyond the end of the chaos phase of 30s",
        ),
        (
            "pause = [\"leader\"]\nfor = \"1us\"",
            "t.toml:5:7: for must be at least 1ms",
        ),
        (
            "clock = [\"leader\"]\noffset = \"0s\"",
            "t.toml:4:9: `clock_offset` by nothing changes nothing",
        ),
        (
            "clock = [\"leader\"]\njump = \"0s\"",
            "t.toml:4:9: `clock_jump` by nothing changes nothing",
        ),
        (
            "disk = [\"leader\"]\nslow_sync = \"0ms\"",
            "t.toml:4:8: `slow_sync` by nothing changes nothing",
        ),
        (
            "disk = [\"leader\"]\nlost_tail = \"0B\"",
            "t.toml:4:8: `lost_tail` by nothing changes nothing",
        ),
        (
            "transfer = \"leader\"",
            "t.toml:4:12: the leader leads already, name another target",
        ),
        (
            "transfer = \"minority\"",
            "t.toml:4:12: `minority` is not one node",
        ),
    ]);
    let late = error("[[fault]]\nat = \"30s\"\nkill = [\"leader\"]");
    assert_eq!(
        late,
        "t.toml:3:6: at 30s is not within the chaos phase of 30s"
    );
}

#[test]
fn impossible_targets() {
    check_faults(&[
        ("kill = []", "t.toml:4:8: the list of targets is empty"),
        (
            "kill = [\"node-1\", \"node-9\"]",
            "t.toml:4:19: unknown node `node-9`, the cluster has node-1 to node-5",
        ),
        (
            "kill = [\"node-1\", \"node-1\"]",
            "t.toml:4:19: `node-1` is named twice",
        ),
        (
            "kill = [\"leader\", \"leader\"]",
            "t.toml:4:19: `leader` is named twice",
        ),
        (
            "kill = [\"all\", \"node-1\"]",
            "t.toml:4:9: `all` must be alone in its list",
        ),
        (
            "kill = [\"follower\", \"follower\", \"follower\", \"follower\", \"follower\"]",
            "t.toml:4:57: more followers asked for than there are: the cluster has 4",
        ),
        (
            "kill = [\"majority\", \"any\", \"any\", \"any\"]",
            "t.toml:4:35: 6 nodes asked for, but the cluster has 5",
        ),
        (
            "partition = [[\"leader\"]]",
            "t.toml:4:13: a partition needs at least two sides",
        ),
        (
            "partition = [[\"leader\"], []]",
            "t.toml:4:13: the list of targets is empty",
        ),
        (
            "partition = [[\"node-1\", \"node-2\"], [\"node-2\"]]",
            "t.toml:4:37: sides overlap: `node-2` is on two of them",
        ),
        (
            "partition = [[\"all\"], [\"all\"]]",
            "t.toml:4:24: sides overlap: `all` is on two of them",
        ),
        (
            "partition = [[\"minority\", \"majority\"], [\"all\"]]",
            "t.toml:4:41: no node is left for `all`",
        ),
        (
            "partition = [[\"node-1\"], [\"node-2\"], [\"all\"]]\none_way = true",
            "t.toml:4:13: a partition with `one_way` has exactly two sides",
        ),
        (
            "partition = [[\"node-1\"], [\"node-2\"]]\nbridge = \"node-2\"",
            "t.toml:5:10: sides overlap: `node-2` is on two of them",
        ),
        (
            "partition = [[\"node-1\"], [\"node-2\"]]\nbridge = \"all\"",
            "t.toml:5:10: `all` is not one node",
        ),
        (
            "partition = [[\"node-1\"], [\"node-2\"]]\nbridge = \"any\"\none_way = true",
            "t.toml:5:10: a partition is `one_way` or has a `bridge`, not both",
        ),
        (
            "link = { from = \"all\", to = \"all\" }",
            "t.toml:4:8: a link needs a change: latency, jitter, loss or bandwidth",
        ),
        (
            "link = { from = \"boss\", to = \"all\", loss = \"1%\" }",
            "t.toml:4:17: unknown target `boss`, expected a node such as node-1, or one of leader, follower, minority, majority, all, any",
        ),
        (
            "link = { from = \"leader\", to = [\"leader\"], loss = \"1%\" }",
            "t.toml:4:33: `leader` is both ends of the link",
        ),
        (
            "link = { from = [\"majority\"], to = [\"majority\"], loss = \"1%\" }",
            "t.toml:4:37: `majority` can be at one end of the link only",
        ),
        (
            "link = { from = \"node-7\", to = \"all\", loss = \"1%\" }",
            "t.toml:4:17: unknown node `node-7`, the cluster has node-1 to node-5",
        ),
    ]);
    let lonely = error("[cluster]\nnodes = 2\n[[fault]]\nat = \"1s\"\nkill = [\"minority\"]");
    assert_eq!(lonely, "t.toml:6:9: a cluster of 2 has no minority");
}
