//! `[[swarm]]`: what is drawn, from what, and what is refused.

use super::*;

const SWARM: &str = r#"
[[swarm]]
[swarm.set.cluster]
nodes = { one_of = [3, 5, 7] }
snapshot_every = { between = [10, 5000] }
[swarm.set.disk]
sync = { between = ["10us", "60ms"] }
[swarm.set.cluster.election_timeout]
min = { between = ["300ms", "400ms"] }
max = { between = ["500ms", "2s"] }

[[swarm]]
chance = "30%"
[swarm.set]
one_of = [{ cluster.cache_entries = 4 }, { cluster = { cache_entries = 40, spares = 1 } }]

[[swarm]]
chance = "30%"
[swarm.set]
workload.0.keys = { between = [1, 8] }
"#;

fn plans(body: &str, seeds: u64) -> Vec<Plan> {
    let scenario = parse_with(body, &[]).unwrap();
    let plan = |seed| Plan::resolve(&scenario, seed).unwrap_or_else(|e| panic!("{seed}: {e}"));
    (1..=seeds).map(plan).collect()
}

#[test]
fn every_value_comes_and_every_order_of_magnitude() {
    let plans = plans(SWARM, 400);
    let nodes = |count| plans.iter().filter(|p| p.cluster.nodes == count).count();
    let counts = [3, 5, 7].map(nodes);
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 400);
    let between = |values: &[u64], (from, to)| {
        let inside = values.iter().filter(|value| (from..to).contains(*value));
        inside.count()
    };
    let snapshots: Vec<u64> = plans.iter().map(|p| p.cluster.snapshot_every).collect();
    for bounds in [(10, 100), (100, 1_000), (1_000, 5_001)] {
        assert!(between(&snapshots, bounds) > 60, "{bounds:?}");
    }
    assert_eq!(between(&snapshots, (10, 5_001)), 400);
    let syncs: Vec<u64> = plans.iter().map(|p| p.disk.sync_max_us).collect();
    for bounds in [(10, 100), (100, 1_000), (1_000, 10_000), (10_000, 60_001)] {
        assert!(between(&syncs, bounds) > 40, "{bounds:?}");
    }
    // Whole milliseconds stay so, which the cluster's own times must be.
    assert!(
        plans
            .iter()
            .all(|p| (300..=400).contains(&p.cluster.election_min_ms))
    );
}

#[test]
fn a_chance_is_that_of_a_seed_and_its_values_come_together() {
    let plans = plans(SWARM, 400);
    let drawn: Vec<&Plan> = plans
        .iter()
        .filter(|p| p.cluster.cache_entries < 100)
        .collect();
    assert!((80..160).contains(&drawn.len()), "{}", drawn.len());
    for plan in drawn {
        let expected = usize::from(plan.cluster.cache_entries == 40);
        assert_eq!(plan.cluster.spares, expected);
    }
}

#[test]
fn the_same_seed_draws_the_same_and_one_more_value_changes_no_other() {
    assert_eq!(plans(SWARM, 20), plans(SWARM, 20));
    let more =
        format!("{SWARM}\n[[swarm]]\nset.network.jitter = {{ between = [\"0us\", \"9ms\"] }}");
    for (mut more, plan) in plans(&more, 20).into_iter().zip(plans(SWARM, 20)) {
        let (key, _) = more.drawn.pop().expect("the jitter was drawn");
        assert_eq!(key, "network.jitter");
        more.network.jitter_us = plan.network.jitter_us;
        assert_eq!(more, plan);
    }
}

#[test]
fn what_was_drawn_is_as_good_as_an_override() {
    let scenario = parse_with(SWARM, &[]).unwrap();
    assert_eq!(scenario.drawn(), []);
    let mut chances = 0;
    for seed in 1..=20 {
        let drawn = scenario.draw(seed).unwrap();
        let settings = drawn.drawn().iter();
        let settings: Vec<_> = settings.map(|(k, v)| (k.as_str(), v.as_str())).collect();
        chances += usize::from(settings.iter().any(|(key, _)| *key == "workload.0.keys"));
        let mut by_hand = Plan::resolve(&parse_with("", &settings).unwrap(), seed).unwrap();
        let plan = Plan::resolve(&scenario, seed).unwrap();
        by_hand.drawn = plan.drawn.clone();
        assert_eq!(by_hand, plan);
        // Nothing is left to draw: with any seed, it is this configuration.
        assert_eq!(drawn.draw(seed + 1).unwrap(), drawn);
        let document = toml::to_string(&drawn.document()).unwrap();
        let again = Scenario::parse(&document, "again").unwrap();
        by_hand.drawn.clear();
        assert_eq!(Plan::resolve(&again, seed).unwrap(), by_hand);
    }
    assert!(chances > 0);
}

