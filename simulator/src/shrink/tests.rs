//! Shrinking with an oracle that needs no cluster: what fails is known beforehand.

use super::*;
use crate::plan::Plan;

const LARGE: &str = r#"
name = "large"
summary = "Many faults, one of which matters."

[network]
latency = { min = "2ms", max = "3ms" }

[phases]
warmup = "5s"
chaos = "40s"

[[workload]]
service = "lock"
clients = 7

[[workload]]
service = "cache"
clients = 9
think = "10ms"

[[fault]]
at = "3123ms"
kill = ["leader", "follower"]
for = "1s"
repeat = { every = "4s", times = 6 }

[[fault]]
at = "17s"
partition = [["leader", "node-2"], ["all"]]
for = "2567ms"

[objectives]
lost = 0
"#;

/// Says that a scenario fails if a condition holds, and counts what it is asked.
struct Known<F> {
    fails: F,
    asked: u64,
    most_asked: u64,
    found: Vec<usize>,
}

impl<F: Fn(&Plan) -> bool> Oracle for Known<F> {
    fn first_failing(&mut self, scenario: &str, seeds: &[u64]) -> Result<Option<Failing>, Over> {
        self.asked += 1;
        if self.asked > self.most_asked {
            return Err(Over);
        }
        let scenario = Scenario::parse(scenario, "candidate").expect("only valid ones are asked");
        let failing = seeds.iter().find_map(|seed| {
            let plan = Plan::resolve(&scenario, *seed).expect("the scenario is valid");
            let clients = plan.workloads.len() as u64;
            (self.fails)(&plan).then(|| Failing {
                seed: *seed,
                operations: clients * plan.phases.chaos_us / 10_000,
                simulated_us: plan.phases.chaos_us,
                reason: "as expected".into(),
            })
        });
        Ok(failing)
    }

    fn found(&mut self, best: &Shrunk) {
        self.found.push(best.faults());
    }
}

fn explicit(text: &str, seed: u64) -> Table {
    let scenario = Scenario::parse(text, "large.toml").expect("it is valid");
    let plan = Plan::resolve(&scenario, seed).expect("it is valid");
    document::explicit(&scenario, &plan)
}

fn shrunk(most_asked: u64, fails: impl Fn(&Plan) -> bool) -> (Shrunk, Vec<usize>) {
    let mut oracle = Known {
        fails,
        asked: 0,
        most_asked,
        found: Vec::new(),
    };
    let shrunk = shrink(explicit(LARGE, 7), 7, &mut oracle).expect("the large one fails");
    (shrunk, oracle.found)
}

fn has_partition(plan: &Plan) -> bool {
    let mut faults = plan.faults.iter();
    faults.any(|fault| fault.action.kind() == crate::fault::FaultKind::Partition)
}

#[test]
fn the_explicit_scenario_has_the_plan_of_the_first() {
    let first = Scenario::parse(LARGE, "large.toml").expect("it is valid");
    let text = write(&explicit(LARGE, 7));
    assert!(!text.contains("repeat"), "{text}");
    let again = Scenario::parse(&text, "again.toml").expect("it is valid");
    for seed in [7, 8] {
        let [first, again] = [&first, &again].map(|s| Plan::resolve(s, seed).expect("it is valid"));
        assert_eq!(first, again);
    }
}

#[test]
fn every_kind_of_fault_can_be_written_out() {
    let text = r#"
name = "all-kinds"
[[workload]]
service = "cache"
[[fault]]
at = "1s"
stop = ["node-1"]
[[fault]]
at = "1s"
pause = ["any"]
for = "1500us"
[[fault]]
at = "2s"
power_loss = ["all"]
for = "1s"
[[fault]]
at = "3s"
isolate = ["minority"]
[[fault]]
at = "4s"
partition = [["node-1", "node-2"], ["node-3"]]
one_way = true
[[fault]]
at = "5s"
partition = [["node-1", "node-2"], ["node-3", "node-4"]]
bridge = "node-5"
[[fault]]
at = "6s"
link = { from = ["leader"], to = "all", latency = "1ms", jitter = "2ms", loss = "0.5%", bandwidth = "1MB/s" }
[[fault]]
at = "7s"
transfer = "follower"
[[fault]]
at = "7s"
reset = ["leader"]
with = "clients"
[[fault]]
at = "8s"
crash_loop = ["node-1"]
up = "20ms"
[[fault]]
at = "8s"
disk = ["any"]
damage = "full"
[[fault]]
at = "8s"
disk = ["any"]
slow_sync = "5ms"
[[fault]]
at = "8s"
disk = ["any"]
lost_tail = "4KiB"
[[fault]]
at = "8s"
clock = ["any"]
drift = "-0.02%"
[[fault]]
at = "9s"
member = { replace = "follower" }
[[fault]]
at = "9s"
client = { crash = 2 }
"#;
    let first = Scenario::parse(text, "all-kinds.toml").expect("it is valid");
    let again = write(&explicit(text, 1));
    let again = Scenario::parse(&again, "again.toml").expect("it is valid");
    let [first, again] = [first, again].map(|s| Plan::resolve(&s, 1).expect("it is valid"));
    assert_eq!(first, again);
}

