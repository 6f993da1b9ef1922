//! The oracle, and a workload that uses every kind of record.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;

use bytes::Bytes;

use super::super::{Disk, MemoryDisk, Record, Recovered, Wal};

/// What the log should say, kept in plain maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    entries: BTreeMap<u64, Bytes>,
}

impl Model {
    pub(super) fn apply(&mut self, records: &[Record]) {
        for record in records.iter().cloned() {
            match record {
                Record::Entry { index, data } => drop(self.entries.insert(index, data)),
                Record::TruncateAfter { index: None } => self.entries.clear(),
                Record::TruncateAfter { index: Some(index) } => {
                    drop(self.entries.split_off(&(index + 1)));
                }
                Record::Vote(data) => self.vote = Some(data),
                Record::Committed(data) => self.committed = Some(data),
                Record::Purged { index, data } => {
                    self.entries = self.entries.split_off(&(index + 1));
                    self.purged = Some((index, data));
                }
            }
        }
    }

    /// The shortest list of records that says the same.
    pub(super) fn compact(&self) -> Vec<Record> {
        let vote = self.vote.clone().map(Record::Vote);
        let committed = self.committed.clone().map(Record::Committed);
        let purged = self.purged.clone();
        let purged = purged.map(|(index, data)| Record::Purged { index, data });
        let entries = self.entries.clone().into_iter();
        let entries = entries.map(|(index, data)| Record::Entry { index, data });
        let rest = [vote, committed, purged].into_iter().flatten();
        rest.chain(entries).collect()
    }
}

impl From<Recovered> for Model {
    fn from(recovered: Recovered) -> Model {
        Model {
            vote: recovered.vote,
            committed: recovered.committed,
            purged: recovered.purged,
            entries: recovered.entries,
        }
    }
}

/// One acknowledged operation of a workload.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Written as one batch and synced.
    Batch(Vec<Record>),
    /// Rewritten to the shortest form.
    Compact,
}

/// Where a workload stood when it ended or crashed.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) acked: Model,
    /// The state that the operation in flight would have led to.
    pub(super) attempted: Model,
    pub(super) result: io::Result<()>,
}

/// Opens the log of `disk` and runs the steps until the first error.
pub(super) async fn run<D: Disk>(disk: D, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome {
        acked: Model::default(),
        attempted: Model::default(),
        result: Ok(()),
    };
    let mut wal = match Wal::open(disk).await {
        Ok((wal, _)) => wal,
        Err(error) => {
            outcome.result = Err(io::Error::other(error));
            return outcome;
        }
    };
    for step in steps {
        outcome.result = match step {
            Step::Batch(records) => {
                outcome.attempted.apply(records);
                write_synced(&mut wal, records).await
            }
            Step::Compact => wal.rewrite(outcome.acked.compact().into_iter()).await,
        };
        if outcome.result.is_err() {
            return outcome;
        }
        outcome.acked = outcome.attempted.clone();
    }
    outcome
}

pub(super) async fn write_synced<D: Disk>(wal: &mut Wal<D>, records: &[Record]) -> io::Result<()> {
    wal.write(records).await?;
    wal.sync().await
}

/// Starts at index 0, as some logs do, and uses every record, compaction included.
pub(super) fn workload() -> Vec<Step> {
    vec![
        Step::Batch(vec![vote("term 1")]),
        Step::Batch(vec![entry(0, "membership")]),
        Step::Batch(vec![entry(1, "one"), entry(2, ""), entry(3, "three")]),
        Step::Batch(vec![Record::TruncateAfter { index: Some(0) }]),
        Step::Batch(vec![entry(1, "other one"), committed("1")]),
        Step::Batch(vec![Record::TruncateAfter { index: None }, entry(0, "new")]),
        Step::Compact,
        Step::Batch(vec![entry(1, "after compaction"), vote("term 2")]),
        Step::Batch(vec![entry(2, "a longer entry, so that torn tails vary")]),
        Step::Batch(vec![purged(1, "log id 1")]),
        Step::Compact,
        Step::Compact,
        Step::Batch(vec![purged(9, "installed snapshot")]),
        Step::Batch(vec![entry(10, "ten"), entry(11, "eleven")]),
    ]
}

pub(super) fn entry(index: u64, data: &'static str) -> Record {
    Record::Entry {
        index,
        data: Bytes::from_static(data.as_bytes()),
    }
}

pub(super) fn vote(data: &'static str) -> Record {
    Record::Vote(Bytes::from_static(data.as_bytes()))
}

pub(super) fn committed(data: &'static str) -> Record {
    Record::Committed(Bytes::from_static(data.as_bytes()))
}

pub(super) fn purged(index: u64, data: &'static str) -> Record {
    Record::Purged {
        index,
        data: Bytes::from_static(data.as_bytes()),
    }
}

/// The bytes of a log with one batch for each element, and where each batch starts. Made by
/// the log itself.
pub(super) fn log_of(batches: &[Vec<Record>]) -> (Vec<u8>, Vec<usize>) {
    let disk = MemoryDisk::new();
    let starts = block_on(async {
        let (mut wal, _) = Wal::open(disk.clone()).await.expect("a fresh log opens");
        let mut starts = Vec::new();
        for batch in batches {
            starts.push(wal.bytes() as usize);
            let written = write_synced(&mut wal, batch).await;
            written.expect("a memory disk does not fail unasked");
        }
        starts
    });
    let bytes = disk.contents("wal").expect("the log exists");
    (bytes, starts)
}

/// Runs a future to its end on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime can be built").block_on(future)
}
