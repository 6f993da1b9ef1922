//! Mistakes in loads, distributions, variants and regions, each with its message and place.

use super::{Scenario, ScenarioError};
use crate::plan::{LoadUnit, Plan};

const CACHE: &str = "[[workload]]\nservice = \"cache\"\n";

fn parse(body: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(&format!("name = \"t\"\n{body}"), "t.toml")
}

/// What is wrong with `name = "t"` on line 1 and `body` from line 2.
fn error(body: &str) -> String {
    parse(body).expect_err(body).to_string()
}

fn check_errors(cases: &[(&str, &str)]) {
    for (body, message) in cases {
        assert_eq!(error(body), *message, "{body}");
    }
}

/// A cache workload on lines 2 and 3, with `keys` from line 4.
fn cache(keys: &str) -> String {
    format!("{CACHE}{keys}")
}

#[test]
fn mistakes_in_distributions() {
    for (keys, message) in [
        (
            "payload = \"2MiB\"",
            "t.toml:4:11: payload must be 1B to 1MiB",
        ),
        (
            "payload = { min = \"2KB\", max = \"1KB\" }",
            "t.toml:4:11: payload: min is above max",
        ),
        (
            "payload = [{ size = \"1KB\", share = \"90%\" }]",
            "t.toml:4:11: payload: the shares must make 100% together",
        ),
        (
            "access = {}",
            "t.toml:4:10: access has `zipf`, or `hot` and `share`",
        ),
        (
            "access = { hot = \"10%\" }",
            "t.toml:4:10: access has `zipf`, or `hot` and `share`",
        ),
        (
            "access = { hot = \"10%\", share = \"100%\" }",
            "t.toml:4:10: access: `hot` and `share` must be above 0% and below 100%",
        ),
        (
            "access = { zipf = 1, shift = \"1ms\" }",
            "t.toml:4:10: access: shift must be at least 1s",
        ),
        (
            "mix = { select = \"99%\", insert = \"2%\" }",
            "t.toml:4:7: mix: the shares make 101% together, not 100%",
        ),
        (
            "mix = { select = \"100%\" }",
            "t.toml:4:7: mix: nothing is ever inserted; write `insert` or `inserts`",
        ),
        ("inserts = 5", "t.toml:4:11: `inserts` need `mix`"),
        (
            "fill = \"1ms\"\ncas = \"1%\"",
            "t.toml:5:7: `cas` means nothing beside `fill`",
        ),
        (
            "rounds = 1\nreads = \"1%\"",
            "t.toml:5:9: `reads` means nothing beside `rounds`",
        ),
        (
            "rounds = 1\noperations = 5",
            "t.toml:4:10: `rounds` say how many operations there are; leave `operations` out",
        ),
        (
            "lists = { push = \"60%\", pop = \"30%\" }",
            "t.toml:4:9: lists: the shares make 90% together, not 100%",
        ),
        (
            "lists = { pop = \"100%\" }",
            "t.toml:4:9: lists: nothing is ever pushed; write `push`",
        ),
        (
            "lists = { push = \"100%\" }\nevicted = true",
            "t.toml:5:11: `evicted` means nothing beside `lists`",
        ),
        (
            "lists = { push = \"100%\" }\nretries = \"1%\"",
            "t.toml:5:11: `retries` of lists need `exactly_once`: without it nothing is sent again",
        ),
        (
            "lists = { push = \"100%\" }\nreuse = \"1%\"",
            "t.toml:5:9: `reuse` of lists needs `exactly_once`: without it nothing has a sequence",
        ),
        (
            "reuse = \"1%\"",
            "t.toml:4:9: `reuse` of a cache workload needs `increments`, `rounds` or `lists`: \
             nothing else has a sequence",
        ),
        (
            "lists = { push = \"100%\" }\nexactly_once = \"dedup\"",
            "t.toml:5:16: `exactly_once` of lists is \"session\": only producers of a queue are known \
             by name",
        ),
        (
            "workers = 2",
            "t.toml:4:11: `workers` of a cache workload needs `lists`",
        ),
    ] {
        assert_eq!(error(&cache(keys)), message, "{keys}");
    }
    let exponent = error(&cache("access = { zipf = 9.5 }"));
    assert!(
        exponent.ends_with("a zipf exponent must be 0.01 to 4, not 9.5"),
        "{exponent}"
    );
}

