//! The log in ordinary use, on the in-memory and on the real disk.

use std::io::ErrorKind;

use bytes::Bytes;

use super::super::wal::REWRITE_BATCH_BYTES;
use super::super::{CrashMode, Disk, MemoryDisk, OpenError, RealDisk, Record, Recovered, Wal};
use super::model::{Model, Step, block_on, entry, purged, run, vote, workload, write_synced};

/// A directory on the real disk, removed with its first element.
fn real_disk() -> (tempfile::TempDir, RealDisk) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let disk = RealDisk::open(directory.path()).expect("a fresh directory is free");
    (directory, disk)
}

#[test]
fn every_step_survives_reopening_in_memory() {
    block_on(check_reopening(MemoryDisk::new));
}

#[test]
fn every_step_survives_reopening_on_a_real_disk() {
    let mut directories = Vec::new();
    block_on(check_reopening(|| {
        let (directory, disk) = real_disk();
        directories.push(directory);
        disk
    }));
}

async fn check_reopening<D: Disk>(mut fresh: impl FnMut() -> D) {
    let steps = workload();
    for count in 0..=steps.len() {
        let disk = fresh();
        let outcome = run(disk.clone(), &steps[..count]).await;
        outcome.result.expect("nothing fails here");
        let (_, recovered) = Wal::open(disk).await.expect("a log reopens");
        assert_eq!(recovered.torn_bytes, 0, "a clean stop tears nothing");
        assert_eq!(Model::from(recovered), outcome.acked, "after {count} steps");
    }
}

#[test]
fn a_missing_and_an_empty_log_are_fresh() {
    block_on(async {
        for disk in [MemoryDisk::new(), {
            let disk = MemoryDisk::new();
            disk.put("wal", b"");
            disk
        }] {
            let (mut wal, recovered) = Wal::open(disk.clone()).await.expect("it is fresh");
            assert_eq!(recovered, Recovered::default());
            let written = write_synced(&mut wal, &[vote("v")]).await;
            written.expect("a fresh log takes records");
            disk.crash(CrashMode::DropUnsynced);
            let (_, recovered) = Wal::open(disk).await.expect("it reopens");
            assert_eq!(recovered.vote, Some(Bytes::from_static(b"v")));
        }
    });
}

#[test]
fn a_leftover_of_an_unfinished_rewrite_is_removed() {
    block_on(async {
        let disk = MemoryDisk::new();
        for _ in ["a fresh log", "an existing log"] {
            disk.put("wal.new", &[b'x'; 5000]);
            let (mut wal, _) = Wal::open(disk.clone()).await.expect("it opens");
            assert_eq!(disk.contents("wal.new"), None);
            let rewritten = wal.rewrite(std::iter::once(vote("v"))).await;
            rewritten.expect("nothing is in the way");
            let stored = disk.contents("wal").expect("the log exists");
            assert_eq!(stored.len() as u64, wal.bytes(), "nothing of it is left");
        }
    });
}

#[test]
fn records_that_do_not_fit_are_refused_and_harm_nothing() {
    block_on(async {
        let disk = MemoryDisk::new();
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let misfits: [&[Record]; 5] = [
            &[entry(0, "the first entry is 1")],
            &[entry(2, "the first entry is 1")],
            &[entry(1, ""), entry(3, "gap")],
            &[
                entry(1, ""),
                Record::TruncateAfter { index: 0 },
                entry(2, "gap"),
            ],
            &[purged(5, ""), entry(7, "gap")],
        ];
        for misfit in misfits {
            let error = wal.write(misfit).await.expect_err("it does not fit");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{misfit:?}: {error}");
        }
        let size = wal.bytes();
        wal.write(&[]).await.expect("no records are no batch");
        assert_eq!(wal.bytes(), size);
        let written = write_synced(&mut wal, &[entry(1, "fits")]).await;
        written.expect("the log is still usable");
        let (_, recovered) = Wal::open(disk).await.expect("it reopens");
        assert_eq!(recovered.entries.len(), 1);
    });
}

