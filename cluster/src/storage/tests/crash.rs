//! Crashes at every sync point: what was acknowledged is there, and nothing was invented.

use super::super::{CrashMode, MemoryDisk, Wal};
use super::model::{Model, Outcome, block_on, run, vote, workload, write_synced};

/// Power losses that leave from nothing to everything, with names ahead of and behind bytes.
fn modes() -> Vec<CrashMode> {
    let mut modes = vec![CrashMode::Kill, CrashMode::DropUnsynced];
    for bytes in [0, 1, 4, 24, 39, 40, 41, 60, 90, 120, usize::MAX] {
        for names in [0, 1, usize::MAX] {
            modes.push(CrashMode::Torn { bytes, names });
        }
    }
    for lost in [1, 16, 40, 60, 90] {
        modes.push(CrashMode::Holed { lost });
    }
    modes
}

/// Runs the workload on a fresh disk and crashes at the given sync.
async fn crash_at(sync: u64, mode: CrashMode) -> (MemoryDisk, Outcome) {
    let disk = MemoryDisk::new();
    disk.crash_at_sync(sync);
    let outcome = run(disk.clone(), &workload()).await;
    assert!(outcome.result.is_err(), "sync {sync} is in the workload");
    disk.crash(mode);
    (disk, outcome)
}

/// Opens the log and holds it against what was acknowledged; returns what it found.
async fn check_recovery(disk: &MemoryDisk, outcome: &Outcome, context: &str) -> Model {
    let (_, recovered) = match Wal::open(disk.clone()).await {
        Ok(opened) => opened,
        Err(error) => panic!("{context}: a crash is not damage: {error}"),
    };
    let found = Model::from(recovered);
    assert!(
        found == outcome.acked || outcome.attempted.contains(&found),
        "{context}: recovered {found:?}, acknowledged {:?}, attempted {:?}",
        outcome.acked,
        outcome.attempted
    );
    found
}

async fn syncs_of_workload() -> u64 {
    let disk = MemoryDisk::new();
    run(disk.clone(), &workload())
        .await
        .result
        .expect("no crash");
    disk.syncs()
}

#[test]
fn a_crash_at_any_sync_keeps_what_was_acknowledged() {
    block_on(async {
        for sync in 1..=syncs_of_workload().await {
            for mode in modes() {
                let context = format!("sync {sync}, {mode:?}");
                let (disk, outcome) = crash_at(sync, mode).await;
                let mut expected = check_recovery(&disk, &outcome, &context).await;
                check_durable_and_usable(&disk, &mut expected, &context).await;
            }
        }
    });
}

/// What recovery reported survives a power loss at once, and the log takes new records.
async fn check_durable_and_usable(disk: &MemoryDisk, expected: &mut Model, context: &str) {
    disk.crash(CrashMode::DropUnsynced);
    let (mut wal, recovered) = Wal::open(disk.clone()).await.expect("it opened before");
    assert_eq!(Model::from(recovered), *expected, "{context}: once more");
    let next = [vote("after the crash")];
    let written = write_synced(&mut wal, &next).await;
    written.expect("a recovered log takes records");
    expected.apply(&next);
    disk.crash(CrashMode::DropUnsynced);
    let (_, recovered) = Wal::open(disk.clone()).await.expect("it opened before");
    assert_eq!(Model::from(recovered), *expected, "{context}: with more");
}

#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    block_on(async {
        let total = syncs_of_workload().await;
        for sync in 1..=total {
            for mode in modes() {
                for recovery_sync in 1..=2 {
                    let (disk, outcome) = crash_at(sync, mode).await;
                    disk.crash_at_sync(recovery_sync);
                    let interrupted = Wal::open(disk.clone()).await;
                    assert!(interrupted.is_err(), "opening syncs twice at least");
                    for again in [CrashMode::DropUnsynced, mode] {
                        disk.crash(again);
                        let context = format!(
                            "sync {sync}, {mode:?}, then sync {recovery_sync} of recovery, {again:?}"
                        );
                        check_recovery(&disk, &outcome, &context).await;
                    }
                }
            }
        }
    });
}

#[test]
fn a_failing_sync_anywhere_loses_nothing_acknowledged() {
    block_on(async {
        for sync in 1..=syncs_of_workload().await {
            let disk = MemoryDisk::new();
            disk.fail_sync(sync);
            let outcome = run(disk.clone(), &workload()).await;
            assert!(outcome.result.is_err(), "sync {sync} is in the workload");
            disk.crash(CrashMode::Kill);
            let context = format!("failed sync {sync}");
            let mut found = check_recovery(&disk, &outcome, &context).await;
            check_durable_and_usable(&disk, &mut found, &context).await;
        }
    });
}

#[test]
fn the_disk_does_lose_what_was_not_synced() {
    // The tests above prove nothing on a disk that forgets nothing.
    block_on(async {
        let disk = MemoryDisk::new();
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let kept = write_synced(&mut wal, &[vote("synced")]).await;
        kept.expect("nothing fails");
        let synced = wal.bytes();
        wal.write(&[vote("not synced")]).await.expect("written");
        disk.crash(CrashMode::Torn {
            bytes: 35,
            names: 0,
        });
        let stored = disk.contents("wal").expect("the log exists");
        assert_eq!(stored.len() as u64, synced + 35);
        let (_, recovered) = Wal::open(disk.clone())
            .await
            .expect("a torn tail is normal");
        assert_eq!(recovered.torn_bytes, 35);
        assert_eq!(recovered.vote.as_deref(), Some(b"synced".as_slice()));
        let stored = disk.contents("wal").expect("the log exists");
        assert_eq!(stored.len() as u64, synced, "the torn tail is cut off");
    });
}
