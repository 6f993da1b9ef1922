//! Every mistake has its message and its place; every shipped scenario is valid.

use super::unit::{Bandwidth, Drift, Duration, Offset, Rate, Share, Size};
use super::{Scenario, ScenarioError};
use crate::fault::Kind;
use crate::objective::Figure;
use crate::plan::{Plan, WorkloadKind};

const WORKLOAD: &str = "[[workload]]\nservice = \"lock\"\n";

/// What is wrong with `name = "t"` on line 1, `body` from line 2, and a workload after it.
fn error(body: &str) -> String {
    error_with(body, &[])
}

fn error_with(body: &str, settings: &[(&str, &str)]) -> String {
    let parsed = parse_with(body, settings);
    parsed.expect_err(body).to_string()
}

fn parse_with(body: &str, settings: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
    let text = format!("name = \"t\"\n{body}\n{WORKLOAD}");
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Vec<_> = settings.iter().map(own).collect();
    Scenario::parse_with(&text, "t.toml", &settings)
}

fn check_errors(cases: &[(&str, &str)]) {
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let error = |body: &str| error(body).replace(&kinds.join(", "), "KINDS");
    let found: Vec<(&str, String)> = cases.iter().map(|(body, _)| (*body, error(body))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(b, e)| (*b, e.as_str())).collect();
    assert_eq!(found, cases, "{found:#?}");
}

#[test]
fn mistakes_of_form() {
    check_errors(&[
        (
            "[cluster]\nnods = 3",
            "t.toml:3:1: unknown field `nods`, expected one of `nodes`, `spares`, `heartbeat`, `election_timeout`, `snapshot_every`, `cache_entries`; did you mean `nodes`?",
        ),
        (
            "colour = 3",
            "t.toml:2:1: unknown field `colour`, expected one of `name`, `summary`, `cluster`, `network`, `region`, `disk`, `clock`, `hardware`, `phases`, `probe`, `workload`, `load`, `stress`, `chaos`, `fault`, `objectives`",
        ),
        (
            "[cluster]\nnodes = \"5\"",
            "t.toml:3:9: invalid type: string \"5\", expected a whole number",
        ),
        (
            "[cluster]\nheartbeat = 100",
            "t.toml:3:13: invalid type: integer `100`, expected a duration such as \"100ms\"",
        ),
        (
            "[cluster]\nheartbeat = \"100\"",
            "t.toml:3:13: duration `100` has no unit, expected one of us, ms, s, m, h",
        ),
        (
            "[phases]\n  warmup = \"-5s\"",
            "t.toml:3:12: negative duration `-5s`",
        ),
        (
            "[phases]\nwarmup = \"5sec\"",
            "t.toml:3:10: unknown unit `sec` in duration `5sec`, expected one of us, ms, s, m, h",
        ),
        (
            "[phases]\nwarmup = \"soon\"",
            "t.toml:3:10: `soon` is not a duration such as \"100ms\"",
        ),
        (
            "[network]\nloss = \"101%\"",
            "t.toml:3:8: share `101%` is above 100%",
        ),
        (
            "[network]\nlatency = { min = \"1ms\", most = \"2ms\" }",
            "t.toml:3:26: unknown field `most`, expected `min` or `max`",
        ),
        (
            "[clock]\ndrift = \"11%\"",
            "t.toml:3:9: clock drift `11%` is above 10%",
        ),
        ("[phases\n", "t.toml:2:8: unclosed table, expected `]`"),
        (
            "[[fault]]\nkill = [\"leader\"]",
            "t.toml:2:1: missing field `at`",
        ),
        (
            "[[fault]]\nat = \"1s\"\nburn = [\"leader\"]",
            "t.toml:4:1: unknown field `burn`, expected one of `at`, `for`, `repeat`, `kill`, `stop`, `pause`, `power_loss`, `isolate`, `wipe`, `crash_loop`, `rolling_restart`, `up`, `down`, `disk`, `slow_sync`, `damage`, `clock`, `offset`, `drift`, `jump`, `member`, `client`, `when`, `within_budget`, `partition`, `one_way`, `bridge`, `link`, `transfer`",
        ),
        (
            "[[fault]]\nat = \"1s\"\nkill = [\"leader\", \"boss\"]",
            "t.toml:4:19: unknown target `boss`, expected a node such as node-1, or one of leader, follower, minority, majority, all, any",
        ),
        (
            "[[fault]]\nat = \"1s\"\nkill = \"leader\"",
            "t.toml:4:8: invalid type: string \"leader\", expected a list",
        ),
        (
            "[chaos]\nkinds = [\"kill\", \"bitrot\"]",
            "t.toml:3:18: unknown kind of fault `bitrot`, expected one of KINDS",
        ),
        (
            "[[fault]]\nat = \"1s\"\nkill = [\"leader\"]\nwhen = \"full-moon\"",
            "t.toml:5:8: unknown variant `full-moon`, expected one of `election`, `snapshot`, `membership`, `acknowledgement`",
        ),
    ]);
}

