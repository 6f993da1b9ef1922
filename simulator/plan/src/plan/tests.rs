//! Plans: determinism, fixed streams, expansion of repeats, the printed form.

use rand::Rng;

use std::collections::BTreeSet;

use super::{Delay, Pacing, Plan, PlannedFault, Seed, can_wait_for_point};
use crate::scenario::Scenario;
use squall_fault::kind::Drawn;
use squall_fault::{Action, FaultKind, NodeFault, Point};

fn shipped(name: &str) -> Scenario {
    let path = format!("{}/../../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    Scenario::load(path).expect("a shipped scenario is valid")
}

fn scenario(text: &str) -> Scenario {
    let text =
        format!("name = \"t\"\n{text}\n[[workload]]\nservice = \"queue\"\nrate = \"300/s\"\n");
    Scenario::parse(&text, "t.toml").expect("the test's scenario is valid")
}

#[test]
fn a_seed_gives_one_plan_and_another_seed_another() {
    let drawn = "[clock]\noffset = { min = \"-1s\", max = \"1s\" }\ndrift = { max = \"100ppm\" }";
    let scenario = scenario(drawn);
    let plan = |seed| Plan::resolve(&scenario, seed).unwrap();
    assert_eq!(plan(7), plan(7));
    assert_eq!(plan(7).to_string(), plan(7).to_string());
    assert_ne!(plan(7).clocks, plan(8).clocks);
    assert_ne!(plan(7).workloads[0].seed, plan(8).workloads[0].seed);
    for clock in plan(7).clocks {
        assert!((-1_000_000..=1_000_000).contains(&clock.offset_us));
        assert!((0..=100).contains(&clock.drift_ppm));
    }
}

#[test]
fn json_holds_the_whole_plan() {
    for name in ["failure-recovery", "bridge-partition", "slow-network"] {
        let plan = Plan::resolve(&shipped(name), 3).unwrap();
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
}

#[test]
fn streams_never_change() {
    let seed = Seed(42);
    assert_eq!(seed.fork("network").0, NETWORK_OF_42);
    assert_eq!(seed.fork("network").rng().next_u64(), FIRST_OF_NETWORK);
    assert_ne!(seed.fork("a").fork("b"), seed.fork("b").fork("a"));
    assert_ne!(seed.fork("network"), seed.fork("disk"));
    assert_ne!(Seed(0).fork("network"), Seed(0));
}

// Changing these makes every recorded seed mean another run.
const NETWORK_OF_42: u64 = 15527399276247453465;
const FIRST_OF_NETWORK: u64 = 9426506825643900132;

#[test]
fn repeats_are_separate_faults_in_order_of_time() {
    let scenario = scenario(
        r#"
[[fault]]
at = "3s"
isolate = ["leader"]
[[fault]]
at = "1s"
kill = ["any"]
for = "500ms"
repeat = { every = "2s", times = 3 }
[[fault]]
at = "2s"
transfer = "follower"
"#,
    );
    let plan = Plan::resolve(&scenario, 1).unwrap();
    let times: Vec<_> = plan
        .faults
        .iter()
        .map(|fault| {
            (
                fault.id,
                fault.at_us,
                fault.until_us,
                fault.action.kind().name(),
            )
        })
        .collect();
    let expected = [
        (0, 6_000_000, 6_500_000, "kill"),
        (1, 7_000_000, 7_000_000, "transfer"),
        (2, 8_000_000, 35_000_000, "isolate"),
        (3, 8_000_000, 8_500_000, "kill"),
        (4, 10_000_000, 10_500_000, "kill"),
    ];
    assert_eq!(times, expected);
}

#[test]
fn workloads_have_names_and_paces_of_their_own() {
    let two = "[[workload]]\nservice = \"queue\"\nthink = \"5ms\"\noperations = 9";
    let plan = Plan::resolve(&scenario(two), 1).unwrap();
    let names: Vec<_> = plan.workloads.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["queue", "queue-2"]);
    assert_ne!(plan.workloads[0].seed, plan.workloads[1].seed);
    assert_eq!(plan.workloads[0].operations, Some(9));
    let closed = Pacing::Closed {
        think_min_us: 5_000,
        think_max_us: 5_000,
    };
    assert_eq!(plan.workloads[0].pacing, closed);
    assert_eq!(
        plan.workloads[1].pacing,
        Pacing::Open { interval_us: 3_333 }
    );
}

#[test]
fn a_scenario_changed_after_parsing_is_checked_again() {
    let mut scenario = shipped("failure-recovery");
    scenario.cluster.nodes = toml::Spanned::new(0..0, 1);
    let error = Plan::resolve(&scenario, 1).unwrap_err().to_string();
    assert!(error.contains("more followers asked for"), "{error}");
}

#[test]
fn failure_recovery_reads_well() {
    let plan = Plan::resolve(&shipped("failure-recovery"), 42).unwrap();
    assert_eq!(plan.to_string(), FAILURE_RECOVERY);
}

const FAILURE_RECOVERY: &str = "\
failure-recovery, seed 42
Five nodes; the leader and one follower die together, and come back ten seconds later.

cluster   5 nodes, heartbeat 100ms, election timeout 300ms..600ms, snapshot every 5000 entries
network   latency 1ms..5ms one way
disk      sync 200us..2ms
clocks    exact
phases    warmup 5s, chaos 20s, converge within 30s, serve 3s, audit within 60s
probe     every 10ms around faults, every 100ms otherwise, timeout 1s

workloads
  lock     4 clients, 3 locks, 25% shared, ttl 10s, wait 500ms, hold 5ms, think 50ms..100ms, timeout 1s
  queue    2 producers, 2 consumers, 1 queue, payload 100B, visibility 30s, think 50ms..100ms, timeout 1s
  cache    4 clients, 10 keys, 80% reads, payload 100B, think 50ms..100ms, timeout 1s

faults
  #0  t=+10.000s  for 10.000s  kill [leader, follower]

objectives
  election p99   at most 3s
  downtime max   at most 4s
  recovery max   at most 10s
  recovery point at most 0s
  lost           at most 0

must judge L1, lost_grants, Q1, Q3, C1, lost_writes, R2, R4
";

fn chaos(keys: &str) -> Scenario {
    scenario(&format!("[cluster]\nspares = 1\n[chaos]\n{keys}"))
}

#[test]
fn chaos_is_drawn_from_the_seed_within_its_phase() {
    let scenario = chaos("");
    let plan = |seed| Plan::resolve(&scenario, seed).unwrap();
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7).faults, plan(8).faults);
    for seed in 0..200 {
        let plan = plan(seed);
        let ends_us = plan.phases.warmup_us + plan.phases.chaos_us;
        for (id, fault) in plan.faults.iter().enumerate() {
            assert_eq!(fault.id, id);
            assert!(fault.drawn);
            assert!(fault.at_us >= plan.phases.warmup_us, "{fault:?}");
            assert!(fault.until_us <= ends_us, "{fault:?}");
            assert_eq!(fault.action.is_instant(), fault.at_us == fault.until_us);
        }
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
}

