//! The search: what it keeps, what it varies, and that it makes the same choices again.

use super::*;

const SCENARIO: &str = r#"
name = "small"

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "10s"

[chaos]

[[workload]]
service = "cache"
clients = 4
think = { min = "10ms", max = "40ms" }
"#;

fn explorer(seed: u64) -> Explorer<'static> {
    let scenario = Scenario::parse(SCENARIO, "small").expect("it is well formed");
    let planner =
        |scenario: &Scenario, seed| Plan::resolve(scenario, seed).map_err(|e| e.to_string());
    Explorer::new(vec![scenario], Box::new(planner), seed)
}

fn things(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Some rounds of runs that each meet something of their own.
fn rounds(explorer: &mut Explorer, count: usize) -> Vec<Candidate> {
    let mut all = Vec::new();
    for _ in 0..count {
        for candidate in explorer.round(ROUND).expect("the scenario is well formed") {
            let met = format!("{}", all.len());
            explorer.learn(&candidate, vec![met]);
            all.push(candidate);
        }
    }
    all
}

#[test]
fn a_run_is_kept_for_what_no_run_had_met() {
    let mut explorer = explorer(1);
    let candidates = explorer.round(ROUND).expect("the scenario is well formed");
    assert!(
        candidates
            .iter()
            .all(|candidate| candidate.origin == Origin::Drawn)
    );
    let [a, b, c, ..] = candidates.as_slice() else {
        panic!("a round has more runs than {}", candidates.len());
    };
    assert_eq!(explorer.learn(a, things(&["x", "y"])), things(&["x", "y"]));
    assert_eq!(explorer.learn(b, things(&["x"])), things(&[]));
    assert_eq!(explorer.learn(c, things(&["x", "z"])), things(&["z"]));
    assert_eq!((explorer.met(), explorer.kept()), (3, 2));
    let drawn = Yield { runs: 3, new: 2 };
    assert_eq!(explorer.yields()[0], ("drawn", drawn));
    // `y` and `z` were met once, `x` three times.
    assert_eq!(explorer.rarity(0), 1_000_000 + 333_333);
}

/// As with a scenario half of whose draws make no scenario.
#[test]
fn a_seed_that_makes_no_plan_is_passed_over_and_a_scenario_without_any_is_refused() {
    let planner = |every: u64| {
        move |scenario: &Scenario, seed: u64| match seed % every {
            0 => Err(format!("seed {seed} is refused")),
            _ => Plan::resolve(scenario, seed).map_err(|e| e.to_string()),
        }
    };
    let search = |every| {
        let scenario = Scenario::parse(SCENARIO, "small").expect("it is well formed");
        Explorer::new(vec![scenario], Box::new(planner(every)), 1).round(ROUND)
    };
    let candidates = search(2).expect("every other seed will do");
    assert!(candidates.iter().all(|candidate| candidate.seed % 2 == 1));
    let why = search(1).expect_err("no seed will do");
    assert!(why.ends_with("is refused"), "{why}");
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let [a, again, b] = [7, 7, 8].map(|seed| {
        let candidates = rounds(&mut explorer(seed), 4);
        let known = |candidate: &Candidate| (candidate.seed, candidate.text());
        candidates.iter().map(known).collect::<Vec<_>>()
    });
    assert!(a == again);
    assert!(a != b);
}

#[test]
fn variations_are_scenarios_of_their_own_and_of_the_same_length() {
    let mut explorer = explorer(3);
    let candidates = rounds(&mut explorer, 20);
    let is_varied = |candidate: &&Candidate| candidate.origin != Origin::Drawn;
    let varied: Vec<_> = candidates.iter().filter(is_varied).collect();
    // At least a fifth of what comes after the first round, less what chance takes.
    assert!(varied.len() > candidates.len() / 8, "{}", varied.len());
    let mut said = std::collections::BTreeSet::new();
    let has = |words: &str| {
        varied
            .iter()
            .any(|candidate| candidate.text().contains(words))
    };
    assert!(has("[[point]]") && has("nth = "), "points are varied");
    for candidate in &varied {
        let scenario = Scenario::parse(&candidate.text(), "varied").expect("it was read before");
        let plan = Plan::resolve(&scenario, candidate.seed).expect("it was planned before");
        assert_eq!(
            (plan.phases.warmup_us, plan.phases.chaos_us),
            (1_000_000, 10_000_000)
        );
        if let Origin::Varied { parent, changes } = &candidate.origin {
            assert!(*parent < explorer.kept());
            said.extend(changes.iter().copied());
        }
    }
    assert_eq!(said.len(), 11, "every kind of change is made: {said:?}");
}
