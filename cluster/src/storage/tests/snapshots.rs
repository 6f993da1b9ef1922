//! Snapshots: whole or refused, through crashes and damage, on both disks.

use super::super::snapshot::HEADER_BYTES;
use super::super::{CrashMode, Disk, MemoryDisk, OpenError, RealDisk, Snapshot, SnapshotStore};
use super::model::block_on;

const NAME_5: &str = "snapshot-00000000000000000005";
const NAME_9: &str = "snapshot-00000000000000000009";

fn snapshot(index: u64) -> Snapshot {
    Snapshot {
        index,
        meta: format!("meta of {index}").into_bytes(),
        data: vec![index as u8; 300],
    }
}

async fn open<D: Disk>(disk: &D) -> SnapshotStore<D> {
    let store = SnapshotStore::open(disk.clone()).await;
    store.unwrap_or_else(|error| panic!("the store opens: {error}"))
}

async fn save<D: Disk>(store: &mut SnapshotStore<D>, index: u64) -> std::io::Result<()> {
    let Snapshot { meta, data, .. } = snapshot(index);
    store.save(index, &meta, &data).await
}

async fn load<D: Disk>(disk: &D) -> Result<Option<Snapshot>, OpenError> {
    open(disk).await.load_latest().await
}

#[test]
fn the_newest_snapshot_is_found_in_memory() {
    block_on(check_saving(MemoryDisk::new()));
}

#[test]
fn the_newest_snapshot_is_found_on_a_real_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let disk = RealDisk::open(directory.path()).expect("a fresh directory is free");
    block_on(check_saving(disk));
}

async fn check_saving<D: Disk>(disk: D) {
    let mut store = open(&disk).await;
    let found = store.load_latest().await.expect("there is nothing to fail");
    assert_eq!(found, None);
    // 9 and 10 would sort the wrong way round without leading zeros.
    for index in [0, 5, 9, 10, 10] {
        save(&mut store, index).await.expect("nothing fails");
        let found = store.load_latest().await.expect("it was just saved");
        assert_eq!(found, Some(snapshot(index)));
        assert_eq!(load(&disk).await.expect("it is there"), found);
        let names = disk.list().await.expect("nothing fails");
        assert_eq!(names.len(), 1, "older snapshots are removed: {names:?}");
    }
    save(&mut store, 9).await.expect("10 includes 9");
    let found = load(&disk).await.expect("it is there");
    assert_eq!(found, Some(snapshot(10)), "an older one replaces nothing");
    store.save(11, b"", b"").await.expect("it is still usable");
    let found = load(&disk).await.expect("an empty snapshot is one");
    assert_eq!(found.map(|found| found.data.len()), Some(0));

    let data = vec![7; 5 << 19];
    let passed = std::cell::RefCell::default();
    let pass = async |bytes: u64| Vec::push(&mut passed.borrow_mut(), bytes);
    let saved = store.save_paced(12, b"meta", &data, pass).await;
    saved.expect("nothing fails");
    assert_eq!(
        passed.into_inner(),
        [1 << 20, 1 << 20, 1 << 19],
        "every byte waits its turn"
    );
    let found = load(&disk).await.expect("it is there");
    assert_eq!(found.map(|snapshot| snapshot.data), Some(data));
}

#[test]
fn leftovers_are_removed_and_other_files_are_not() {
    let disk = MemoryDisk::new();
    let others = ["wal", "snapshot-5", "snapshot-5.tmp", "notes.tmp"];
    for name in others {
        disk.put(name, b"not ours");
    }
    disk.put(&format!("{NAME_5}.tmp"), b"unfinished");
    let found = block_on(load(&disk)).expect("nothing is damaged");
    assert_eq!(found, None);
    let mut expected = others;
    expected.sort_unstable();
    assert_eq!(block_on(disk.list()).expect("nothing fails"), expected);
}

