//! Measures the steps of a simulation, as statistics: `cargo bench --bench engine_steps`.
//!
//! A task that is woken, a timer that fires, and short runs of an idle cluster and of one
//! under closed-loop load, whose throughput is simulated seconds a second. The bench `engine` has whole runs, memory, and the comparison
//! with classic `turmoil`.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall::plan::{Plan, Seed};
use squall::scenario::Scenario;
use squall_engine::solo;
use squall_sim::world::SimWorld;
use squall_world::World;
use tokio::sync::mpsc;

/// The allocator of the `squall` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IDLE: &str = include_str!("idle.toml");
const CLOSED_LOOP: &str = include_str!("closed-loop.toml");
const STEPS: u64 = 10_000;

/// Two tasks of one host that hand a token to and fro: every handing-over is a switch.
fn switches() {
    solo::block_on(Seed(1), async {
        let (there, mut received) = mpsc::channel(1);
        let (back, mut returned) = mpsc::channel(1);
        SimWorld::spawn(async move {
            while let Some(token) = received.recv().await {
                back.send(token).await.expect("it is awaited");
            }
        });
        for token in 0..STEPS / 2 {
            there.send(token).await.expect("it is awaited");
            assert_eq!(returned.recv().await, Some(token));
        }
    });
}

/// A task that sleeps again and again, each time as long as a packet travels.
fn timers() {
    solo::block_on(Seed(1), async {
        for _ in 0..STEPS {
            SimWorld::sleep(Duration::from_micros(500)).await;
        }
    });
}

fn executor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(STEPS));
    group.bench_function("task switches", |bencher| bencher.iter(switches));
    group.bench_function("timers", |bencher| bencher.iter(timers));
    group.finish();
}

fn clusters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine/simulated seconds");
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(10));
    let parts = [
        ("five nodes, idle", IDLE),
        ("five nodes, closed loop", CLOSED_LOOP),
    ];
    for (name, text) in parts {
        let plan = plan(text);
        let run = || squall_sim::run(&plan).expect("the simulation works");
        group.throughput(Throughput::Elements(run().simulated_ns / 1_000_000_000));
        group.bench_function(name, |bencher| bencher.iter(run));
    }
    group.finish();
}

fn plan(text: &str) -> Plan {
    let settings = [("phases.warmup", "1s"), ("phases.chaos", "9s")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let scenario = Scenario::parse_with(text, "benchmark", &settings);
    Plan::resolve(&scenario.expect("it is valid"), 1).expect("it can be planned")
}

criterion_group!(benches, executor, clusters);
criterion_main!(benches);