#[test]
fn of_several_unsynced_batches_a_crash_keeps_the_first_ones() {
    block_on(async {
        let mut kept = Vec::new();
        for bytes in 0..=200 {
            let disk = MemoryDisk::new();
            let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
            let before = disk.syncs();
            for index in 1..=3 {
                wal.write(&[entry(index, "unsynced")])
                    .await
                    .expect("written");
            }
            assert_eq!(disk.syncs(), before, "writing alone does not sync");
            disk.crash(CrashMode::Torn { bytes, names: 0 });
            let (_, recovered) = Wal::open(disk).await.expect("a torn tail is normal");
            let entries: Vec<u64> = recovered.entries.into_keys().collect();
            assert!([1, 2, 3].starts_with(&entries), "{entries:?}");
            kept.push(entries.len());
        }
        kept.dedup();
        assert_eq!(kept, [0, 1, 2, 3]);
    });
}

#[test]
fn an_unsynced_batch_torn_before_whole_ones_is_no_damage() {
    block_on(async {
        for synced in [false, true] {
            let disk = MemoryDisk::new();
            let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
            wal.write(&[entry(1, "first")]).await.expect("written");
            if synced {
                wal.sync().await.expect("nothing fails");
            }
            wal.write(&[entry(2, "second")]).await.expect("written");
            let mut log = disk.contents("wal").expect("the log exists");
            let first = log.windows(5).position(|bytes| bytes == b"first");
            log[first.expect("the entry is stored as it is")] ^= 1;
            disk.put("wal", &log);
            let opened = Wal::open(disk).await.map(|(_, recovered)| recovered);
            match opened {
                Ok(recovered) => {
                    assert!(!synced, "the first batch was durable");
                    assert!(recovered.entries.is_empty(), "and the second is not kept");
                }
                Err(error) => assert!(synced, "the sectors were written out of order: {error}"),
            }
        }
    });
}

#[test]
fn restating_entries_and_purges_is_accepted() {
    block_on(async {
        let disk = MemoryDisk::new();
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let history = [
            entry(1, "one"),
            entry(2, "two"),
            purged(1, "one"),
            entry(3, "three"),
            purged(2, "two"),
        ];
        for _ in 0..2 {
            let written = write_synced(&mut wal, &history).await;
            written.expect("a restated history leaves no gap");
        }
        let (_, recovered) = Wal::open(disk).await.expect("it reopens");
        assert_eq!(recovered.entries.into_keys().collect::<Vec<_>>(), [3]);
        assert_eq!(recovered.purged, Some((2, Bytes::from_static(b"two"))));
    });
}

#[test]
fn rewriting_shortens_the_log_and_splits_large_states() {
    block_on(async {
        let disk = MemoryDisk::new();
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let large = Bytes::from(vec![7; REWRITE_BATCH_BYTES / 2]);
        let entries = (1..=5).map(|index| Record::Entry {
            index,
            data: large.clone(),
        });
        let entries: Vec<Record> = entries.collect();
        wal.rewrite(entries.iter().cloned())
            .await
            .expect("rewritten");
        let stored = disk.contents("wal").expect("the log exists");
        assert_eq!(stored.len() as u64, wal.bytes());
        let (reopened, recovered) = Wal::open(disk.clone()).await.expect("it reopens");
        assert_eq!(recovered.entries.len(), 5);
        assert_eq!(reopened.bytes(), wal.bytes());

        wal.rewrite(std::iter::once(vote("v")))
            .await
            .expect("rewritten");
        assert!(wal.bytes() < 200, "{} bytes for one vote", wal.bytes());
        let (_, recovered) = Wal::open(disk).await.expect("it reopens");
        assert!(recovered.entries.is_empty());
    });
}

