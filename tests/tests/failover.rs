//! How soon another node leads, by how the leader was lost.

use squall::report::RunVerdict;
use squall::run;
use squall::scenario::Scenario;

const HEARTBEAT_US: u64 = 100_000;
const SHORTEST_US: u64 = 1_000_000;
const LONGEST_US: u64 = 2_000_000;

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
    let scenario = Scenario::parse(&text, "failover.toml").expect("a valid scenario");
    let mut all_us = Vec::new();
    for seed in 1..=3 {
        let judged = run::run(&scenario, seed, "").expect("the simulation works");
        let report = judged.report;
        assert_eq!(report.verdict, RunVerdict::Pass, "{}", report.reason);
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
