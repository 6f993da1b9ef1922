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
                Record::Entry { index, data } => {
                    if self
                        .purged
                        .as_ref()
                        .is_some_and(|(purged, _)| index <= *purged)
                    {
                        continue;
                    }
                    drop(self.entries.split_off(&index));
                    self.entries.insert(index, data);
                }
                Record::TruncateAfter { index } => {
                    drop(self.entries.split_off(&(index + 1)));
                }
                Record::Vote(data) => self.vote = Some(data),
                Record::Committed(data) => self.committed = Some(data),
                Record::Purged { index, data } => {
                    if self
                        .purged
                        .as_ref()
                        .is_some_and(|(purged, _)| index < *purged)
                    {
                        continue;
                    }
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
    /// Written batch by batch, with one sync at the end.
    Write(Vec<Vec<Record>>),
    /// Rewritten to the shortest form.
    Compact,
}

/// Where a workload stood when it ended or crashed.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) acked: Model,
    /// The states that the batches of the operation in flight would have led to.
    pub(super) attempted: Vec<Model>,
    pub(super) result: io::Result<()>,
}

/// Opens the log of `disk` and runs the steps until the first error.
pub(super) async fn run<D: Disk>(disk: D, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome {
        acked: Model::default(),
        attempted: Vec::new(),
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
        let mut state = outcome.acked.clone();
        outcome.attempted.clear();
        outcome.result = match step {
            Step::Write(batches) => {
                for batch in batches {
                    state.apply(batch);
                    outcome.attempted.push(state.clone());
                }
                write_all(&mut wal, batches).await
            }
            Step::Compact => wal.rewrite(state.compact().into_iter()).await,
        };
        if outcome.result.is_err() {
            return outcome;
        }
        outcome.acked = state;
    }
    outcome
}

async fn write_all<D: Disk>(wal: &mut Wal<D>, batches: &[Vec<Record>]) -> io::Result<()> {
    for batch in batches {
        wal.write(batch).await?;
    }
    wal.sync().await
}

pub(super) async fn write_synced<D: Disk>(wal: &mut Wal<D>, records: &[Record]) -> io::Result<()> {
    write_all(wal, &[records.to_vec()]).await
}

/// Uses every record, compaction included, and syncs several batches at once.
pub(super) fn workload() -> Vec<Step> {
    let truncated = |index| Record::TruncateAfter { index };
    vec![
        Step::Write(vec![vec![vote("term 1")]]),
        Step::Write(vec![vec![entry(1, "membership")]]),
        Step::Write(vec![vec![entry(2, "two"), entry(3, ""), entry(4, "four")]]),
        Step::Write(vec![vec![truncated(1)]]),
        Step::Write(vec![
            vec![entry(2, "other two"), committed("1")],
            vec![entry(3, "three")],
            vec![vote("term 2"), entry(3, "in the place of three")],
        ]),
        Step::Write(vec![vec![truncated(0), entry(1, "new")]]),
        Step::Compact,
        Step::Write(vec![vec![entry(2, "after compaction"), vote("term 3")]]),
        Step::Write(vec![
            vec![entry(3, "a longer entry, so that torn tails vary")],
            vec![purged(2, "log id 2")],
        ]),
        Step::Compact,
        Step::Compact,
        Step::Write(vec![vec![purged(9, "installed snapshot")]]),
        Step::Write(vec![vec![entry(10, "ten"), entry(11, "eleven")]]),
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