#[test]
fn what_does_not_matter_goes() {
    let (shrunk, found) = shrunk(u64::MAX, |plan| {
        has_partition(plan) && plan.workloads.iter().any(|w| w.name == "cache")
    });
    let expected = "\
name = \"large\"

[phases]
chaos = \"100ms\"
serve = \"100ms\"
warmup = \"1s\"

[probe]
enabled = false

[[workload]]
service = \"cache\"
";
    let text = shrunk.text();
    assert_eq!(shrunk.faults(), 1, "{text}");
    assert!(
        text.contains("partition = [[\"leader\"], [\"all\"]]"),
        "{text}"
    );
    assert!(text.contains("service = \"cache\""), "{text}");
    for gone in ["kill", "lock", "objectives", "summary", "network", "40s"] {
        assert!(!text.contains(gone), "{gone} is still there\n{text}");
    }
    assert!(
        text.lines().count() <= expected.lines().count() + 8,
        "{text}"
    );
    assert_eq!((found.first(), found.last()), (Some(&7), Some(&1)));
}

#[test]
fn two_faults_that_only_fail_together_stay() {
    let (shrunk, _) = shrunk(u64::MAX, |plan| {
        let kills = plan
            .faults
            .iter()
            .filter(|fault| fault.action.kind() == crate::fault::FaultKind::Kill);
        kills.count() >= 2 && has_partition(plan)
    });
    assert_eq!(shrunk.faults(), 3, "{}", shrunk.text());
}

#[test]
fn a_failure_without_faults_keeps_none() {
    let (shrunk, _) = shrunk(u64::MAX, |plan| plan.cluster.nodes >= 2);
    assert_eq!(shrunk.faults(), 0);
    assert!(shrunk.text().contains("nodes = 2"), "{}", shrunk.text());
}

#[test]
fn an_interrupted_search_ends_with_the_best_so_far() {
    let (shrunk, found) = shrunk(24, has_partition);
    assert_eq!(Some(&shrunk.faults()), found.last());
    assert!(shrunk.faults() < 7);
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let mut oracle = Known {
        fails: |_: &Plan| false,
        asked: 0,
        most_asked: 9,
        found: Vec::new(),
    };
    assert_eq!(shrink(explicit(LARGE, 7), 7, &mut oracle), None);
}

#[test]
fn drawn_faults_written_out_are_the_same_faults() {
    let chaos = include_str!("../../../scenarios/chaos.toml");
    let drawn = Scenario::parse(chaos, "chaos.toml").expect("the catalogue is well formed");
    for seed in 0..50 {
        let plan = Plan::resolve(&drawn, seed).expect("the scenario is valid");
        let text =
            toml::to_string(&document::explicit(&drawn, &plan)).expect("a document is plain data");
        let written =
            Scenario::parse(&text, "explicit.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
        let again = Plan::resolve(&written, seed).expect("the scenario is valid");
        assert_eq!(again.faults, plan.faults, "seed {seed}\n{text}");
    }
}

/// What is drawn for points as well, and the order, which stands where it was written.
#[test]
fn what_happens_at_points_is_written_out() {
    let text = "name = \"t\"\n[schedule]\norder = \"random\"\n\
                [chaos]\npoints = \"50%\"\nat_points = \"90%\"\n\
                [[point]]\nname = \"apply.before\"\nwait = \"5ms\"\ntimes = 3\n\
                [[workload]]\nservice = \"cache\"\n";
    let first = Scenario::parse(text, "t.toml").expect("it is valid");
    for seed in 0..20 {
        let first = Plan::resolve(&first, seed).expect("it is valid");
        assert!(first.points.len() > 1 && first.uses_points());
        let text = write(&explicit(text, seed));
        let again = Scenario::parse(&text, "again.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
        let again = Plan::resolve(&again, seed).expect("it is valid");
        assert_eq!(first.points, again.points);
        assert_eq!(first.order, again.order);
        let faults = |plan: &Plan| plan.faults.clone();
        assert_eq!(faults(&first), faults(&again));
    }
}

/// One point, at its first pass, is left of many.
#[test]
fn points_that_do_not_matter_go() {
    let text = "name = \"t\"\n[chaos]\npoints = \"50%\"\nat_points = \"90%\"\n\
                [[workload]]\nservice = \"cache\"\n\
                [[point]]\nname = \"log.synced\"\nyield = 9\n";
    let mut oracle = Known {
        fails: |plan: &Plan| {
            let mut points = plan.points.iter();
            points.any(|point| point.point == crate::fault::Point::LogSynced)
        },
        asked: 0,
        most_asked: u64::MAX,
        found: Vec::new(),
    };
    let shrunk = shrink(explicit(text, 7), 7, &mut oracle).expect("it fails");
    let text = shrunk.text();
    assert_eq!(shrunk.faults(), 0, "{text}");
    assert_eq!(text.matches("[[point]]").count(), 1, "{text}");
    assert!(
        text.contains("yield = 1\n") || text.contains("times = 1\n"),
        "{text}"
    );
}