#[test]
fn mistakes_in_loads() {
    let with = |load: &str| format!("{CACHE}{load}");
    let cases = [
        (
            "[[load]]\nhold = \"1s\"",
            "t.toml:4:1: a step of the load has `users` or `rate`",
        ),
        (
            "[[load]]\nusers = 0\nhold = \"1s\"",
            "t.toml:5:9: users must be at least 1, not 0",
        ),
        (
            "[[load]]\nusers = 1\nhold = \"1s\"\n[[load]]\nrate = \"1/s\"\nhold = \"1s\"",
            "t.toml:7:1: all steps of the load have `users`, or all have `rate`",
        ),
        (
            "[[load]]\nusers = 1\nramp = \"1s\"",
            "t.toml:6:8: the first step has nothing to rise from: the warm-up is at its level",
        ),
        (
            "[[load]]\nusers = 1",
            "t.toml:4:1: a step of the load lasts: write `hold`, `ramp` or both",
        ),
        (
            "[[load]]\nrate = \"1/s\"\nhold = \"1s\"\nthink = \"1s\"",
            "t.toml:7:9: `think` is of users: a rate does not pause",
        ),
        (
            "[[load]]\nusers = 1\nhold = \"1s\"\nweights = { cash = 1 }",
            "t.toml:7:13: no workload `cash`; known: cache",
        ),
        (
            "[[load]]\nrate = \"1/s\"\nhold = \"1s\"\nburst = { min = 3, max = 2 }",
            "t.toml:7:9: burst: expected 1 <= min <= max <= 100000",
        ),
        (
            "[stress]\nlimits = {}\nrate = { from = \"1/s\", by = \"1/s\", to = \"9/s\" }",
            "t.toml:5:10: limits: nothing can break; write `error_rate`, `p99`, `unserved`, \
             `memory` or `cpu`",
        ),
        (
            "[stress]\nlimits = { p99 = \"1s\" }\nusers = { from = 5, by = 1, to = 1 }",
            "t.toml:6:9: expected 0 < from <= to, and by above 0",
        ),
    ];
    for (load, message) in cases {
        assert_eq!(error(&with(load)), message, "{load}");
    }
    let step = "[[load]]\nusers = 1\nhold = \"1s\"";
    check_errors(&[
        (
            &format!("[phases]\nchaos = \"3s\"\n{CACHE}{step}"),
            "t.toml:3:9: the chaos phase is as long as the load: leave `chaos` out, or shorten \
             the load with `compress`",
        ),
        (
            &format!("{CACHE}clients = 3\n{step}"),
            "t.toml:4:11: the users of the load take the place of `clients`",
        ),
        (
            &format!("{CACHE}rate = \"1/s\"\n{step}"),
            "t.toml:4:8: `rate` is set by the load",
        ),
        (
            &format!("{CACHE}operations = 9\n{step}"),
            "t.toml:4:14: `operations` end a workload, but the load says how long it runs",
        ),
    ]);
}

#[test]
fn a_load_says_how_long_the_chaos_phase_is() {
    let body = format!(
        "[phases]\ncompress = 10\n{CACHE}[[load]]\nusers = 5\nhold = \"20s\"\n\
         [[load]]\nusers = 50\nramp = \"10s\"\nhold = \"70s\""
    );
    let plan = Plan::resolve(&parse(&body).unwrap(), 1).unwrap();
    assert_eq!(plan.phases.chaos_us, 10_000_000);
    let load = plan.load.unwrap();
    assert_eq!(load.unit, LoadUnit::Users);
    assert_eq!(
        (load.steps[1].ramp_us, load.steps[1].hold_us),
        (1_000_000, 7_000_000)
    );
}

const VARIANTS: &str = "[cluster]\nnodes = 3\n[[variant]]\nname = \"a\"\n\
                        [[variant]]\nname = \"b\"\n\
                        set = { cluster.nodes = 5, workload.0.keys = 7 }\n";

