//! The ways out when a cluster has lost its majority, or everything but a backup.

use std::time::Duration;

use openraft::impls::BasicNode;
use openraft::{EntryPayload, Membership};
use squall_cluster::client::{Client, Credentials, backup};
use squall_cluster::node::{Node, NodeOptions, check_backup, force_new_cluster, restore};
use squall_cluster::raft::state_machine::term_of;
use squall_cluster::raft::{LogEntry, LogId, Members};
use squall_cluster::state::command::{
    CacheCommand, Command, Query, Reply, SetCondition, Versioned,
};
use squall_cluster::storage::{Disk, MemoryDisk, Record, Wal};
use squall_cluster::world::World;

use crate::memory_world::MemoryWorld;
use crate::nodes::{free_address, free_addresses, options, run, soon};

async fn start(options: NodeOptions, disk: &MemoryDisk) -> Node<MemoryWorld> {
    let started = Node::start(options, disk.clone()).await;
    started.unwrap_or_else(|e| panic!("the node starts: {e}"))
}

async fn set(address: &str, key: &'static str) {
    set_anywhere(&[address.to_owned()], key).await;
}

/// Sets a key at whoever leads.
async fn set_anywhere(addresses: &[String], key: &'static str) {
    let mut client = Client::<MemoryWorld>::new(addresses.to_vec(), 0);
    let command = Command::Cache(CacheCommand::Set {
        key: key.into(),
        value: "v".into(),
        ttl_ms: None,
        keep_ttl: false,
        condition: SetCondition::Always,
    });
    let deadline = soon();
    let answer = client.write(None, &command, 0, deadline).await;
    answer.expect("a cluster with a leader serves writes");
}

async fn get(address: &str, key: &'static str) -> Option<Versioned> {
    let mut client = Client::<MemoryWorld>::new(vec![address.to_owned()], 0);
    let query = Query::Get {
        keys: vec![key.into()],
    };
    let deadline = soon();
    match client.read(None, &query, deadline).await {
        Ok(Reply::Values(mut values)) => values.remove(0),
        other => panic!("a cluster with a leader serves reads: {other:?}"),
    }
}

/// A cluster of two that has the key `a`, stopped; the disks.
async fn cluster_of_two() -> [MemoryDisk; 2] {
    let addresses = free_addresses(2);
    let members: Members = (1..).zip(addresses.iter().cloned()).collect();
    let disks = [MemoryDisk::new(), MemoryDisk::new()];
    let mut nodes = Vec::new();
    for ((id, address), disk) in members.iter().zip(&disks) {
        nodes.push(start(options(*id, address, &members), disk).await);
    }
    set(&addresses[0], "a").await;
    for node in &nodes {
        node.stop("the test wants it").await;
    }
    disks
}

#[test]
fn one_node_of_a_lost_majority_goes_on_alone_when_it_is_forced() {
    run(async {
        let [disk, lost] = cluster_of_two().await;
        // Its process is gone, in the place of the port it had there is a new one.
        let address = free_address();
        let alone = options(1, &address, &Members::new());
        force_new_cluster::<MemoryWorld>(&alone, disk.clone())
            .await
            .expect("there is a log");
        let node = start(alone, &disk).await;
        assert!(get(&address, "a").await.is_some(), "nothing it had is lost");
        set(&address, "b").await;
        assert_eq!(node.membership().voters, [1].into());

        // What is left of the old cluster does not come in.
        let other = free_address();
        let _old = start(options(2, &other, &Members::new()), &lost).await;
        let refused = node.add_member(2, &other).await;
        let why = refused
            .expect_err("it belongs to another cluster")
            .to_string();
        assert!(why.contains("does not answer"), "{why}");
        set(&address, "c").await;
    });
}