#[test]
fn an_override_fixes_what_would_be_drawn_and_the_plan_says_the_rest() {
    let scenario = parse_with(SWARM, &[("cluster.nodes", "4")]).unwrap();
    for seed in 1..=10 {
        assert_eq!(Plan::resolve(&scenario, seed).unwrap().cluster.nodes, 4);
    }
    let text = Plan::resolve(&scenario, 1).unwrap().to_string();
    let (_, drawn) = text
        .split_once("\ndrawn\n")
        .expect("it says what was drawn");
    assert!(drawn.contains("  cluster.snapshot_every="), "{drawn}");
}

#[test]
fn a_workload_that_is_switched_off_leaves_the_others_their_names() {
    let more = "[[workload]]\nservice = \"lock\"\n[[swarm]]\nset.workload.0.enabled = { one_of = [true, false] }";
    let mut without = 0;
    for plan in plans(more, 20) {
        let names: Vec<&str> = plan.workloads.iter().map(|w| w.name.as_str()).collect();
        match names[..] {
            ["lock", "lock-2"] => {}
            ["lock-2"] => without += 1,
            _ => panic!("{names:?}"),
        }
    }
    assert!((1..20).contains(&without));
    assert_eq!(
        error_with("", &[("workload.0.enabled", "false")]),
        "t.toml:1:1: no [[workload]] is enabled: a run without load proves nothing (with --set workload.0.enabled=false)"
    );
}

#[test]
fn mistakes_of_what_is_drawn() {
    check_errors(&[
        ("[[swarm]]", "t.toml:2:1: missing field `set` of the swarm"),
        (
            "[[swarm]]\nset.one_of = [{}, 3]",
            "t.toml:3:19: `set` of a swarm is a table",
        ),
        (
            "[[swarm]]\nset = 3",
            "t.toml:3:7: `set` of a swarm is a table",
        ),
        (
            "[[swarm]]\nchance = \"2s\"\nset = {}",
            "t.toml:3:10: unknown unit `s` in share `2s`, expected one of %, ppm",
        ),
        (
            "[[swarm]]\nodds = 3\nset = {}",
            "t.toml:3:1: unknown field `odds`, expected one of `chance`, `set`",
        ),
        (
            "[[swarm]]\nset.cluster.nodes = { one_of = [] }",
            "t.toml:3:32: `one_of` is a list of values",
        ),
        (
            "[[swarm]]\nset.cluster.nodes = { one_of = [3], between = [3, 4] }",
            "t.toml:3:21: `one_of` stands alone in its table",
        ),
        (
            "[[swarm]]\nset.cluster.nodes = { between = [3] }",
            "t.toml:3:33: `between` is a list of the least and the most",
        ),
        (
            "[[swarm]]\nset.cluster.nodes = { between = [5, 3] }",
            "t.toml:3:33: least 5 is above most 3",
        ),
        (
            "[[swarm]]\nset.disk.sync = { between = [\"5ms\", \"3%\"] }",
            "t.toml:3:29: `5ms` and `3%` are not of one kind",
        ),
    ]);
    let drawn = |body: &str| {
        let scenario = parse_with(body, &[]).unwrap();
        Plan::resolve(&scenario, 1).unwrap_err().to_string()
    };
    assert_eq!(
        drawn("[[swarm]]\nset.cluster.nodes = { between = [65, 65] }"),
        "drawn by [[swarm]]: cluster.nodes=65: nodes must be at most 64, not 65"
    );
    assert_eq!(
        drawn(
            "[cluster]\nheartbeat = \"100ms\"\n[[swarm]]\nset.cluster.election_timeout.min = \"150ms\""
        ),
        "t.toml:3:13: heartbeat 100ms is more than half of election_timeout min 150ms (with --set cluster.election_timeout.min=150ms)"
    );
}
