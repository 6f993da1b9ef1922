//! The disks themselves: the contract, and what is particular to each.

use std::io::ErrorKind;
use std::path::Path;

use super::super::contract::check_disk_contract;
use super::super::{CrashMode, Disk, DiskFile, MemoryDisk, RealDisk};
use super::model::block_on;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn real(path: &Path) -> RealDisk {
    RealDisk::open(path).unwrap_or_else(|error| panic!("the directory is free: {error}"))
}

#[test]
fn the_memory_disk_keeps_the_contract() {
    block_on(check_disk_contract(MemoryDisk::new()));
}

#[test]
fn the_real_disk_keeps_the_contract() {
    let directory = directory();
    block_on(check_disk_contract(real(directory.path())));
}

#[test]
fn a_directory_has_one_owner() {
    let directory = directory();
    let path = directory.path().join("data/node-1");
    let disk = real(&path);
    let error = match RealDisk::open(&path) {
        Ok(_) => panic!("the directory is taken"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("in use by another process"));

    let file = block_on(disk.open("a", true)).expect("creating a file");
    drop(disk);
    assert!(
        RealDisk::open(&path).is_err(),
        "an open file keeps the lock"
    );
    drop(file);
    let disk = real(&path);
    assert_eq!(block_on(disk.list()).expect("listing"), ["a"]);
}

#[test]
fn the_real_disk_refuses_names_that_leave_its_directory() {
    let directory = directory();
    let disk = real(directory.path());
    block_on(async {
        disk.open("a", true).await.map(drop).expect("a flat name");
        for name in ["", ".", "..", "../a", "/a", "a/b", "a\\b", "a\0b", "lock"] {
            let refusals = [
                disk.open(name, true).await.map(drop),
                disk.remove(name).await,
                disk.rename("a", name).await,
                disk.rename(name, "a").await,
            ];
            for refusal in refusals {
                let error = refusal.expect_err("the name is not flat");
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
            }
        }
        assert_eq!(disk.list().await.expect("listing"), ["a"]);
    });
}

#[test]
fn errors_of_the_real_disk_name_the_file() {
    let directory = directory();
    let disk = real(directory.path());
    let error = match block_on(disk.open("absent", false)) {
        Ok(_) => panic!("there is no such file"),
        Err(error) => error,
    };
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn reading_over_the_end_allocates_nothing() {
    let directory = directory();
    let disk = real(directory.path());
    block_on(async {
        let file = disk.open("a", true).await.expect("creating a file");
        let read = file.read_at(0, usize::MAX / 2).await;
        let error = read.expect_err("no file is that long");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

/// What is left of `old`, synced, then `-new-` at 3 and `+more` at 8, unsynced.
fn left_by(mode: CrashMode) -> Option<Vec<u8>> {
    let disk = MemoryDisk::new();
    block_on(async {
        let file = disk.open("a", true).await.expect("creating a file");
        file.write_at(0, b"old").await.expect("writing");
        file.sync().await.expect("syncing");
        disk.sync_dir().await.expect("syncing the directory");
        file.write_at(3, b"-new-").await.expect("writing");
        file.write_at(8, b"+more").await.expect("writing");
        disk.rename("a", "b").await.expect("renaming");
        disk.crash(mode);
        file.len().await.expect_err("the handle died in the crash");
    });
    let (a, b) = (disk.contents("a"), disk.contents("b"));
    assert!(a.is_some() != b.is_some(), "a rename is atomic");
    let kept_rename = b.is_some();
    let expected = match mode {
        CrashMode::Kill | CrashMode::Holed { .. } => true,
        CrashMode::DropUnsynced => false,
        CrashMode::Torn { names, .. } => names > 0,
    };
    assert_eq!(kept_rename, expected, "{mode:?}");
    a.or(b)
}

#[test]
fn the_memory_disk_loses_what_the_power_loss_takes() {
    let torn = |bytes| left_by(CrashMode::Torn { bytes, names: 0 });
    assert_eq!(
        left_by(CrashMode::Kill).as_deref(),
        Some(&b"old-new-+more"[..])
    );
    assert_eq!(
        left_by(CrashMode::DropUnsynced).as_deref(),
        Some(&b"old"[..])
    );
    assert_eq!(torn(0).as_deref(), Some(&b"old"[..]));
    assert_eq!(torn(2).as_deref(), Some(&b"old-n"[..]));
    assert_eq!(torn(7).as_deref(), Some(&b"old-new-+m"[..]));
    assert_eq!(torn(99).as_deref(), Some(&b"old-new-+more"[..]));
    let holed = left_by(CrashMode::Holed { lost: 6 });
    assert_eq!(holed.as_deref(), Some(&b"old\0\0\0\0\0\0more"[..]));
    let renamed = left_by(CrashMode::Torn { bytes: 0, names: 1 });
    assert_eq!(renamed.as_deref(), Some(&b"old"[..]));
}

#[test]
fn a_new_name_is_lost_without_a_directory_sync() {
    let disk = MemoryDisk::new();
    block_on(async {
        let file = disk.open("a", true).await.expect("creating a file");
        file.write_at(0, b"synced").await.expect("writing");
        file.sync().await.expect("syncing");
    });
    disk.crash(CrashMode::DropUnsynced);
    assert_eq!(disk.contents("a"), None);
}

#[test]
fn a_failed_sync_drops_what_it_should_have_written() {
    let disk = MemoryDisk::new();
    block_on(async {
        let file = disk.open("a", true).await.expect("creating a file");
        disk.sync_dir().await.expect("syncing the directory");
        file.write_at(0, b"lost").await.expect("writing");
        disk.fail_sync(1);
        file.sync().await.expect_err("the disk fails");
        file.sync()
            .await
            .expect("and then pretends that all is well");
        assert_eq!(disk.contents("a").as_deref(), Some(&b"lost"[..]));
    });
    disk.crash(CrashMode::DropUnsynced);
    assert_eq!(disk.contents("a").as_deref(), Some(&b""[..]));
}