/// A backup of the node, as it stands.
async fn backup_of(address: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let anybody = Credentials::default();
    let fetched = backup::<MemoryWorld>(address, &anybody, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    let length = fetched.await?;
    assert_eq!(length, bytes.len() as u64);
    Ok(bytes)
}

#[test]
fn a_backup_of_any_node_has_all_that_was_acknowledged_and_a_node_is_restored_from_it() {
    run(async {
        let addresses = free_addresses(3);
        let members: Members = (1..).zip(addresses.iter().cloned()).collect();
        let mut nodes = Vec::new();
        for (id, address) in &members {
            nodes.push(start(options(*id, address, &members), &MemoryDisk::new()).await);
        }
        // Whoever is asked, and however often.
        for (nth, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
            set_anywhere(&addresses, key).await;
            let backup = backup_of(&addresses[nth % 3]).await.expect("all nodes run");
            let contents = check_backup::<MemoryWorld>(backup.clone()).expect("it is whole");
            assert_eq!(contents.keys, nth as u64 + 1);
            // A snapshot that is there already has it as well.
            let again = backup_of(&addresses[nth % 3]).await.expect("all nodes run");
            assert!(check_backup::<MemoryWorld>(again).is_ok());
            if key != "d" {
                continue;
            }
            let disk = MemoryDisk::new();
            let address = free_address();
            let alone = options(7, &address, &Members::new());
            let restored = restore::<MemoryWorld>(&alone, disk.clone(), backup.clone()).await;
            let restored = restored.expect("the directory is empty");
            assert_eq!(restored.keys, contents.keys);
            // No version or token of after the backup is given again.
            set_anywhere(&addresses, key).await;
            let leader = nodes.iter().position(Node::is_leading);
            let leader = &addresses[leader.expect("it has just served")];
            let lost = get(leader, key).await.expect("it was just set").version;
            assert!(restored.last_entry > lost);
            let again = restore::<MemoryWorld>(&alone, disk.clone(), backup).await;
            let why = again.expect_err("it is full now").to_string();
            assert!(
                why.starts_with("the directory is not empty (node, "),
                "{why}"
            );
            let node = start(alone, &disk).await;
            for key in ["a", "d"] {
                assert!(get(&address, key).await.is_some(), "{key}");
            }
            set(&address, "e").await;
            let anew = get(&address, "e").await.expect("it was just set");
            assert!(anew.version > lost);
            assert_eq!(node.membership().voters, [7].into());
            // It is another cluster than the one that goes on.
            let refused = node.add_member(1, &addresses[0]).await;
            assert!(refused.is_err());
        }
        // Without a quorum nobody knows what was acknowledged.
        for node in &nodes[1..] {
            node.stop("the test wants it").await;
        }
        let why = backup_of(&addresses[0]).await.expect_err("no quorum");
        assert!(
            why.contains("TRYAGAIN") || why.contains("CLUSTERDOWN"),
            "{why}"
        );
    });
}

#[test]
fn a_backup_with_any_damage_and_a_directory_with_nothing_in_it_are_refused() {
    run(async {
        let address = free_address();
        let members = Members::from([(1, address.clone())]);
        let _node = start(options(1, &address, &members), &MemoryDisk::new()).await;
        set(&address, "a").await;
        let good = backup_of(&address).await.expect("the node runs");
        let alone = options(2, &address, &Members::new());
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                check_backup::<MemoryWorld>(flipped.clone()).is_err(),
                "{bit}"
            );
            if bit % 97 == 0 {
                let disk = MemoryDisk::new();
                let refused = restore::<MemoryWorld>(&alone, disk.clone(), flipped).await;
                assert!(refused.is_err(), "bit {bit}");
                let names = disk.list().await.expect("the disk works");
                assert!(names.is_empty(), "{names:?} was left behind");
            }
        }
        for length in 0..good.len() {
            let cut = good[..length].to_vec();
            assert!(check_backup::<MemoryWorld>(cut).is_err(), "cut at {length}");
        }
        let refused = force_new_cluster::<MemoryWorld>(&alone, MemoryDisk::new()).await;
        assert!(refused.is_err(), "there is nothing to go on from");
    });
}

