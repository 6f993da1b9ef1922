//! Tests how soon another node leads, by how the leader was lost.

use squall::report::{Report, RunVerdict};
use squall::run;
use squall::scenario::Scenario;

const HEARTBEAT_US: u64 = 100_000;
const SHORTEST_US: u64 = 1_000_000;
const LONGEST_US: u64 = 2_000_000;

/// A passing run of a scenario.
fn passed(text: &str, seed: u64) -> Report {
    let scenario = Scenario::parse(text, "failover.toml").expect("a valid scenario");
    let judged = run::run(&scenario, seed, "").expect("the simulation works");
    let report = judged.report;
    assert_eq!(
        report.verdict,
        RunVerdict::Pass,
        "{seed}: {}",
        report.reason
    );
    report
}

/// Time from the loss of each leader to its successor's first commit, microseconds, when each is
/// lost by this fault.
fn elections_us(fault: &str) -> Vec<u64> {
    let text = format!(
        r#"
name = "failover"
[cluster]
heartbeat = "100ms"
election_timeout = {{ min = "1s", max = "2s" }}
[phases]
warmup = "3s"
chaos = "22s"
[probe]
enabled = false
[[workload]]
service = "cache"
think = "50ms"
[[fault]]
at = "1s"
{fault}
for = "4s"
repeat = {{ every = "7s", times = 3 }}
"#
    );
    let mut all_us = Vec::new();
    for seed in 1..=3 {
        let report = passed(&text, seed);
        let elected = report.faults.iter().filter_map(|fault| fault.elected_ms);
        all_us.extend(elected.map(|time| time.get()));
    }
    assert_eq!(all_us.len(), 9, "{all_us:?}");
    all_us
}

#[test]
fn nobody_waits_for_a_leader_whose_process_is_gone() {
    let mut all_us = elections_us("kill = [\"leader\"]");
    all_us.sort_unstable();
    assert!(all_us[4] < 2 * HEARTBEAT_US, "{all_us:?}");
    // Two who stand at the same time wait for one of them to be the first to stand again.
    assert!(all_us[8] <= 2 * LONGEST_US, "{all_us:?}");
}

#[test]
fn a_silent_leader_costs_one_election_timeout() {
    for fault in ["power_loss = [\"leader\"]", "pause = [\"leader\"]"] {
        let all_us = elections_us(fault);
        // A heartbeat may have come just before; two who stand at once may have to stand again.
        let within_one = all_us.iter().filter(|us| **us <= LONGEST_US + HEARTBEAT_US);
        assert!(within_one.count() >= 8, "{fault}: {all_us:?}");
        for us in all_us {
            assert!(us + 2 * HEARTBEAT_US >= SHORTEST_US, "{fault}: {us} us");
            assert!(us <= 2 * LONGEST_US, "{fault}: {us} us");
        }
    }
}

/// The follower that clients ask next names the leader that is cut off with it.
#[test]
fn no_client_asks_in_a_ring_while_the_majority_has_a_leader() {
    for seed in 1..=3 {
        let report = passed(
            r#"
name = "ring"
[phases]
warmup = "4s"
chaos = "14s"
[[workload]]
service = "cache"
clients = 6
think = "30ms"
[[fault]]
at = "2s"
partition = [["node-1", "node-2"], ["all"]]
for = "10s"
"#,
            seed,
        );
        let down = report.downtime_ms.any.expect("it was asked").clients;
        assert_eq!(down.asked, 6);
        assert!(down.max.get() < 2_500_000, "{seed}: {down:?}");
    }
}

/// A new leader's first entry carries the time of its proposal; how long it takes to commit on
/// lossy links is no time of anybody's session.
#[test]
fn a_first_commit_that_takes_long_costs_no_session() {
    for seed in 1..=2 {
        let report = passed(
            r#"
name = "slow-first-commit"
must_judge = ["L5"]
[phases]
warmup = "2s"
chaos = "16s"
serve = "1s"
[probe]
enabled = false
[[workload]]
service = "lock"
clients = 20
keys = 4
ttl = "1500ms"
renew = "1250ms"
hold = "20ms"
wait = "500ms"
retries = "40%"
retry_after = { min = "100ms", max = "2s" }
timeout = "600ms"
think = { min = "50ms", max = "200ms" }
[[fault]]
at = "1s"
link = { from = "all", to = "all", loss = "10%" }
for = "14s"
[[fault]]
at = "2s"
kill = ["leader", "follower"]
for = "1500ms"
repeat = { every = "4s", times = 3 }
"#,
            seed,
        );
        assert_eq!(report.faults.len(), 4);
    }
}

/// Two hand-overs, and a kill of the leader between them.
#[test]
fn each_change_of_leaders_is_charged_to_what_caused_it() {
    let report = passed(
        r#"
name = "charges"
[cluster]
nodes = 3
[phases]
warmup = "4s"
chaos = "20s"
[[workload]]
service = "cache"
clients = 4
think = "30ms"
[[fault]]
at = "2s"
transfer = "node-2"
[[fault]]
at = "12s"
kill = ["node-2"]
for = "3s"
[[fault]]
at = "18s"
transfer = "node-1"
"#,
        1,
    );
    let elected: Vec<_> = report.faults.iter().map(|fault| fault.elected_ms).collect();
    assert_eq!(elected.len(), 3);
    for us in elected.iter().map(|time| time.map(|ms| ms.get())) {
        assert!(us.is_some_and(|us| us < 1_500_000), "{elected:?}");
    }
}
