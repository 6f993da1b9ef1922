//! Measures elections by election timeout: `leader-kill` on many seeds.
//!
//! ```text
//! cargo run --release --example elections -- 200
//! ```

use std::path::PathBuf;

use squall::run;
use squall::scenario::Scenario;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Heartbeat, minimum and maximum election timeout, milliseconds.
const TIMEOUTS_MS: [(u64, u64, u64); 3] = [(50, 150, 300), (100, 300, 600), (250, 1_000, 2_000)];

fn main() {
    let seeds: u64 = std::env::args()
        .nth(1)
        .map_or(200, |text| text.parse().expect("a number of seeds"));
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/leader-kill.toml");
    println!("| heartbeat | election timeout | elections | min | p50 | p90 | p99 | max |");
    println!("|---|---|---|---|---|---|---|---|");
    for (heartbeat, min, max) in TIMEOUTS_MS {
        let settings = [
            ("cluster.heartbeat", format!("{heartbeat}ms")),
            ("cluster.election_timeout.min", format!("{min}ms")),
            ("cluster.election_timeout.max", format!("{max}ms")),
            ("probe.enabled", "false".into()),
        ];
        let settings: Vec<(String, String)> = (settings.into_iter())
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let scenario = Scenario::load_with(&file, &settings).expect("the scenario is well formed");
        let mut times_us: Vec<u64> = Vec::new();
        for seed in 1..=seeds {
            let judged = run::run(&scenario, seed, "").expect("the simulation works");
            let elected = judged.report.faults.iter().filter_map(|f| f.elected_ms);
            times_us.extend(elected.map(|time| time.get()));
        }
        times_us.sort_unstable();
        let at = |percent: usize| {
            let rank = (times_us.len() * percent).div_ceil(100).max(1);
            format!("{} ms", times_us[rank - 1] / 1_000)
        };
        println!(
            "| {heartbeat} ms | {min}–{max} ms | {} | {} | {} | {} | {} | {} |",
            times_us.len(),
            at(0),
            at(50),
            at(90),
            at(99),
            at(100)
        );
    }
}