#[test]
fn the_directory_of_another_node_is_not_forced() {
    run(async {
        let [disk, _] = cluster_of_two().await;
        let before = disk.contents("wal");
        let other = options(2, &free_address(), &Members::new());
        let refused = force_new_cluster::<MemoryWorld>(&other, disk.clone()).await;
        let why = refused.expect_err("it is node-1's").to_string();
        assert!(
            why.contains("belongs to node-1, and this is node-2"),
            "{why}"
        );
        assert_eq!(disk.contents("wal"), before, "nothing was changed");
    });
}

/// Written by a node of the release before: a session with a lock, some keys, a letter in a
/// queue; a snapshot, and a log that goes on behind it.
#[test]
fn a_directory_of_the_release_before_is_read_and_carried_on() {
    run(async {
        let disk = MemoryDisk::new();
        disk.put("wal", include_bytes!("fixtures/release-0.1/wal"));
        let snapshot = include_bytes!("fixtures/release-0.1/snapshot-00000000000000000019");
        disk.put("snapshot-00000000000000000019", snapshot);
        let address = free_address();
        let node = start(options(1, &address, &Members::new()), &disk).await;
        for (key, value) in [
            ("key-0", "value-0"),
            ("key-11", "value-11"),
            ("last", "one"),
        ] {
            let found = get(&address, key).await.map(|found| found.value);
            assert_eq!(found.as_deref(), Some(value.as_bytes()), "{key}");
        }
        set(&address, "new").await;
        node.stop("the test wants it").await;

        let address = free_address();
        let _again = start(options(1, &address, &Members::new()), &disk).await;
        for key in ["key-11", "new"] {
            assert!(get(&address, key).await.is_some(), "{key}");
        }
    });
}

/// A leader committed a joint configuration and died before it could leave it.
#[test]
fn a_change_of_members_that_was_left_half_done_is_finished_by_the_next_leader() {
    run(async {
        let address = free_address();
        let members = Members::from([(1, address.clone())]);
        let disk = MemoryDisk::new();
        let node = start(options(1, &address, &members), &disk).await;
        set(&address, "a").await;
        node.stop("the test wants it").await;
        append_joint_configuration(&disk, &address).await;

        let address = free_address();
        let node = start(options(1, &address, &Members::new()), &disk).await;
        // Applied behind the joint configuration, which is in force until it is left.
        set(&address, "b").await;
        let deadline = soon();
        while node.membership().is_changing {
            assert!(MemoryWorld::now() < deadline, "nobody finishes the change");
            MemoryWorld::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(node.membership().voters, [1].into());
        set(&address, "c").await;
    });
}

/// Both configurations have the one node, so that it is a majority of both.
async fn append_joint_configuration(disk: &MemoryDisk, address: &str) {
    let (mut wal, recovered) = Wal::open(disk.clone()).await.expect("the node has stopped");
    let (position, bytes) = recovered.entries.last_key_value().expect("it has entries");
    let last: LogEntry<MemoryWorld> = postcard::from_bytes(bytes).expect("an entry");
    let voters = [1].into();
    let nodes = std::collections::BTreeMap::from([(1, BasicNode::new(address))]);
    let joint = Membership::new(vec![voters, [1].into()], nodes).expect("its voters are nodes");
    // The write-ahead log counts from 1, Raft from 0.
    let (term, next) = (term_of::<MemoryWorld>(&last.log_id), *position);
    let entry = LogEntry::<MemoryWorld> {
        log_id: LogId::<MemoryWorld>::new_term_index(term, next),
        payload: EntryPayload::Membership(joint),
    };
    let data = postcard::to_stdvec(&entry).expect("plain data").into();
    let index = position + 1;
    let entry = Record::Entry { index, data };
    wal.write(&[entry]).await.expect("the disk works");
    wal.sync().await.expect("the disk works");
}