#[test]
fn a_failed_sync_is_final_and_what_reopening_finds_is_durable() {
    block_on(async {
        let disk = MemoryDisk::new();
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let first = write_synced(&mut wal, &[entry(1, "first")]).await;
        first.expect("nothing fails yet");
        wal.write(&[entry(2, "second")]).await.expect("written");
        disk.fail_sync(1);
        wal.sync().await.expect_err("the disk fails");
        let poisoned = [
            wal.sync().await,
            wal.write(&[entry(3, "third")]).await,
            wal.write(&[]).await,
            wal.rewrite(std::iter::empty()).await,
        ];
        for result in poisoned {
            let error = result.expect_err("a sync is never retried");
            assert!(error.to_string().contains("opened again"), "{error}");
        }

        // The process restarts, the machine does not: the second entry can be read, but
        // the system takes it for clean. Opening must not hand it out unless it is durable.
        disk.crash(CrashMode::Kill);
        let (_, found) = Wal::open(disk.clone()).await.expect("it reopens");
        assert_eq!(found.entries.len(), 2);
        disk.crash(CrashMode::DropUnsynced);
        let (_, after_power_loss) = Wal::open(disk).await.expect("it reopens");
        assert_eq!(after_power_loss, found);
    });
}

#[test]
fn an_abandoned_call_is_final_too() {
    /// A memory disk whose syncs never return.
    #[derive(Clone)]
    struct Hanging(MemoryDisk);
    struct HangingFile(<MemoryDisk as Disk>::File);
    impl Disk for Hanging {
        type File = HangingFile;
        async fn open(&self, name: &str, create: bool) -> std::io::Result<HangingFile> {
            self.0.open(name, create).await.map(HangingFile)
        }
        async fn list(&self) -> std::io::Result<Vec<String>> {
            self.0.list().await
        }
        async fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
            self.0.rename(from, to).await
        }
        async fn remove(&self, name: &str) -> std::io::Result<()> {
            self.0.remove(name).await
        }
        async fn sync_dir(&self) -> std::io::Result<()> {
            self.0.sync_dir().await
        }
    }
    impl super::super::DiskFile for HangingFile {
        async fn len(&self) -> std::io::Result<u64> {
            self.0.len().await
        }
        async fn read_at(&self, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
            self.0.read_at(offset, len).await
        }
        async fn write_at(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
            if data.ends_with(b"hang") {
                return std::future::pending().await;
            }
            self.0.write_at(offset, data).await
        }
        async fn set_len(&self, len: u64) -> std::io::Result<()> {
            self.0.set_len(len).await
        }
        async fn sync(&self) -> std::io::Result<()> {
            self.0.sync().await
        }
    }
    block_on(async {
        let (mut wal, _) = Wal::open(Hanging(MemoryDisk::new())).await.expect("fresh");
        {
            let records = [vote("hang")];
            let mut write = Box::pin(wal.write(&records));
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(write.as_mut().poll(context).is_pending())
            });
            assert!(polled.await, "the write hangs");
        }
        wal.sync().await.expect_err("nobody knows what was written");
    });
}

#[test]
fn an_error_of_the_disk_is_not_taken_for_damage() {
    let disk = MemoryDisk::new();
    disk.crash_at_sync(1);
    let opened = block_on(Wal::open(disk));
    assert!(matches!(opened, Err(OpenError::Io(_))));
}

#[test]
fn the_workload_uses_every_record() {
    let steps = workload();
    let all: Vec<&Record> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Write(batches) => Some(batches),
            Step::Compact => None,
        })
        .flatten()
        .flatten()
        .collect();
    let uses = |wanted: fn(&Record) -> bool| all.iter().any(|record| wanted(record));
    assert!(uses(|record| matches!(record, Record::Entry { .. })));
    assert!(uses(|record| matches!(record, Record::Vote(_))));
    assert!(uses(|record| matches!(record, Record::Committed(_))));
    assert!(uses(|record| matches!(record, Record::Purged { .. })));
    assert!(uses(|record| matches!(
        record,
        Record::TruncateAfter { .. }
    )));
    assert!(steps.iter().any(|step| matches!(step, Step::Compact)));
}
