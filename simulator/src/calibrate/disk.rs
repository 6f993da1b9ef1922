//! Measures syncs: small appends, synced one by one, on all nodes' disks at a time.
//!
//! At a time, because replication has all nodes sync the same entries within a moment, and
//! disks of one machine have one journal. What counts is the time that a thread is kept
//! waiting by the disk: the processor time of a sync is a cost of its own ([`super::fit`]),
//! and that processors are taken the simulation finds out by itself.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use super::{CalibrateError, processor};
use crate::stopwatch::Stopwatch;

const NAME: &str = "squall-calibrate";
/// About an entry of the log.
const APPEND_BYTES: usize = 256;
/// Not measured: the first ones make room for the file.
const WARM: usize = 20;

/// How long each of `count` syncs of each directory waited for the disk, nanoseconds, in
/// rising order.
pub(super) fn syncs(directories: &[PathBuf], count: usize) -> Result<Vec<u64>, CalibrateError> {
    let together = Barrier::new(directories.len());
    let results: Vec<Result<Vec<u64>, CalibrateError>> = std::thread::scope(|scope| {
        let writers: Vec<_> = directories
            .iter()
            .map(|directory| scope.spawn(|| write(directory, count, &together)))
            .collect();
        let joined = writers.into_iter().map(|writer| writer.join());
        joined
            .map(|result| result.expect("a writer does not panic"))
            .collect()
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    all.sort_unstable();
    Ok(all)
}

fn write(directory: &Path, count: usize, together: &Barrier) -> Result<Vec<u64>, CalibrateError> {
    let path = directory.join(NAME);
    let options = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).open(&path)
    };
    // Everybody keeps step to the end, whatever becomes of the own file.
    let file = options();
    let mut failure = file.as_ref().err().map(copy);
    let mut took = Vec::with_capacity(count);
    for round in 0..WARM + count {
        together.wait();
        let Ok(file) = &file else { continue };
        match append(file, round) {
            Ok(waited_ns) if round >= WARM => took.push(waited_ns),
            Ok(_) => {}
            Err(e) => failure = Some(e),
        }
    }
    if file.is_ok() {
        // What cannot be removed is a small file with a name that says whose it is.
        let _ = std::fs::remove_file(&path);
    }
    match failure {
        None => Ok(took),
        Some(source) => Err(CalibrateError::Disk {
            path: path.display().to_string(),
            source,
        }),
    }
}

/// How long it waited for the disk, nanoseconds.
fn append(file: &File, round: usize) -> io::Result<u64> {
    file.write_all_at(&[0x5a; APPEND_BYTES], (round * APPEND_BYTES) as u64)?;
    let busy_ns = || processor::used_here_ns() + processor::waited_here_ns();
    let busy_before_ns = busy_ns();
    let watch = Stopwatch::start();
    file.sync_data()?;
    let took_ns = watch.elapsed().as_nanos() as u64;
    Ok(took_ns.saturating_sub(busy_ns() - busy_before_ns).max(1))
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sync_of_every_directory_is_measured() {
        let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
        let paths: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().to_owned()).collect();
        let took = syncs(&paths, 5).unwrap();
        assert_eq!(took.len(), 10);
        assert!(took.is_sorted() && took[0] > 0);
        assert!(paths.iter().all(|path| !path.join(NAME).exists()));
    }

    #[test]
    fn a_directory_that_is_none_is_named() {
        let error = syncs(&[PathBuf::from("/nowhere")], 1).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/"), "{error}");
    }
}