#[test]
fn mistakes_about_disks_clocks_members_and_clients() {
    let fault = |action: &str| format!("[[fault]]\nat = \"1s\"\n{action}");
    let cases = [
        (
            "disk = [\"leader\"]",
            "4:8: a disk needs to be told what goes wrong: slow_sync or damage",
        ),
        (
            "disk = [\"leader\"]\nslow_sync = \"5ms\"\ndamage = \"full\"",
            "6:10: a disk has one thing wrong at a time: slow_sync or damage",
        ),
        (
            "disk = [\"leader\"]\ndamage = \"haunted\"",
            "5:10: unknown variant `haunted`, expected one of `failing_sync`, `read_error`, `write_error`, `full`, `bit_rot`, `misdirected_write`, `torn_tail`",
        ),
        (
            "kill = [\"leader\"]\ndamage = \"full\"",
            "5:10: `damage` belongs to `disk`",
        ),
        (
            "clock = [\"leader\"]\njump = \"1h\"\nfor = \"1s\"",
            "6:7: a jump is over at once, `for` means nothing to it",
        ),
        (
            "kill = [\"leader\"]\nup = \"1s\"",
            "5:6: `up` belongs to `crash_loop` or `rolling_restart`",
        ),
        (
            "rolling_restart = [\"all\"]\nup = \"9s\"",
            "4:19: the fault lasts until 51s, beyond the end of the chaos phase of 30s",
        ),
        (
            "member = { remove = \"minority\" }",
            "4:21: `minority` is not one node",
        ),
        (
            "member = { add = \"node-6\" }",
            "4:18: there is no machine to add: set `spares` in [cluster]",
        ),
        (
            "member = { }",
            "4:10: a membership needs to be told what goes wrong: add, remove or replace",
        ),
        (
            "client = { crash = 0 }",
            "4:20: crash must be at least 1, not 0",
        ),
        (
            "client = { crash = 1 }\nfor = \"1s\"",
            "5:7: a crash of clients is over at once, `for` means nothing to it",
        ),
    ];
    for (action, expected) in cases {
        assert_eq!(error(&fault(action)), format!("t.toml:{expected}"));
    }
    let spares = "[cluster]\nspares = 1\n[[fault]]\nat = \"1s\"\nmember = { add = \"node-1\" }";
    let message = error(spares);
    let expected = "t.toml:6:18: `node-1` is no spare: those are node-6 to node-6";
    assert_eq!(message, expected);
    let message = error("[chaos]\nkinds = [\"add_member\"]");
    let expected = "t.toml:3:10: `add_member` needs a machine to add: set `spares` in [cluster]";
    assert_eq!(message, expected);
}

