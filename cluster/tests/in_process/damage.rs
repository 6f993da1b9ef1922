//! Every single-bit flip of a small data directory: the node recovers exactly what it had, or
//! refuses to start, or has lost the end of its log and knows it, which its peers send again.
//! Never anything else.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::EntryPayload;
use openraft::storage::RaftLogReader;
use squall_cluster::node::Node;
use squall_cluster::raft::log_store::LogStore;
use squall_cluster::raft::state_machine::StateMachine;
use squall_cluster::raft::{Members, Vote};
use squall_cluster::state::Limits;
use squall_cluster::state::command::{Request, Stamp};
use squall_cluster::storage::{Disk, Identity, MemoryDisk, OpenError};
use squall_cluster::world::World;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Wire, free_address, options, run};

/// Bytes of a batch without records, which ends a log that has come to rest.
const SEAL_BYTES: usize = 40;

/// What a directory says, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    identity: Option<Identity>,
    vote: Option<Vote<MemoryWorld>>,
    /// Index of the last entry, and the digest of the state after each entry of the log.
    last: u64,
    states: BTreeMap<u64, u64>,
}

/// What a node would go on from, without starting it.
async fn open(disk: &MemoryDisk) -> Result<Found, OpenError> {
    let identity = Identity::load(disk).await?;
    let machine = StateMachine::<MemoryWorld>::open(disk.clone(), Limits::default()).await?;
    let applied = machine.last_applied();
    let log = LogStore::<MemoryWorld>::open(disk.clone(), 1, applied, |_| {}).await;
    let mut log = log?;
    let vote = log.read_vote().await.expect("it is in memory");
    let behind = machine.applied_index() + 1;
    let entries = log.try_get_log_entries(behind..).await;
    let mut state = machine.state().clone();
    let mut states = BTreeMap::from([(machine.applied_index(), state.digest())]);
    for entry in entries.expect("they are in memory") {
        let index = entry.log_id.index;
        if let EntryPayload::Normal(proposal) = entry.payload {
            let request: Request = postcard::from_bytes(&proposal.0)
                .map_err(|e| OpenError::Io(std::io::Error::other(e)))?;
            let time_ms = request.time_ms;
            state.apply(Stamp { index, time_ms }, &request);
        }
        states.insert(index, state.digest());
    }
    log.close();
    Ok(Found {
        identity,
        vote,
        last: log.last_index(),
        states,
    })
}

/// A node that has written something of each kind, some of it behind its snapshot, and stopped.
async fn directory() -> BTreeMap<String, Vec<u8>> {
    let disk = MemoryDisk::new();
    let address = free_address();
    let members = Members::from([(1, address.clone())]);
    let started = Node::<MemoryWorld>::start(options(1, &address, &members), disk.clone());
    let node = started.await.expect("the disk is empty");
    let mut wire = Wire::connect(&address).await;
    while !node.is_leading() || node.level() == 0 {
        MemoryWorld::sleep(Duration::from_millis(1)).await;
    }
    wire.send(&["SESSION.OPEN 60000"]).await;
    let session = wire.line().await.trim_start_matches(':').to_owned();
    let acquire = format!("LOCK.ACQUIRE l {session}");
    wire.send(&[&acquire, "SET k v", "QUEUE.PUBLISH q m DEDUP p 1"])
        .await;
    wire.line().await;
    wire.expect("+OK,:1").await;
    wire.send(&["RAFT.BACKUP"]).await;
    assert!(wire.rest().await.starts_with('$'), "a snapshot was taken");
    let mut wire = Wire::connect(&address).await;
    wire.send(&["QUEUE.RECEIVE q", "APPEND k w"]).await;
    wire.expect("*1,*4,:1,:1,:1,$1,m,:2").await;
    wire.send(&["DEL k"]).await;
    wire.expect(":1").await;
    node.stop("the test wants it").await;
    // The writer seals the log when it has nothing more to do.
    for _ in 0..100 {
        MemoryWorld::sleep(Duration::from_millis(1)).await;
    }
    let names = disk.list().await.expect("the disk works");
    let files = names.into_iter().map(|name| {
        let bytes = disk.contents(&name).expect("it was listed");
        (name, bytes)
    });
    files.collect()
}

fn disk_of(files: &BTreeMap<String, Vec<u8>>) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (name, bytes) in files {
        disk.put(name, bytes);
    }
    disk
}

/// How many flips came to what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    recovered: usize,
    refused: usize,
    /// The last batch is missing, as after a crash in the middle of its write.
    torn: usize,
}

async fn flip_all(files: &BTreeMap<String, Vec<u8>>, name: &str, pristine: &Found) -> Tally {
    let mut tally = Tally::default();
    let bytes = &files[name];
    for bit in 0..bytes.len() * 8 {
        let disk = disk_of(files);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.put(name, &flipped);
        match open(&disk).await {
            Err(_) => tally.refused += 1,
            Ok(found) if found == *pristine => tally.recovered += 1,
            Ok(found) => {
                // Nothing but an end that is missing, whole entries of it.
                let kept = pristine.states.range(..=found.last);
                let kept = kept.map(|(index, state)| (*index, *state)).collect();
                let expected = Found {
                    last: found.last,
                    states: kept,
                    ..pristine.clone()
                };
                assert_eq!(found, expected, "{name}, bit {bit}: wrong data");
                assert!(found.last < pristine.last, "{name}, bit {bit}");
                tally.torn += 1;
            }
        }
    }
    tally
}

#[test]
fn every_flipped_bit_of_a_data_directory_is_recovered_refused_or_known_to_be_torn() {
    run(async {
        let at_rest = directory().await;
        let pristine = open(&disk_of(&at_rest)).await.expect("nothing is damaged");
        assert!(pristine.vote.is_some() && pristine.states.len() > 3);
        let mut busy = at_rest.clone();
        let wal = busy.get_mut("wal").expect("a node has a log");
        wal.truncate(wal.len() - SEAL_BYTES);
        let again = open(&disk_of(&busy)).await.expect("nothing is damaged");
        assert_eq!(again, pristine, "the end of a log at rest holds nothing");

        println!("| directory | file | bits | recovered | refused | end missing |");
        println!("|---|---|---|---|---|---|");
        for (which, files) in [("at rest", &at_rest), ("killed while busy", &busy)] {
            for (name, bytes) in files {
                if which != "at rest" && name != "wal" {
                    continue;
                }
                let tally = flip_all(files, name, &pristine).await;
                let bits = bytes.len() * 8;
                println!(
                    "| {which} | `{name}` | {bits} | {} | {} | {} |",
                    tally.recovered, tally.refused, tally.torn
                );
                assert_eq!(bits, tally.recovered + tally.refused + tally.torn);
                match (which, name.as_str()) {
                    // Of the batch that seals the log nothing is missed.
                    ("at rest", "wal") => {
                        assert_eq!((tally.torn, tally.recovered), (0, SEAL_BYTES * 8));
                    }
                    ("at rest", _) => assert_eq!(tally.refused, bits, "{name}"),
                    _ => assert!(tally.torn > 0 && tally.recovered == 0, "{tally:?}"),
                }
            }
        }
    });
}
