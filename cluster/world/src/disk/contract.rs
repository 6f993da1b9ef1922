//! Checks the contract of [`Disk`]: a function that panics where an implementation departs from it.
//!
//! The real, the in-memory and the simulated disk are run against it, so that a test that
//! passes on one of them means something for the others. It checks what can be seen without
//! a crash; what a crash leaves is the business of each simulated disk's own tests.

use std::io::{ErrorKind, Result};

use super::{Disk, DiskFile};

/// Exercises an empty `disk` and leaves it empty.
///
/// # Panics
/// With the broken rule, at the first one.
pub async fn check_disk_contract<D: Disk>(disk: D) {
    assert_eq!(names(&disk).await, [""; 0], "a fresh disk is empty");
    check_names(&disk).await;
    check_bytes(&disk).await;
    check_lengths(&disk).await;
    check_replacement(&disk).await;
    assert_eq!(names(&disk).await, [""; 0], "removed files are gone");
}

async fn check_names<D: Disk>(disk: &D) {
    let missing = disk.open("a", false).await;
    refused(missing, ErrorKind::NotFound, "opening a missing file");
    refused(
        disk.remove("a").await,
        ErrorKind::NotFound,
        "removing a missing file",
    );
    refused(
        disk.rename("a", "b").await,
        ErrorKind::NotFound,
        "renaming a missing file",
    );
    assert_eq!(names(disk).await, [""; 0], "failing calls create nothing");

    for name in ["b", "a.tmp", "a"] {
        drop(fine(disk.open(name, true).await, "creating a file"));
    }
    assert_eq!(names(disk).await, ["a", "a.tmp", "b"], "names are sorted");
    let clone = disk.clone();
    assert_eq!(names(&clone).await.len(), 3, "clones share the directory");
    for name in ["a", "a.tmp", "b"] {
        fine(clone.remove(name).await, "removing a file");
    }
    fine(disk.sync_dir().await, "syncing the directory");
}

async fn check_bytes<D: Disk>(disk: &D) {
    let file = fine(disk.open("bytes", true).await, "creating a file");
    assert_eq!(length(&file).await, 0, "a new file is empty");
    fine(file.write_at(0, b"hello").await, "writing");
    fine(file.write_at(3, b"p me").await, "overwriting and extending");
    assert_eq!(contents(&file).await, b"help me");

    fine(file.write_at(9, b"!").await, "writing behind the end");
    assert_eq!(contents(&file).await, b"help me\0\0!", "gaps are zeros");
    assert_eq!(fine(file.read_at(5, 2).await, "reading"), b"me");
    assert_eq!(fine(file.read_at(10, 0).await, "reading nothing"), b"");
    refused(
        file.read_at(8, 3).await,
        ErrorKind::UnexpectedEof,
        "reading over the end",
    );
    refused(
        file.read_at(1 << 40, 1).await,
        ErrorKind::UnexpectedEof,
        "reading far behind the end",
    );

    let again = fine(disk.open("bytes", true).await, "opening an existing file");
    assert_eq!(
        contents(&again).await,
        b"help me\0\0!",
        "opening keeps the bytes, and readers see unsynced writes"
    );
    fine(file.sync().await, "syncing");
    fine(again.sync().await, "syncing a clean file");
    fine(disk.remove("bytes").await, "removing an open file");
}

async fn check_lengths<D: Disk>(disk: &D) {
    let file = fine(disk.open("lengths", true).await, "creating a file");
    // Larger than any buffer or inline limit that an implementation may have.
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    fine(file.write_at(7, &large).await, "a large write");
    assert_eq!(length(&file).await, 3_000_007);
    assert!(
        fine(file.read_at(7, large.len()).await, "a large read") == large,
        "large transfers keep every byte"
    );
    fine(file.set_len(9).await, "cutting");
    fine(file.set_len(11).await, "extending");
    assert_eq!(
        fine(file.read_at(7, 4).await, "reading"),
        [0, 1, 0, 0],
        "an extended file ends in zeros, not in the bytes cut off before"
    );
    fine(file.sync().await, "syncing after a change of length");
    fine(disk.remove("lengths").await, "removing");
}

async fn check_replacement<D: Disk>(disk: &D) {
    let old = fine(disk.open("target", true).await, "creating a file");
    fine(old.write_at(0, b"old").await, "writing");
    let new = fine(disk.open("beside", true).await, "creating a file");
    fine(new.write_at(0, b"new!").await, "writing");
    fine(new.sync().await, "syncing");
    drop(new);
    fine(disk.rename("beside", "target").await, "replacing a file");
    fine(disk.sync_dir().await, "syncing the directory");
    assert_eq!(names(disk).await, ["target"], "a rename moves the name");
    let file = fine(disk.open("target", false).await, "opening a file");
    assert_eq!(contents(&file).await, b"new!", "a rename replaces");
    fine(disk.remove("target").await, "removing");
    fine(disk.sync_dir().await, "syncing the directory");
    let after = "what is open can be read after its name is gone";
    assert_eq!(contents(&old).await, b"old", "{after}");
    assert_eq!(contents(&file).await, b"new!", "{after}");
    let anew = fine(disk.open("target", true).await, "creating it anew");
    assert_eq!(length(&anew).await, 0, "another file has the name");
    assert_eq!(contents(&file).await, b"new!", "{after}");
    fine(disk.remove("target").await, "removing");
}

async fn names<D: Disk>(disk: &D) -> Vec<String> {
    fine(disk.list().await, "listing")
}

async fn length<F: DiskFile>(file: &F) -> u64 {
    fine(file.len().await, "asking for the length")
}

async fn contents<F: DiskFile>(file: &F) -> Vec<u8> {
    let bytes = length(file).await as usize;
    fine(file.read_at(0, bytes).await, "reading all")
}

fn fine<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what} must succeed: {error}"))
}

fn refused<T>(result: Result<T>, kind: ErrorKind, what: &str) {
    match result {
        Ok(_) => panic!("{what} must fail"),
        Err(error) => assert_eq!(error.kind(), kind, "{what}: {error}"),
    }
}