#[test]
fn mistakes_of_meaning() {
    check_errors(&[
        (
            "[cluster]\nnodes = 0",
            "t.toml:3:9: nodes must be at least 1, not 0",
        ),
        (
            "[cluster]\nnodes = 65",
            "t.toml:3:9: nodes must be at most 64, not 65",
        ),
        (
            "[cluster]\nheartbeat = \"0s\"",
            "t.toml:3:13: heartbeat must be at least 1ms, not 0s",
        ),
        (
            "[cluster]\nheartbeat = \"151ms\"",
            "t.toml:3:13: heartbeat 151ms is more than half of election_timeout min 300ms",
        ),
        (
            "[cluster]\nheartbeat = \"1500us\"",
            "t.toml:3:13: heartbeat must be whole milliseconds, not 1.5ms",
        ),
        (
            "[cluster]\nelection_timeout = { min = \"150ms\" }",
            "t.toml:3:20: heartbeat 100ms is more than half of election_timeout min 150ms",
        ),
        (
            "[cluster]\nelection_timeout = { min = \"600ms\" }",
            "t.toml:3:20: election_timeout: min 600ms is not below max 600ms, so votes would split",
        ),
        (
            "[network]\nlatency = { min = \"5ms\", max = \"1ms\" }",
            "t.toml:3:11: latency: min 5ms is above max 1ms",
        ),
        (
            "[disk]\nsync = { min = \"3ms\" }",
            "t.toml:3:8: sync: min 3ms is above max 2ms",
        ),
        (
            "[clock]\noffset = { min = \"5ms\" }",
            "t.toml:3:10: offset: min 5000us is above max 0us",
        ),
        (
            "[phases]\nwarmup = \"10ms\"",
            "t.toml:3:10: warmup must be at least 1s, not 10ms",
        ),
        (
            "[probe]\nevery = \"200ms\"",
            "t.toml:3:9: every 200ms is above idle 100ms",
        ),
        (
            "[[workload]]\nservice = \"cache\"\nproducers = 3",
            "t.toml:4:13: `producers` means nothing to a cache workload",
        ),
        (
            "[[workload]]\nservice = \"cache\"\nwatchers = 3",
            "t.toml:4:12: `watchers` means nothing to a cache workload",
        ),
        (
            "[[workload]]\nservice = \"lock\"\ngroups = 3",
            "t.toml:4:10: `groups` means nothing to a lock workload",
        ),
        (
            "[[workload]]\nservice = \"queue\"\nretries = \"5%\"",
            "t.toml:4:11: `retries` of a queue need `exactly_once`: without it a publish is not sent again",
        ),
        (
            "[[workload]]\nservice = \"queue\"\npriorities = 257",
            "t.toml:4:14: priorities must be at most 256, not 257",
        ),
        (
            "[[workload]]\nservice = \"cache\"\nmulti_get = 4096",
            "t.toml:4:13: multi_get must be at most 4095, not 4096",
        ),
        (
            "[[workload]]\nservice = \"queue\"\nbatch = 1001",
            "t.toml:4:9: batch must be at most 1000, not 1001",
        ),
        (
            "[[workload]]\nservice = \"queue\"\nbatch = 455\ndelayed = \"1%\"\npriorities = 2\nexactly_once = \"dedup\"",
            "t.toml:4:9: batch must be at most 454 where messages have so many options, not 455: a command has 4096 arguments at most",
        ),
        (
            "[[workload]]\nservice = \"lock\"\nttl = \"99ms\"",
            "t.toml:4:7: ttl must be at least 100ms, not 99ms",
        ),
        (
            "[[workload]]\nservice = \"lock\"\nttl = \"25h\"",
            "t.toml:4:7: ttl must be at most 86400s, not 90000s",
        ),
        (
            "[[workload]]\nservice = \"queue\"\nvisibility = \"25h\"",
            "t.toml:4:14: visibility must be at most 86400s, not 90000s",
        ),
        (
            "[[workload]]\nservice = \"queue\"\ndelay = \"25h\"",
            "t.toml:4:9: delay must be at most 86400s, not 90000s",
        ),
        (
            "[[workload]]\nservice = \"lock\"\nwait = \"25h\"\ntimeout = \"26h\"",
            "t.toml:4:8: wait must be at most 86400s, not 90000s",
        ),
        (
            "[cluster]\nsnapshot_every = 9",
            "t.toml:3:18: snapshot_every must be at least 10, not 9",
        ),
        (
            "[[workload]]\nservice = \"queue\"\nwork = { min = \"2s\", max = \"1s\" }",
            "t.toml:4:8: work: min 2s is above max 1s",
        ),
        (
            "[cluster]\ncache_entries = 0",
            "t.toml:3:17: cache_entries must be at least 1, not 0",
        ),
        (
            "[[workload]]\nservice = \"cache\"\nthink = \"1ms\"\nrate = \"5/s\"",
            "t.toml:5:8: a workload has `think` (closed loop) or `rate` (open loop), not both",
        ),
        (
            "[[workload]]\nservice = \"cache\"\nclients = 0",
            "t.toml:4:11: clients must be at least 1, not 0",
        ),
        (
            "[[workload]]\nservice = \"queue\"\npayload = \"2MiB\"",
            "t.toml:4:11: payload must be 1B to 1MiB",
        ),
        (
            "[[workload]]\nservice = \"lock\"\nwait = \"1s\"",
            "t.toml:4:8: wait 1s is not below timeout 1s",
        ),
    ]);
    let nameless = Scenario::parse("name = \"A b\"", "t.toml").unwrap_err();
    assert_eq!(
        nameless.to_string(),
        "t.toml:1:8: name `A b`: expected lower-case letters, digits and hyphens"
    );
    let idle = Scenario::parse("name = \"t\"", "t.toml").unwrap_err();
    assert_eq!(
        idle.to_string(),
        "t.toml:1:1: there is no [[workload]]: a run without load proves nothing"
    );
}

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
            "t.toml:2:1: a fault needs an action: kill, stop, pause, power_loss, isolate, wipe, crash_loop, rolling_restart, disk, clock, partition, link, transfer, member or client",
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
            "t.toml:5:7: for must be more than 0s",
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
            "t.toml:5:7: a transfer is over at once, `for` means nothing to it",
        ),
        (
            "transfer = \"follower\"\nrepeat = { every = \"10s\", times = 4 }",
            "t.toml:5:10: the fault lasts until 31s, beyond the end of the chaos phase of 30s",
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
            "t.toml:4:26: the list of targets is empty",
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
            "t.toml:4:40: no node is left for `all`",
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
            "t.toml:4:32: `leader` is both ends of the link",
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

#[test]
fn overrides_replace_values() {
    let body = "[[fault]]\nat = \"1s\"\nkill = [\"leader\"]\nfor = \"5s\"";
    let settings = [
        ("cluster.nodes", "3"),
        ("cluster.election_timeout.min", "250ms"),
        ("phases.chaos", "10s"),
        ("workload.0.rate", "500/s"),
        ("fault.0.kill", "[\"follower\", \"leader\"]"),
        ("network.latency", "{ min = \"2ms\", max = \"3ms\" }"),
        ("probe.enabled", "false"),
        ("name", "\"quoted\""),
    ];
    let scenario = parse_with(body, &settings).unwrap();
    let plan = Plan::resolve(&scenario, 1).unwrap();
    assert_eq!(plan.scenario, "quoted");
    assert_eq!(plan.cluster.nodes, 3);
    assert_eq!(
        (plan.cluster.election_min_ms, plan.cluster.election_max_ms),
        (250, 600)
    );
    assert_eq!(plan.phases.chaos_us, 10_000_000);
    assert_eq!(
        plan.workloads[0].pacing,
        crate::plan::Pacing::Open { interval_us: 2_000 }
    );
    assert_eq!(plan.faults[0].action.to_string(), "kill [follower, leader]");
    assert_eq!(
        (plan.network.latency_min_us, plan.network.latency_max_us),
        (2_000, 3_000)
    );
    assert_eq!(plan.probe, None);
    assert_eq!(scenario.settings().len(), settings.len());
}

#[test]
fn bad_overrides_are_named() {
    let cases = [
        (
            "cluster.nodes",
            "many",
            "--set cluster.nodes=many: invalid type: string \"many\", expected a whole number",
        ),
        (
            "cluster.nods",
            "3",
            "--set cluster.nods=3: unknown field `nods`, expected one of `nodes`, `spares`, `heartbeat`, `election_timeout`, `snapshot_every`, `cache_entries`; did you mean `nodes`?",
        ),
        (
            "cluster.nodes",
            "99",
            "--set cluster.nodes=99: nodes must be at most 64, not 99",
        ),
        (
            "cluster.nodes.max",
            "3",
            "--set cluster.nodes.max=3: invalid type: map, expected a whole number",
        ),
        (
            "cluster..nodes",
            "3",
            "--set cluster..nodes=3: expected a dotted path such as `cluster.nodes`",
        ),
        (
            "workload.1.rate",
            "5/s",
            "--set workload.1.rate=5/s: `workload` has no element 1, they count from 0",
        ),
        (
            "workload.first.rate",
            "5/s",
            "--set workload.first.rate=5/s: `workload` is a list, expected a number instead of `first`",
        ),
        (
            "phases.chaos",
            "-5s",
            "--set phases.chaos=-5s: negative duration `-5s`",
        ),
        (
            "network.latency",
            "{ min = \"9ms\", max = \"3ms\" }",
            "--set network.latency={ min = \"9ms\", max = \"3ms\" }: latency: min 9ms is above max 3ms",
        ),
        (
            "network.latency",
            "{ least = \"9ms\" }",
            "--set network.latency={ least = \"9ms\" }: unknown field `least`, expected `min` or `max`",
        ),
    ];
    let found: Vec<_> = cases
        .iter()
        .map(|(key, value, _)| (*key, *value, error_with("", &[(key, value)])))
        .collect();
    let found: Vec<_> = found.iter().map(|(k, v, e)| (*k, *v, e.as_str())).collect();
    assert_eq!(found, cases, "{found:#?}");
    let body = "[[fault]]\nat = \"5s\"\nkill = [\"leader\"]";
    assert_eq!(
        error_with(body, &[("phases.chaos", "5s")]),
        "t.toml:3:6: at 5s is not within the chaos phase of 5s (with --set phases.chaos=5s)"
    );
}

#[test]
fn quantities() {
    let us = |text: &str| text.parse::<Duration>().map(Duration::us);
    assert_eq!(us("200us"), Ok(200));
    assert_eq!(us("1.5s"), Ok(1_500_000));
    assert_eq!(us("2m"), Ok(120_000_000));
    assert_eq!(us("1h"), Ok(3_600_000_000));
    assert_eq!(
        us("0.5us"),
        Err("duration `0.5us` is finer than 1us".to_owned())
    );
    assert_eq!(
        us("1001h"),
        Err("duration `1001h` is above 1000h".to_owned())
    );
    for text in [
        "",
        "s",
        ".5s",
        "5.s",
        "1.2.3s",
        "--5s",
        "1234567890123456789s",
        "é",
    ] {
        us(text).expect_err(text);
    }
    assert_eq!("1KB".parse(), Ok(Size(1_000)));
    assert_eq!("1KiB".parse(), Ok(Size(1_024)));
    assert_eq!("10MB/s".parse(), Ok(Bandwidth(10_000_000)));
    assert_eq!(
        "0B/s".parse::<Bandwidth>(),
        Err("bandwidth `0B/s` is below 1B/s".to_owned())
    );
    assert_eq!("80%".parse(), Ok(Share(800_000)));
    assert_eq!("0.0001%".parse(), Ok(Share(1)));
    assert_eq!("-0.01%".parse(), Ok(Drift(-100)));
    assert_eq!("-50ms".parse(), Ok(Offset(-50_000)));
    let interval = |text: &str| text.parse::<Rate>().unwrap().interval_us();
    assert_eq!(interval("200/s"), 5_000);
    assert_eq!(interval("50/m"), 1_200_000);
    assert_eq!(interval("0.5/s"), 2_000_000);
}

#[test]
fn shipped_scenarios_are_valid_and_listed() {
    let directory = format!("{}/../scenarios", env!("CARGO_MANIFEST_DIR"));
    let catalogue = std::fs::read_to_string(format!("{directory}/README.md")).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        count += 1;
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let name = scenario.name.get_ref();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(name.as_str()));
        assert!(
            catalogue.contains(&format!("| `{name}` |")),
            "{name} is not listed"
        );
        for variant in scenario.variants() {
            let chosen = scenario
                .choose(variant)
                .unwrap_or_else(|error| panic!("{error}"));
            Plan::resolve(&chosen, 1).unwrap();
        }
        let plan = Plan::resolve(&scenario, 1).unwrap();
        let lost = plan.objectives.iter().find(|o| o.figure == Figure::Lost);
        assert_eq!(lost.map(|objective| objective.limit), Some(0), "{name}");
        // Those of performance ask one service at a time.
        let (failures, _) = catalogue.split_once("## Performance").unwrap();
        if !failures.contains(&format!("| `{name}` |")) {
            continue;
        }
        let services =
            |kind: fn(&WorkloadKind) -> bool| plan.workloads.iter().any(|w| kind(&w.kind));
        assert!(
            services(|kind| matches!(kind, WorkloadKind::Lock { .. })),
            "{name}"
        );
        assert!(
            services(|kind| matches!(kind, WorkloadKind::Queue { .. })),
            "{name}"
        );
        assert!(
            services(|kind| matches!(kind, WorkloadKind::Cache { .. })),
            "{name}"
        );
    }
    assert_eq!(count, 38);
    let missing = Scenario::load("nowhere.toml").unwrap_err().to_string();
    assert!(
        missing.starts_with("nowhere.toml: cannot be read: "),
        "{missing}"
    );
}