#[test]
fn every_flipped_bit_is_refused() {
    let disk = MemoryDisk::new();
    block_on(async { save(&mut open(&disk).await, 5).await }).expect("nothing fails");
    let whole = disk.contents(NAME_5).expect("it was saved");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            disk.put(NAME_5, &flipped);
            let outcome = block_on(load(&disk));
            assert!(
                matches!(
                    outcome,
                    Err(OpenError::Damaged { .. }
                        | OpenError::NotOurs { .. }
                        | OpenError::Version { .. })
                ),
                "byte {at}, bit {bit}: {outcome:?}"
            );
        }
    }
    for cut in 0..whole.len() {
        disk.put(NAME_5, &whole[..cut]);
        let outcome = block_on(load(&disk));
        assert!(
            matches!(outcome, Err(OpenError::Damaged { .. })),
            "cut at {cut}: {outcome:?}"
        );
    }
    disk.put(NAME_5, &[whole.as_slice(), b"more"].concat());
    assert!(block_on(load(&disk)).is_err(), "nothing may follow");
    assert!(whole.len() > HEADER_BYTES, "the loops saw header and body");
}

#[test]
fn a_damaged_newest_snapshot_is_refused_even_if_an_older_one_is_whole() {
    let disk = MemoryDisk::new();
    block_on(async { save(&mut open(&disk).await, 5).await }).expect("nothing fails");
    let older = disk.contents(NAME_5).expect("it was saved");
    // The older file under the newer name, as a misdirected rename would leave it.
    disk.put(NAME_9, &older);
    let error = block_on(load(&disk)).expect_err("it holds another index");
    assert_eq!(
        error.to_string(),
        format!("{NAME_9} is damaged at byte 0: it holds the snapshot of index 5")
    );
    assert_eq!(disk.contents(NAME_5), Some(older), "and nothing is removed");
}

#[test]
fn a_crash_at_any_sync_leaves_the_old_or_the_new_snapshot() {
    let mut modes = vec![CrashMode::Kill, CrashMode::DropUnsynced];
    for bytes in [0, 1, 43, 44, 60, 300, usize::MAX] {
        for names in [0, 1, 2, usize::MAX] {
            modes.push(CrashMode::Torn { bytes, names });
        }
    }
    modes.push(CrashMode::Holed { lost: 44 });
    block_on(async {
        for mode in modes {
            // Opening syncs once, and each save twice.
            for sync in 1..=7 {
                check_crash(sync, mode).await;
            }
        }
    });
}

async fn check_crash(sync: u64, mode: CrashMode) {
    let disk = MemoryDisk::new();
    disk.crash_at_sync(sync);
    let mut acked = None;
    if let Ok(mut store) = SnapshotStore::open(disk.clone()).await {
        for index in [3, 5, 9] {
            if save(&mut store, index).await.is_err() {
                save(&mut store, index)
                    .await
                    .expect_err("an error is final");
                break;
            }
            acked = Some(index);
        }
    }
    assert_ne!(acked, Some(9), "sync {sync} is in the workload");
    let next = match acked {
        None => 3,
        Some(3) => 5,
        Some(_) => 9,
    };
    disk.crash(mode);
    let found = load(&disk).await;
    let found = found.unwrap_or_else(|error| panic!("sync {sync}, {mode:?}: {error}"));
    let index = found.as_ref().map(|found| found.index);
    assert!(
        index == acked || index == Some(next),
        "sync {sync}, {mode:?}: found {index:?}, acknowledged {acked:?}"
    );
    assert_eq!(found, index.map(snapshot), "sync {sync}, {mode:?}");

    disk.crash(CrashMode::DropUnsynced);
    let again = load(&disk).await.expect("it loaded before");
    assert_eq!(again, found, "what was loaded is durable");
    let mut store = open(&disk).await;
    save(&mut store, 20).await.expect("saving goes on");
    let names = disk.list().await.expect("nothing fails");
    assert_eq!(names, ["snapshot-00000000000000000020"]);
}

#[test]
fn a_failed_sync_does_not_replace_a_snapshot() {
    let disk = MemoryDisk::new();
    block_on(async {
        let mut store = open(&disk).await;
        save(&mut store, 5).await.expect("nothing fails yet");
        disk.fail_sync(1);
        save(&mut store, 9).await.expect_err("the disk fails");
        save(&mut store, 9).await.expect_err("an error is final");
        let found = store.load_latest().await.expect("the old one is whole");
        assert_eq!(found, Some(snapshot(5)));
        assert_eq!(load(&disk).await.expect("also when reopened"), found);
    });
}
