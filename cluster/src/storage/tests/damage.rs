//! Damaged logs: refused, or honestly treated as torn, and never silently altered.

use proptest::prelude::*;

use super::super::frame::{BATCH_HEADER_BYTES, BatchHeader, FILE_HEADER_BYTES};
use super::super::recovery::replay;
use super::super::{CrashMode, MemoryDisk, OpenError, Record, Wal};
use super::model::{Model, block_on, committed, entry, log_of, purged, vote};

fn batches() -> Vec<Vec<Record>> {
    vec![
        vec![vote("term 1")],
        vec![entry(1, "one"), entry(2, "two")],
        vec![Record::TruncateAfter { index: 1 }, entry(2, "2")],
        vec![committed("2"), purged(1, "log id 1")],
        vec![entry(3, "three")],
    ]
}

/// The states after 0, 1, 2, … batches.
fn states() -> Vec<Model> {
    let mut states = vec![Model::default()];
    for batch in batches() {
        let mut next = states[states.len() - 1].clone();
        next.apply(&batch);
        states.push(next);
    }
    states
}

fn replayed(bytes: &[u8]) -> Result<(Model, u64), OpenError> {
    let recovered = replay("wal", bytes)?.recovered;
    let torn_bytes = recovered.torn_bytes;
    Ok((Model::from(recovered), torn_bytes))
}

fn damage_of(bytes: &[u8]) -> (u64, String) {
    match replayed(bytes) {
        Err(OpenError::Damaged { offset, detail, .. }) => (offset, detail),
        other => panic!("this is damage, not {other:?}"),
    }
}

#[test]
fn every_flipped_bit_is_refused_or_tears_only_the_last_batch() {
    let (log, starts) = log_of(&batches());
    let states = states();
    let last = starts[starts.len() - 1];
    for at in 0..log.len() {
        for bit in 0..8 {
            let mut flipped = log.clone();
            flipped[at] ^= 1 << bit;
            let outcome = replayed(&flipped);
            if at < last {
                let error = outcome.expect_err("damage before the last batch is refused");
                let is_clear = match &error {
                    OpenError::NotOurs { .. } => at < 8,
                    OpenError::Version { .. } => (8..12).contains(&at),
                    OpenError::Damaged { .. } => at >= 12,
                    OpenError::Io(_) => false,
                };
                assert!(is_clear, "byte {at}: {error}");
            } else {
                let (state, torn_bytes) = outcome.expect("it looks like a torn tail");
                assert_eq!(state, states[states.len() - 2], "byte {at}, bit {bit}");
                assert_eq!(torn_bytes, (log.len() - last) as u64);
            }
        }
    }
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_batches() {
    let (log, starts) = log_of(&batches());
    let states = states();
    let ends: Vec<usize> = starts[1..].iter().copied().chain([log.len()]).collect();
    for cut in FILE_HEADER_BYTES..=log.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        // The batch that creation writes to seal an empty log precedes the first of ours.
        let sealed = cut >= starts[0];
        let kept = match whole {
            0 if sealed => starts[0],
            0 => FILE_HEADER_BYTES,
            whole => ends[whole - 1],
        };
        for zeros in [0, 1, 100, 5000] {
            let mut bytes = log[..cut].to_vec();
            bytes.resize(cut + zeros, 0);
            let (state, torn_bytes) = replayed(&bytes).expect("a torn tail is normal");
            // The cut may have removed nothing but zeros, which the extension restores.
            if torn_bytes == (bytes.len() - kept) as u64 {
                assert_eq!(state, states[whole], "cut at {cut}, {zeros} zeros");
            } else {
                assert_eq!(bytes[..log.len()], log, "cut at {cut}, {zeros} zeros");
            }
        }
    }
    for cut in 1..FILE_HEADER_BYTES {
        let (offset, _) = damage_of(&log[..cut]);
        assert_eq!(
            offset, cut as u64,
            "a log is never created without its header"
        );
    }
}

