//! Measures how fast histories are judged, as statistics: `cargo bench --bench checker`.
//!
//! Ten thousand operations on a cache, judged by their versions and by the search alone, as
//! `squall check` does; then every check, and every measure, of the history of a real run
//! with a failover. The bench `linearizability` has a million operations, and memory.

mod made;

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use made::made;
use squall::check::external::{Limits, Model, judge_history};
use squall::check::{Verdict, check_all};
use squall::history::History;
use squall::measure::measure;
use squall::plan::Plan;
use squall::scenario::Scenario;

/// The allocator of the `squall` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OPERATIONS: usize = 10_000;

fn linearizability(criterion: &mut Criterion) {
    let history = made(OPERATIONS);
    let by_versions = Limits::default();
    let by_search = Limits {
        search_only: true,
        ..by_versions
    };
    let mut group = criterion.benchmark_group("checker");
    group.throughput(Throughput::Elements(OPERATIONS as u64));
    for (name, limits) in [("versions", by_versions), ("search", by_search)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let judged = judge_history(&history, Model::Register, &limits);
                let judged = judged.expect("the history is well formed");
                assert_eq!(judged.verdict, Verdict::Pass, "{}", judged.detail);
            });
        });
    }
    group.finish();
}

fn of_a_run(criterion: &mut Criterion) {
    let history = run();
    let events = history.events.len() as u64;
    let mut group = criterion.benchmark_group("checker/run");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(events));
    group.bench_function("all checks", |bencher| {
        bencher.iter(|| {
            let checks = check_all(&history);
            assert!(checks.iter().all(|check| check.verdict == Verdict::Pass));
        });
    });
    group.bench_function("all measures", |bencher| bencher.iter(|| measure(&history)));
    group.finish();
}

/// The repository's first scenario: locks, queues and a cache, two nodes killed.
fn run() -> History {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/failure-recovery.toml");
    let scenario = Scenario::load(&file).expect("the repository's scenario is valid");
    let plan = Plan::resolve(&scenario, 1).expect("the scenario can be planned");
    squall_sim::run(&plan)
        .expect("the simulation works")
        .history
}

criterion_group!(benches, linearizability, of_a_run);
criterion_main!(benches);