#[test]
fn objectives_are_read_with_their_graces() {
    let body = r#"[objectives]
grace = "2s"
lost = 0
recovery_time = "5s"
downtime = { per_day = "1m" }
latency.lock.acquire = { p95 = "100ms", max = "1s", grace = "10s" }
throughput = { sustained = "1000/s", queue = { minimum = "90/m" } }
error_rate = { chaos = "5%" }
hit_rate = "80%"
success_rate = { min = "99%", grace = "1s" }
memory = { max = "512MB", growth = "10%" }
baseline = { file = "b.json", tolerance = { latency = "5%" } }
"#;
    let scenario = parse_with(body, &[]).expect("it is valid");
    let read: Vec<_> = (scenario.objectives.list().into_iter())
        .map(|o| (o.figure.to_string(), o.limit, o.grace_us))
        .collect();
    let row = |name: &str, limit, grace_us| (name.to_owned(), limit, grace_us);
    let two = Some(2_000_000);
    assert_eq!(
        read,
        [
            row("downtime_per_day", 60_000_000, None),
            row("recovery_time", 5_000_000, None),
            row("lost", 0, None),
            row("latency.lock.acquire.p95", 100_000, Some(10_000_000)),
            row("latency.lock.acquire.max", 1_000_000, Some(10_000_000)),
            row("throughput.sustained", 1_000_000, two),
            row("throughput.queue.minimum", 1_500, two),
            row("error_rate.chaos", 50_000, two),
            row("success_rate", 990_000, Some(1_000_000)),
            row("hit_rate", 800_000, two),
            row("memory", 512_000_000, None),
            row("memory_growth", 100_000, None),
        ]
    );
    let plan = Plan::resolve(&scenario, 1).expect("it is valid");
    let baseline = plan.baseline.expect("one is named");
    assert_eq!(
        (baseline.file.as_str(), baseline.name.as_str()),
        ("b.json", "t")
    );
    assert_eq!(baseline.tolerance.latency_ppm, 50_000);
    assert_eq!(baseline.tolerance.throughput_ppm, 100_000);
}

#[test]
fn latency_of_an_operation_that_is_none_is_refused() {
    let error = error("[objectives]\nlatency.lock.aquire = { p95 = \"1ms\" }");
    assert!(error.starts_with("t.toml:3:"), "{error}");
    assert!(
        error.contains("no operation `aquire` of the service lock"),
        "{error}"
    );
}