#[test]
fn every_seed_leaves_kinds_out_and_none_is_left_out_by_all() {
    let scenario = chaos("");
    let always = FaultKind::ALL.iter().copied();
    let always = always.filter(|kind| kind.info().drawn == Drawn::Always);
    let always: Vec<FaultKind> = always.collect();
    let mut used = BTreeSet::new();
    for seed in 0..50 {
        let plan = Plan::resolve(&scenario, seed).unwrap();
        let kinds = plan.chaos.unwrap().kinds;
        assert!(!kinds.is_empty());
        assert!(kinds.len() < always.len(), "seed {seed} uses every kind");
        used.extend(plan.faults.iter().map(|fault| fault.action.kind()));
    }
    // Plans and histories show some kinds under a shared name.
    let shown = always.iter().map(|kind| kind.info().recorded_as);
    assert_eq!(used, shown.collect());
}

#[test]
fn chaos_of_chosen_kinds_draws_no_others() {
    let scenario = chaos("kinds = [\"kill\", \"bit_rot\"]\nswarm = false\naimed = \"100%\"");
    let plan = Plan::resolve(&scenario, 3).unwrap();
    assert_eq!(
        plan.chaos.unwrap().kinds,
        [FaultKind::Kill, FaultKind::BitRot]
    );
    assert!(!plan.faults.is_empty());
    for fault in &plan.faults {
        assert!([FaultKind::Kill, FaultKind::BitRot].contains(&fault.action.kind()));
        assert!(fault.when.is_some());
    }
}

