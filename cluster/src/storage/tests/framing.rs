//! Records and batches survive the way to bytes and back.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::frame::Tail;
use super::super::record::Record;
use super::super::recovery::replay;
use super::super::wal::fitting;
use super::model::{Model, log_of};

fn any_record() -> impl Strategy<Value = Record> {
    let data = || prop::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from);
    prop_oneof![
        (any::<u64>(), data()).prop_map(|(index, data)| Record::Entry { index, data }),
        any::<u64>().prop_map(|index| Record::TruncateAfter { index }),
        data().prop_map(Record::Vote),
        data().prop_map(Record::Committed),
        (any::<u64>(), data()).prop_map(|(index, data)| Record::Purged { index, data }),
    ]
}

/// Turns arbitrary choices into batches that a log accepts.
fn fitting_batches(choices: &[Vec<(u8, Bytes)>]) -> Vec<Vec<Record>> {
    let (mut purged, mut last) = (0, 0);
    let mut fit = |(kind, data): (u8, Bytes)| match kind % 8 {
        0 => Record::Vote(data),
        1 => Record::Committed(data),
        2 => {
            last = purged.max(u64::from(kind / 8) % (last + 1));
            Record::TruncateAfter { index: last }
        }
        3 => {
            purged = last.min(purged + 1);
            Record::Purged {
                index: purged,
                data,
            }
        }
        _ => {
            last += 1;
            Record::Entry { index: last, data }
        }
    };
    let batches = choices.iter().cloned();
    batches
        .map(|batch| batch.into_iter().map(&mut fit).collect())
        .collect()
}

proptest! {
    #[test]
    fn records_round_trip(records in prop::collection::vec(any_record(), 0..20)) {
        let mut bytes = Vec::new();
        for record in &records {
            let before = bytes.len();
            record.encode(&mut bytes);
            prop_assert_eq!(bytes.len() - before, record.encoded_bytes());
        }
        let mut input = Bytes::from(bytes);
        for record in &records {
            prop_assert_eq!(&Record::decode(&mut input), &Ok(record.clone()));
        }
        prop_assert!(input.is_empty());
    }

    #[test]
    fn random_bytes_decode_to_a_record_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut input = Bytes::from(bytes.clone());
        if let Ok(record) = Record::decode(&mut input) {
            let mut again = Vec::new();
            record.encode(&mut again);
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - input.len()]);
        }
    }

    #[test]
    fn logs_round_trip(
        choices in prop::collection::vec(
            prop::collection::vec(
                (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)),
                1..6,
            ),
            0..12,
        ),
    ) {
        let batches = fitting_batches(&choices);
        let (log, _) = log_of(&batches);
        let mut expected = Model::default();
        for batch in &batches {
            expected.apply(batch);
        }
        let replay = replay("wal", &log).expect("the log was written whole");
        prop_assert_eq!(replay.tail.end, log.len() as u64);
        prop_assert_eq!(replay.recovered.torn_bytes, 0);
        prop_assert_eq!(Model::from(replay.recovered), expected);
    }
}

#[test]
fn a_batch_over_the_limit_is_refused() {
    // Shared memory: the gigabyte exists only once, and only as untouched zero pages.
    let half = Bytes::from(vec![0; 1 << 29]);
    let records = [Record::Vote(half.clone()), Record::Vote(half)];
    let refused = Tail::after_header(0).frame(&records);
    let error = refused.expect_err("two halves and their headers exceed the limit");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn records_are_split_where_a_batch_is_full() {
    let record = |bytes: usize| Record::Vote(vec![0; bytes].into());
    let records = [record(95), record(95), record(500), record(1)];
    for (from, most_bytes, fit) in [
        (0, 1_000, 4),
        (0, 200, 2),
        (0, 199, 1),
        (0, 1, 1),
        (2, 100, 1),
        (3, 6, 1),
    ] {
        let fits = fitting(&records[from..], most_bytes);
        assert_eq!(fits, fit, "from {from} in {most_bytes} bytes");
    }
}
