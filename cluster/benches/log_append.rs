//! Measures how fast the Raft log appends and syncs entries: `cargo bench -p squall-cluster
//! --bench log_append`.
//!
//! The log store as openraft calls it, with its writer task, on a disk in memory and on a
//! file of this machine with a sync for each batch. An entry sets a cached value of 100
//! bytes. The log is purged as it grows, and its file written anew now and then, as in a
//! running node.

mod commands;
#[path = "../tests/memory_world/mod.rs"]
mod memory_world;

use commands::{request, set};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use criterion::{criterion_group, criterion_main};
use memory_world::MemoryWorld;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use squall_cluster::raft::log_store::LogStore;
use squall_cluster::raft::{LogEntry, LogId, Proposal, RaftWorld};
use squall_cluster::storage::{MemoryDisk, RealDisk};
use squall_cluster::world::RealWorld;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Entries that are written and synced together.
const BATCHES: [u64; 2] = [1, 64];
/// Entries that a log keeps.
const KEPT: u64 = 5_000;

struct Node<W: RaftWorld> {
    runtime: Runtime,
    tasks: LocalSet,
    log: LogStore<W>,
    next: u64,
    first: u64,
}

impl<W: RaftWorld> Node<W> {
    fn new(disk: W::Disk) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system grants an event loop");
        let tasks = LocalSet::new();
        let log = tasks.block_on(&runtime, LogStore::open(disk, 1, None, |_| ()));
        Self {
            runtime,
            tasks,
            log: log.expect("an empty disk has no damaged log"),
            next: 0,
            first: 0,
        }
    }

    /// Returns when all of them are durable.
    fn append(&mut self, count: u64) {
        let (log, from) = (&mut self.log, self.next);
        self.next += count;
        let purge = (self.next - self.first > 2 * KEPT).then(|| self.next - KEPT);
        self.first = purge.unwrap_or(self.first);
        self.tasks.block_on(&self.runtime, async {
            let entries = (from..from + count).map(entry::<W>);
            let appended = log.blocking_append(entries.collect::<Vec<_>>()).await;
            appended.expect("the disk works");
            if let Some(first) = purge {
                log.purge(id::<W>(first - 1)).await.expect("the disk works");
            }
        });
    }
}

fn id<W: RaftWorld>(index: u64) -> LogId<W> {
    LogId::<W>::new_term_index(1, index)
}

fn entry<W: RaftWorld>(index: u64) -> LogEntry<W> {
    LogEntry::<W>::new_normal(id::<W>(index), Proposal::encode(&request(set(index))))
}

fn append<W: RaftWorld>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut disk: impl FnMut() -> W::Disk,
) {
    for count in BATCHES {
        let mut node = Node::<W>::new(disk());
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new(name, count), |bencher| {
            bencher.iter(|| node.append(count));
        });
    }
}

fn log_append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log append");
    append::<MemoryWorld>(&mut group, "memory", MemoryDisk::new);
    // On a disk: a temporary directory of the system may be in memory.
    let temporary = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let directories = [(); BATCHES.len()].map(|()| temporary().expect("it can be written to"));
    let mut free = directories.iter();
    append::<RealWorld>(&mut group, "file", || {
        let directory = free.next().expect("one for each batch");
        RealDisk::open(directory.path()).expect("a fresh directory is free")
    });
    group.finish();
}

criterion_group!(benches, log_append);
criterion_main!(benches);