/// Kills that overlap never ask for more than a minority; without a limit they do, and what
/// loses data does not while damage has one.
#[test]
fn the_budget_limits_what_overlaps() {
    let most = |kind: &str, keys: &str| {
        let scenario = chaos(&format!(
            "kinds = [\"{kind}\"]\nswarm = false\ngap = \"100ms\"\naimed = \"0%\"\n{keys}"
        ));
        let mut most = 0;
        for seed in 0..50 {
            let plan = Plan::resolve(&scenario, seed).unwrap();
            for fault in &plan.faults {
                let alike = plan.faults.iter();
                let overlap = alike.filter(|f| f.at_us <= fault.at_us && fault.at_us < f.until_us);
                let nodes = overlap.map(|fault| -> usize {
                    match &fault.action {
                        Action::Nodes {
                            does: NodeFault::Kill | NodeFault::Wipe,
                            targets,
                        } => targets.iter().map(|t| t.count(plan.cluster.nodes)).sum(),
                        other => panic!("{other} was not asked for"),
                    }
                });
                most = most.max(nodes.sum());
            }
        }
        most
    };
    assert_eq!(most("kill", ""), 2);
    assert!(most("kill", "budget = \"unlimited\"") > 2);
    assert_eq!(most("wipe", "budget = \"damage\""), 2);
    // All at once, which only what loses no data may do.
    let strikes_all = |kind: &str, budget: &str| {
        let keys = format!("kinds = [\"{kind}\"]\nswarm = false\nbudget = \"{budget}\"");
        let scenario = chaos(&keys);
        (0..20).any(|seed| {
            let plan = Plan::resolve(&scenario, seed).unwrap();
            let actions = plan.faults.iter().map(|fault| &fault.action);
            actions.clone().any(|action| {
                matches!(action, Action::Nodes { targets, .. } if targets.contains(&squall_fault::Target::All))
            })
        })
    };
    assert!(strikes_all("kill", "damage"));
    assert!(!strikes_all("kill", "minority") && !strikes_all("wipe", "damage"));
}

#[test]
fn a_rolling_restart_lasts_as_long_as_it_takes() {
    let scenario =
        scenario("[[fault]]\nat = \"1s\"\nrolling_restart = [\"all\"]\ndown = \"2s\"\nup = \"1s\"");
    let plan = Plan::resolve(&scenario, 1).unwrap();
    assert_eq!(plan.faults[0].until_us - plan.faults[0].at_us, 15_000_000);
}

#[test]
fn a_mix_is_printed_after_the_plain_run() {
    let mixed = r#"
[[workload]]
service = "lock"
ttl = "900ms"
crash = "10%"
watchers = 2
[[workload]]
service = "cache"
mode = "stale"
increments = "20%"
retries = "5%"
reuse = "2%"
"#;
    let plan = Plan::resolve(&scenario(mixed), 1).unwrap().to_string();
    let lock = "ttl 900ms, wait 500ms, hold 5ms, 10% crash, 2 watching, think";
    assert!(plan.contains(lock), "{plan}");
    let cache = "reads at most 500ms old, 20% increments, 5% sent again after 100ms..1s, \
                 2% under a used sequence";
    assert!(plan.contains(cache), "{plan}");
}

/// What happens at points is drawn beside everything else, and changes nothing of it.
#[test]
fn points_are_drawn_beside_the_faults() {
    let plan = |keys: &str, seed| Plan::resolve(&chaos(keys), seed).unwrap();
    let mut used = BTreeSet::new();
    let mut struck = BTreeSet::new();
    for seed in 0..60 {
        let plain = plan("", seed);
        assert!(!plain.uses_points());
        let drawn = plan("points = \"30%\"\nat_points = \"50%\"", seed);
        assert_eq!(drawn, plan("points = \"30%\"\nat_points = \"50%\"", seed));
        let times = |plan: &Plan| -> Vec<(u64, u64, FaultKind)> {
            let faults = plan.faults.iter();
            let time = |f: &PlannedFault| (f.at_us, f.until_us, f.action.kind());
            faults.map(time).collect()
        };
        assert_eq!(times(&plain), times(&drawn));
        for fault in &drawn.faults {
            let Some(point) = fault.point() else { continue };
            struck.insert(point);
            assert!(can_wait_for_point(&fault.action), "{}", fault.action);
            let [[target]] = fault.action.groups()[..] else {
                panic!("{} is not of one node", fault.action);
            };
            assert!(target.is_single());
        }
        for point in &drawn.points {
            used.insert(point.point);
            let most = point.every_max;
            match point.does {
                Delay::Wait {
                    max_us: 1_001.., ..
                } => assert!((9..=99).contains(&most)),
                _ => assert!((1..=39).contains(&most)),
            }
        }
        assert!(
            drawn.points.len() < Point::ALL.len(),
            "seed {seed} uses every point"
        );
    }
    assert_eq!(
        used.len(),
        Point::ALL.len(),
        "every point is switched on by some seed"
    );
    assert_eq!(
        struck.len(),
        Point::ALL.len(),
        "at every point some fault strikes"
    );
}
