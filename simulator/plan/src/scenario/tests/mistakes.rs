//! Mistakes that a scenario has by itself: of form, and of meaning.

use super::*;

#[test]
fn mistakes_of_form() {
    check_errors(&[
        (
            "[cluster]\nnods = 3",
            "t.toml:3:1: unknown field `nods`, expected one of `nodes`, `spares`, `heartbeat`, `election_timeout`, `snapshot_every`, `cache_entries`; did you mean `nodes`?",
        ),
        (
            "colour = 3",
            "t.toml:2:1: unknown field `colour`, expected one of `name`, `summary`, `must_judge`, `system`, `cluster`, `network`, `region`, `disk`, `clock`, `hardware`, `phases`, `probe`, `workload`, `load`, `stress`, `chaos`, `fault`, `point`, `schedule`, `objectives`, `alert`",
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
            "[cluster]\ncache_entries = 23\n[[workload]]\nincrements = \"20%\"\nservice = \"cache\"",
            "t.toml:3:17: cache_entries 23: 24 keys are in use, and those that make room would \
             count as lost; raise it, or say `evicted = true` in every cache workload and \
             `enabled = false` in [probe]",
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
            "t.toml:4:1: unknown field `burn`, expected one of `at`, `for`, `repeat`, `when`, `nth`, `within_budget`, `kill`, `stop`, `pause`, `power_loss`, `isolate`, `wipe`, `reset`, `with`, `crash_loop`, `up`, `down`, `rolling_restart`, `disk`, `slow_sync`, `lost_tail`, `damage`, `clock`, `offset`, `drift`, `jump`, `partition`, `one_way`, `bridge`, `link`, `transfer`, `member`, `client`",
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
            "t.toml:5:8: unknown trigger `full-moon`, expected one of election, snapshot, membership, acknowledgement, POINTS",
        ),
    ]);
}

#[test]
fn mistakes_about_disks_clocks_members_and_clients() {
    let fault = |action: &str| format!("[[fault]]\nat = \"1s\"\n{action}");
    let cases = [
        (
            "disk = [\"leader\"]",
            "4:8: `disk` needs exactly one of `slow_sync`, `lost_tail`, `damage`",
        ),
        (
            "disk = [\"leader\"]\nslow_sync = \"5ms\"\ndamage = \"full\"",
            "6:10: `disk` needs exactly one of `slow_sync`, `lost_tail`, `damage`",
        ),
        (
            "disk = [\"leader\"]\ndamage = \"haunted\"",
            "5:10: unknown variant `haunted`, expected one of `slow_sync`, `failing_sync`, `read_error`, `write_error`, `full`, `bit_rot`, `misdirected_write`, `torn_tail`, `lost_tail`",
        ),
        (
            "kill = [\"leader\"]\ndamage = \"full\"",
            "5:10: `damage` belongs to `disk`",
        ),
        (
            "clock = [\"leader\"]\njump = \"1h\"\nfor = \"1s\"",
            "6:7: `clock_jump` is over at once, `for` means nothing to it",
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
        ("member = { }", "4:10: expected exactly one key, not none"),
        (
            "member = { add = \"node-6\", remove = \"any\" }",
            "4:10: expected exactly one key, not several",
        ),
        (
            "link = { from = \"all\", to = \"all\", delay = \"1ms\" }",
            "4:36: unknown field `delay`, expected one of `latency`, `jitter`, `loss`, `bandwidth`",
        ),
        (
            "crash_loop = [\"any\"]\nup = \"1us\"",
            "4:14: `up` and `down` are at least 1ms",
        ),
        (
            "reset = [\"leader\"]\nwith = \"followers\"",
            "5:8: unknown variant `followers`, expected one of `nodes`, `targets`, `clients`",
        ),
        (
            "reset = [\"leader\"]\nfor = \"1s\"",
            "5:7: `reset` is over at once, `for` means nothing to it",
        ),
        (
            "client = { crash = 0 }",
            "4:10: expected 1 to 10000 clients, not 0",
        ),
        (
            "client = { crash = 1 }\nfor = \"1s\"",
            "5:7: `client_crash` is over at once, `for` means nothing to it",
        ),
    ];
    for (action, expected) in cases {
        assert_eq!(error(&fault(action)), format!("t.toml:{expected}"));
    }
    let spares = "[cluster]\nspares = 1\n[[fault]]\nat = \"1s\"\nmember = { add = \"node-1\" }";
    let message = error(spares);
    let expected = "t.toml:6:18: `node-1` is no spare: those are node-6 to node-6";
    assert_eq!(message, expected);
    let message = error("[chaos]\nkinds = [\"kill\", \"link\"]");
    let expected = "t.toml:3:18: `link` is not drawn, but latency, jitter, loss, bandwidth are";
    assert_eq!(message, expected);
    let message = error("[chaos]\nkinds = [\"add_member\"]");
    let expected = "t.toml:3:10: `add_member` needs a machine to add: set `spares` in [cluster]";
    assert_eq!(message, expected);
}

#[test]
fn must_judge_names_properties_or_checks() {
    let message = error("must_judge = [\"C8\", \"C17\"]");
    let expected = "t.toml:2:21: no property or check is called `C17`; properties are C1, ";
    assert!(message.starts_with(expected), "{message}");
    let known = parse_with("must_judge = [\"C8\", \"lock_fairness\"]", &[]);
    assert_eq!(known.map(|scenario| scenario.must_judge.len()), Ok(2));
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
            "[[workload]]\nservice = \"queue\"\nexactly_once = \"dedup\"\nreuse = \"5%\"",
            "t.toml:5:9: `reuse` of a queue needs `exactly_once = \"session\"`: otherwise no publish has a sequence of a session",
        ),
        (
            "[[workload]]\nservice = \"cache\"\nalso = { tll = \"5%\" }",
            "t.toml:4:8: also: no operation `tll` that clients of the service cache send by share, expected one of: ttl",
        ),
        (
            "[[workload]]\nservice = \"cache\"\noptions = { a = 1 }",
            "t.toml:4:11: `options` means nothing to a cache workload",
        ),
        (
            "[[workload]]\nservice = \"tree\"\nreads = \"5%\"",
            "t.toml:4:9: `reads` means nothing to a tree workload",
        ),
        (
            "[[workload]]\nservice = \"The Tree\"",
            "t.toml:3:11: `The Tree` is no name: expected 1 to 64 lower-case letters, digits, `_` and `-`, a letter first",
        ),
        (
            "[objectives]\nlatency.tree.climb.p99 = \"1s\"",
            "t.toml:3:14: no workload asks a service `tree`",
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
