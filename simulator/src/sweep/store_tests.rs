//! Interrupted and damaged sweeps, as they are found on the disk.

use super::*;
use crate::sweep::spec::tests::spec;
use crate::sweep::{Ending, summary::tests::result};

fn failed(seed: u64, reason: &str) -> SeedResult {
    SeedResult::without_run("a", seed, Ending::Crashed, reason.into())
}

fn dirs(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path.join(FAILURES)) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into()).collect();
    names.sort();
    names
}

/// Adds a failed seed with a run directory, as a worker leaves it.
fn add(store: &mut Store, seed: u64, reason: &str) {
    fs::create_dir_all(store.working_dir("a", seed)).expect("the directory is ours");
    store.add(failed(seed, reason)).expect("the disk works");
}

#[test]
fn the_lowest_seeds_of_each_cause_are_kept_in_whatever_order_they_come() {
    for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::open(dir.path(), &spec("1..9", "1/1"), 2).expect("it is empty");
        for seed in order {
            add(&mut store, seed, "panicked");
        }
        add(&mut store, 9, "something else");
        assert_eq!(dirs(dir.path()), ["a-1", "a-2", "a-9"]);
    }
}

#[test]
fn a_sweep_goes_on_after_the_last_whole_line() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let spec = spec("1..9", "1/1");
    let mut store = Store::open(dir.path(), &spec, 2).expect("it is empty");
    for seed in 1..=3 {
        store.add(result("a", seed)).expect("the disk works");
    }
    drop(store);
    let lines = dir.path().join(RESULTS);
    let mut text = fs::read(&lines).expect("there are lines");
    text.truncate(text.len() - 5);
    // Cut within a character, too.
    text.push(0xe2);
    fs::write(&lines, &text).expect("the file is ours");
    // Left behind by seeds that were running, and one that was evicted too late.
    fs::create_dir_all(dir.path().join(WORKING).join("a-7")).expect("the directory is ours");
    fs::create_dir_all(dir.path().join(FAILURES).join("a-8")).expect("the directory is ours");

    let mut store = Store::open(dir.path(), &spec, 2).expect("it is the same sweep");
    let done: Vec<u64> = store.results().keys().map(|(_, seed)| *seed).collect();
    assert_eq!(done, [1, 2]);
    assert_eq!(dirs(dir.path()), Vec::<String>::new());
    assert!(!dir.path().join(WORKING).exists());
    store.add(result("a", 3)).expect("the disk works");
    let (_, results) = read(dir.path()).expect("every line is whole again");
    assert_eq!(results.len(), 3);
}

#[test]
fn another_sweep_and_what_is_no_sweep_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    Store::open(dir.path(), &spec("1..9", "1/1"), 2).expect("it is empty");
    let refused = Store::open(dir.path(), &spec("1..10", "1/1"), 2).err();
    let message = refused.expect("it is another").to_string();
    assert!(message.contains("the seeds differ"), "{message}");

    let other = tempfile::tempdir().expect("a temporary directory");
    fs::write(other.path().join("thesis.txt"), "precious").expect("the file is ours");
    let refused = Store::open(other.path(), &spec("1..9", "1/1"), 2).err();
    assert!(matches!(refused, Some(StoreError::NotOurs(_))));
}

#[test]
fn two_sweeps_do_not_share_a_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let spec = spec("1..9", "1/1");
    let first = Store::open(dir.path(), &spec, 2).expect("it is empty");
    let refused = Store::open(dir.path(), &spec, 2).err();
    assert!(matches!(refused, Some(StoreError::Busy(_))), "{refused:?}");
    drop(first);
    Store::open(dir.path(), &spec, 2).expect("nobody is at work any more");
}

#[test]
fn a_damaged_line_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let spec = spec("1..9", "1/1");
    let mut store = Store::open(dir.path(), &spec, 2).expect("it is empty");
    store.add(result("a", 1)).expect("the disk works");
    let lines = dir.path().join(RESULTS);
    let text = fs::read_to_string(&lines).expect("there are lines") + "{}\n";
    fs::write(&lines, text).expect("the file is ours");
    let message = read(dir.path()).expect_err("it is damaged").to_string();
    assert!(message.contains("results.jsonl: line 2: "), "{message}");
}