#[test]
fn a_missing_batch_is_damage() {
    let (log, starts) = log_of(&batches());
    let removed = [&log[..starts[1]], &log[starts[2]..]].concat();
    let (offset, detail) = damage_of(&removed);
    assert_eq!(offset, starts[1] as u64);
    assert!(detail.contains("belongs at byte"), "{detail}");

    let mut zeroed = log.clone();
    zeroed[starts[1]..starts[2]].fill(0);
    let (offset, detail) = damage_of(&zeroed);
    assert_eq!(offset, starts[1] as u64);
    assert!(detail.contains("was synced before"), "{detail}");
}

/// Replaces the header of the batch at `start` after changing it.
fn reframe(log: &mut [u8], start: usize, change: impl FnOnce(&mut BatchHeader)) {
    let mut header = BatchHeader::decode(&log[start..]).expect("a batch starts here");
    change(&mut header);
    log[start..start + BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
}

#[test]
fn a_jump_of_sequence_or_index_is_damage() {
    let (mut log, starts) = log_of(&batches());
    let pristine = log.clone();
    reframe(&mut log, starts[4], |header| header.sequence += 1);
    let (offset, detail) = damage_of(&log);
    assert_eq!(offset, starts[4] as u64);
    assert!(detail.ends_with("is due"), "{detail}");

    let mut log = pristine;
    let payload = starts[4] + BATCH_HEADER_BYTES;
    log[payload + 1] = 4;
    let crc = crc32fast::hash(&log[payload..]);
    reframe(&mut log, starts[4], |header| header.payload_crc = crc);
    let (offset, detail) = damage_of(&log);
    assert_eq!(offset, starts[4] as u64);
    assert_eq!(detail, "entry 4 follows entry 2");
}

#[test]
fn a_checked_batch_that_makes_no_sense_is_damage() {
    let (log, starts) = log_of(&batches());
    let payload = starts[4] + BATCH_HEADER_BYTES;
    // A tag of a later format, and a length that leads out of the batch.
    for (at, value, expected) in [(0, 99, "unknown tag 99"), (9, 200, "claims 200 bytes")] {
        let mut log = log.clone();
        log[payload + at] = value;
        let crc = crc32fast::hash(&log[payload..]);
        reframe(&mut log, starts[4], |header| header.payload_crc = crc);
        let (_, detail) = damage_of(&log);
        assert!(detail.contains(expected), "{detail}");
    }
}

#[test]
fn a_huge_claimed_length_is_a_torn_tail() {
    let (mut log, starts) = log_of(&batches());
    reframe(&mut log, starts[4], |header| {
        header.payload_bytes = u32::MAX as usize;
    });
    let (state, _) = replayed(&log).expect("the batch does not end in the file");
    assert_eq!(state, states()[4]);
}

#[test]
fn zeros_behind_a_torn_payload_are_part_of_the_torn_tail() {
    let (mut log, starts) = log_of(&batches());
    let end = log.len();
    log[end - 1] ^= 1;
    log.resize(end + 64, 0);
    let (state, torn_bytes) = replayed(&log).expect("zeros are no witness");
    assert_eq!(state, states()[4]);
    assert_eq!(torn_bytes, (end + 64 - starts[4]) as u64);
}

#[test]
fn a_torn_later_batch_is_witness_enough() {
    let (mut log, starts) = log_of(&batches());
    log[starts[4] - 1] ^= 1;
    log.truncate(starts[4] + BATCH_HEADER_BYTES);
    let (offset, _) = damage_of(&log);
    assert_eq!(offset, starts[3] as u64);
}

#[test]
fn what_was_recovered_counts_as_synced_for_the_next_batch() {
    let disk = MemoryDisk::new();
    let damaged = block_on(async {
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let damaged = wal.bytes();
        wal.write(&[vote("term 1")]).await.expect("written");
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it reopens");
        wal.write(&[vote("term 2")]).await.expect("written");
        damaged
    });
    let mut log = disk.contents("wal").expect("the log exists");
    log[damaged as usize + BATCH_HEADER_BYTES] ^= 1;
    let (offset, _) = damage_of(&log);
    assert_eq!(offset, damaged);
}

#[test]
fn a_log_inside_a_value_is_not_taken_for_a_later_batch() {
    // A client stores a copy of somebody's log; the header of that write is then torn.
    let (inner, _) = log_of(&batches());
    let stored = Record::Entry {
        index: 1,
        data: inner.into(),
    };
    let (mut log, starts) = log_of(&[vec![stored]]);
    log[starts[0]] ^= 0xff;
    let (state, _) = replayed(&log).expect("this is a torn tail");
    assert_eq!(state, Model::default());
}

#[test]
fn foreign_files_and_other_versions_are_named() {
    let open = |bytes: &[u8]| {
        let disk = MemoryDisk::new();
        disk.put("wal", bytes);
        let outcome = block_on(Wal::open(disk.clone())).map(drop);
        disk.crash(CrashMode::Kill);
        assert_eq!(
            disk.contents("wal").as_deref(),
            Some(bytes),
            "a refused file is left as it is"
        );
        outcome.expect_err("it is not a log of ours").to_string()
    };
    assert!(open(b"GIF89a, a picture of a cat").contains("not written by this program"));
    assert!(open(b"x").contains("not written by this program"));
    assert!(open(&[0; 64]).contains("not written by this program"));
    let (mut log, starts) = log_of(&batches());
    log[8] = 2;
    assert_eq!(
        open(&log),
        "wal has format version 2; this program reads version 1"
    );
    log[8] = 1;
    log[starts[0] + 3] ^= 1;
    let refusal = open(&log);
    assert!(refusal.starts_with(&format!("wal is damaged at byte {}: ", starts[0])));
}

#[test]
fn damage_to_the_last_records_of_a_rewritten_log_is_refused() {
    let disk = MemoryDisk::new();
    block_on(async {
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("it is fresh");
        let rewritten = wal.rewrite(std::iter::once(vote("term 7"))).await;
        rewritten.expect("nothing fails");
    });
    let mut log = disk.contents("wal").expect("the log exists");
    log[FILE_HEADER_BYTES + BATCH_HEADER_BYTES + 5] ^= 1;
    let (offset, _) = damage_of(&log);
    assert_eq!(offset, FILE_HEADER_BYTES as u64);
}

proptest! {
    #[test]
    fn random_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        // Once as they are, and once behind a valid header, where they are a torn tail.
        let _ = replay("wal", &bytes);
        let (log, _) = log_of(&[]);
        let replay = replay("wal", &[log.as_slice(), &bytes].concat());
        let recovered = replay.expect("random bytes are no batch").recovered;
        prop_assert_eq!(recovered.torn_bytes, bytes.len() as u64);
        prop_assert_eq!(Model::from(recovered), Model::default());
    }

    #[test]
    fn an_overwritten_stretch_never_alters_what_is_recovered(
        at in any::<prop::sample::Index>(),
        stretch in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let (pristine, starts) = log_of(&batches());
        let mut log = pristine.clone();
        let start = at.index(log.len());
        let end = log.len().min(start + stretch.len());
        log[start..end].copy_from_slice(&stretch[..end - start]);
        let last = starts[starts.len() - 1];
        match replayed(&log) {
            // A stretch that reaches into the last header looks like a torn tail from the
            // first batch it touches; all before that must be there.
            Ok((state, _)) => {
                let untouched = starts[1..].iter().filter(|next| **next <= start).count();
                prop_assert!(states()[untouched..].contains(&state));
                prop_assert!(end > last || log == pristine);
            }
            Err(_) => prop_assert!(start < last),
        }
    }
}