#[test]
fn a_variant_replaces_values_and_overrides_replace_its() {
    let scenario = parse(&format!("{VARIANTS}{CACHE}keys = 3")).unwrap();
    assert_eq!(scenario.variants(), ["a", "b"]);
    assert_eq!(scenario.variant(), None);
    let nodes = |scenario: &Scenario| *scenario.cluster.nodes.get_ref();
    let [a, b] = ["a", "b"].map(|name| scenario.choose(name).unwrap());
    assert_eq!((nodes(&a), nodes(&b)), (3, 5));
    assert_eq!(
        (
            a.workloads[0].get_ref().keys(),
            b.workloads[0].get_ref().keys()
        ),
        (3, 7)
    );
    assert_eq!(b.variant(), Some("b"));
    let settings = [("variant", "b"), ("cluster.nodes", "7")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let overridden = Scenario::parse_with(scenario.text(), "t.toml", &settings).unwrap();
    assert_eq!(nodes(&overridden), 7);
    // What is written for a shrunk scenario has the variant's values and no variants.
    assert!(!b.document().contains_key("variant"));
}

#[test]
fn mistakes_in_variants() {
    let scenario = parse(&format!("{VARIANTS}{CACHE}")).unwrap();
    let unknown = scenario.choose("c").unwrap_err().to_string();
    assert_eq!(unknown, "--set variant=c: no variant `c`; known: a, b");
    let plain = parse(CACHE).unwrap().choose("c").unwrap_err().to_string();
    assert_eq!(
        plain,
        "--set variant=c: no variant `c`; the scenario has none"
    );
    let bad = format!("[[variant]]\nname = \"a\"\nset = {{ cluster.nods = 5 }}\n{CACHE}");
    let bad = parse(&bad).unwrap().choose("a").unwrap_err().to_string();
    assert!(
        bad.starts_with("t.toml:4:") && bad.contains("unknown field `nods`"),
        "{bad}"
    );
    check_errors(&[
        (
            "[[variant]]\nset = {}",
            "t.toml:2:1: missing field `name` of the variant",
        ),
        (
            "[[variant]]\nname = \"A\"",
            "t.toml:3:8: name of a variant: expected lower-case letters, digits and hyphens",
        ),
        (
            "[[variant]]\nname = \"a\"\n[[variant]]\nname = \"a\"",
            "t.toml:5:8: two variants have this name",
        ),
        (
            "[[variant]]\nname = \"a\"\nsets = {}",
            "t.toml:4:1: unknown field `sets`, expected one of `name`, `set`; did you mean `set`?",
        ),
    ]);
}

#[test]
fn mistakes_in_regions() {
    let region = |rest: &str| format!("[cluster]\nnodes = 2\n{CACHE}{rest}");
    let two = "[[region]]\nname = \"a\"\nnodes = [\"node-1\"]\n[[region]]\nname = \"b\"\n";
    for (rest, message) in [
        (
            "[[region]]\nname = \"a\"\nnodes = [\"node-9\"]".to_owned(),
            "t.toml:8:10: no node `node-9`, they are node-1 to node-2",
        ),
        (
            "[[region]]\nname = \"a\"\nnodes = [\"node-1\"]".to_owned(),
            "t.toml:6:1: `node-2` is in no region",
        ),
        (
            format!("{two}nodes = [\"node-1\"]"),
            "t.toml:11:10: `node-1` is in two regions",
        ),
        (
            format!("{two}nodes = [\"node-2\"]"),
            "t.toml:6:1: every two regions need a latency between them",
        ),
        (
            format!("{two}nodes = [\"node-2\"]\nlatency.c = \"9ms\""),
            "t.toml:12:9: no other region `c`",
        ),
    ] {
        assert_eq!(error(&region(&rest)), message, "{rest}");
    }
    let good = format!("{two}nodes = [\"node-2\"]\nclients = true\nlatency.a = \"9ms\"");
    let plan = Plan::resolve(&parse(&region(&good)).unwrap(), 1).unwrap();
    let regions = plan.network.regions.unwrap();
    assert_eq!((regions.of_clients, &*regions.of_node), (1, &[0, 1][..]));
    assert_eq!(
        regions.link(1, 0).map(|link| link.latency_max_us),
        Some(9_000)
    );
    assert_eq!(regions.link(1, 1), None);
}
