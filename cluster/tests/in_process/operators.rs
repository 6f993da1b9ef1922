//! Tests the commands of operators over the client port: memory, listings, deleted queues.

use std::collections::BTreeSet;
use std::time::Duration;

use squall_cluster::node::{ClientOptions, Node};
use squall_cluster::raft::Members;
use squall_cluster::state::USUAL_LEVEL;
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::World;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, free_address, options, run, soon};

const MIB: usize = 1 << 20;

/// A `SET` of so many bytes.
fn set(key: &str, bytes: usize) -> Vec<u8> {
    let head = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${bytes}\r\n", key.len());
    [head.as_bytes(), &vec![b'x'; bytes], b"\r\n"].concat()
}

/// Sends it until the answer begins so.
async fn until(wire: &mut Wire, command: &[u8], start: &str) {
    let deadline = soon();
    loop {
        wire.send_bytes(command).await;
        let answer = wire.line().await;
        if answer.starts_with(start) {
            return;
        }
        assert!(MemoryWorld::now() < deadline, "still {answer}");
        MemoryWorld::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_node_without_memory_refuses_what_grows_and_serves_the_rest() {
    run(async {
        let options = ClientOptions {
            max_memory: 16 * MIB as u64,
            ..ClientOptions::default()
        };
        let cluster = Cluster::start_with(1, options).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&["SET small 1", "QUEUE.PUBLISH q m", "SESSION.OPEN 60000"])
            .await;
        wire.expect("+OK,:1").await;
        let session = wire.line().await.trim_start_matches(':').to_owned();
        let acquire = format!("LOCK.ACQUIRE l {session}");
        wire.send(&[&acquire]).await;
        let token = wire.line().await.trim_start_matches(':').to_owned();
        // Some of the memory is the log's, until it is cut off for want of it.
        let (mut stored, mut refusals) = (0, 0);
        while refusals < 4 {
            wire.send_bytes(&set(&format!("k{stored}"), MIB)).await;
            let answer = wire.line().await;
            if answer.starts_with("-OOM ") {
                assert!(answer.contains("--max-memory"), "{answer}");
                refusals += 1;
                MemoryWorld::sleep(Duration::from_millis(400)).await;
                continue;
            }
            assert_eq!(answer, "+OK");
            (stored, refusals) = (stored + 1, 0);
        }
        assert!((10..16).contains(&stored), "{stored} MiB fit into 16");
        let most: String = (0..8).map(|nth| format!(" k{nth}")).collect();
        let refused = [
            "INCR small",
            "APPEND small 1",
            "QUEUE.PUBLISH q m",
            &acquire,
        ];
        for command in refused.iter().chain(&["SESSION.OPEN 1000", "MSET a 1 b 2"]) {
            wire.send(&[command]).await;
            let answer = wire.line().await;
            assert!(answer.starts_with("-OOM "), "{command}: {answer}");
        }
        // In one go, since what shares an entry must not share its fate.
        wire.send(&[
            "GET small",
            "EXPIRE small 100",
            "SET small 2",
            "DEL small",
            "QUEUE.RECEIVE q",
        ])
        .await;
        wire.expect("$1,1,:1").await;
        assert!(wire.line().await.starts_with("-OOM "));
        wire.expect(":1,*1,*4,:1,:1,:1,$1,m").await;
        wire.send(&[
            "QUEUE.ACK q 1",
            "QUEUE.PURGE q",
            &format!("SESSION.KEEPALIVE {session}"),
            &format!("LOCK.RELEASE l {session} {token}"),
            &format!("SESSION.CLOSE {session}"),
            "MULTI",
            "SET a 1",
            "EXEC",
        ])
        .await;
        wire.expect(":1,:0,:60000,+OK,+OK,+OK,+QUEUED").await;
        assert!(wire.line().await.starts_with("-OOM "));
        wire.send(&[&format!("DEL{most}")]).await;
        wire.expect(":8").await;
        until(&mut wire, b"SET small 3\r\n", "+OK").await;
        wire.send(&["GET small", "CONFIG SET maxmemory 1kb"]).await;
        wire.expect("$1,3,+OK").await;
        until(&mut wire, b"SET small 4\r\n", "-OOM ").await;
        wire.send(&["CONFIG SET maxmemory 0", "SET small 5"]).await;
        wire.expect("+OK,+OK").await;
        wire.send(&["CONFIG GET maxmemory*", "CONFIG SET maxmemory lots"])
            .await;
        wire.expect("*4,$9,maxmemory,$1,0,$16,maxmemory-policy,$11,allkeys-lru")
            .await;
        assert!(wire.line().await.starts_with("-ERR CONFIG SET failed"));
    });
}

#[test]
fn a_node_whose_disk_is_nearly_full_refuses_what_grows_and_serves_the_rest() {
    run(async {
        let disk = MemoryDisk::new();
        disk.set_free_bytes(Some(129 << 20));
        let address = free_address();
        let members: Members = [(1, address.clone())].into();
        let node = Node::<MemoryWorld>::start(options(1, &address, &members), disk.clone()).await;
        let _node = node.expect("the port is free and the disk is empty");
        let mut wire = Wire::connect(&address).await;
        until(&mut wire, b"SET k 1\r\n", "+OK").await;
        wire.send(&["QUEUE.PUBLISH q m", "RPUSH l a b"]).await;
        wire.expect(":1,:2").await;

        disk.set_free_bytes(Some((128 << 20) - 1));
        until(&mut wire, b"SET k 2\r\n", "-TRYAGAIN").await;
        // A disk that does not tell for a while is as it was.
        disk.set_free_bytes(None);
        MemoryWorld::sleep(Duration::from_millis(1_200)).await;
        wire.send(&["INCR k"]).await;
        let answer = wire.line().await;
        assert!(
            answer.contains("the disk is nearly full: 127 MiB"),
            "{answer}"
        );
        wire.send(&["GET k", "QUEUE.RECEIVE q"]).await;
        wire.expect("$1,2,*1,*4,:1,:1,:1,$1,m").await;
        wire.send(&["QUEUE.ACK q 1", "LPOP l", "DEL k", "GET k"])
            .await;
        wire.expect(":1,$1,a,:1,$-1").await;

        disk.set_free_bytes(Some(1 << 30));
        until(&mut wire, b"SET k 3\r\n", "+OK").await;
    });
}

/// The figure of a line of `INFO memory`.
async fn memory(wire: &mut Wire, name: &str) -> u64 {
    wire.send(&["INFO memory", "PING"]).await;
    let mut found = None;
    loop {
        let line = wire.line().await;
        if line == "+PONG" {
            return found.unwrap_or_else(|| panic!("there is no {name}"));
        }
        if let Some((_, figure)) = line.split_once(':').filter(|(start, _)| *start == name) {
            found = figure.parse().ok();
        }
    }
}

#[test]
fn the_account_of_memory_sees_values_the_log_and_replies_on_their_way() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        let dataset = memory(&mut wire, "used_memory_dataset").await;
        let log = memory(&mut wire, "used_memory_log").await;
        wire.send_bytes(&set("k", 4 * MIB)).await;
        wire.expect("+OK").await;
        for (name, before) in [("used_memory_dataset", dataset), ("used_memory_log", log)] {
            let more = memory(&mut wire, name).await - before;
            assert!(
                (4 * MIB..5 * MIB).contains(&(more as usize)),
                "{name}: {more}"
            );
        }
        // A client that does not take its reply has it in memory, and gives it back.
        let mut slow = Wire::connect(&cluster.addresses[0]).await;
        slow.send(&["MGET k k k k"]).await;
        let deadline = soon();
        while (memory(&mut wire, "mem_clients_normal").await as usize) < 12 * MIB {
            assert!(MemoryWorld::now() < deadline, "the reply is not counted");
            MemoryWorld::sleep(Duration::from_millis(20)).await;
        }
        slow.expect("*4").await;
        for _ in 0..4 {
            slow.line().await;
            slow.skip(4 * MIB + 2).await;
        }
        let deadline = soon();
        while (memory(&mut wire, "mem_clients_normal").await as usize) > MIB {
            assert!(MemoryWorld::now() < deadline, "the buffer is kept");
            MemoryWorld::sleep(Duration::from_millis(20)).await;
        }
        wire.send(&["DEL k"]).await;
        wire.expect(":1").await;
        assert_eq!(memory(&mut wire, "used_memory_dataset").await, dataset);
    });
}

#[test]
fn what_there_is_can_be_listed_and_queues_driven_again_and_deleted() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        wire.send(&["SESSION.OPEN 60000"]).await;
        let session = wire.line().await.trim_start_matches(':').to_owned();
        wire.send(&[&format!("LOCK.ACQUIRE l {session}")]).await;
        wire.line().await;
        wire.send(&["QUEUE.CREATE jobs MAXDELIVERIES 1", "QUEUE.PUBLISH jobs m"])
            .await;
        wire.expect("+OK,:1").await;
        wire.send(&["QUEUE.RECEIVE jobs", "QUEUE.NACK jobs 1"])
            .await;
        wire.expect("*1,*4,:1,:1,:1,$1,m,:1").await;
        wire.send(&["QUEUE.SCAN 0 COUNT 1", "QUEUE.SCAN +jobs COUNT 1"])
            .await;
        wire.expect("*2,$5,+jobs,*1,*4,$4,jobs,:0,:0,:0").await;
        wire.expect("*2,$1,0,*1,*4,$9,jobs.dead,:1,:0,:0").await;
        wire.send(&[
            "LOCK.SCAN 0 HELD MATCH l*",
            &format!("SESSION.SCAN 0 MATCH {session}"),
        ])
        .await;
        wire.expect("*2,$1,0,*1,*3,$1,l,:1,:0,*2,$1,0,*1,*3").await;
        let length = session.len();
        wire.expect(&format!("${length},{session},:60000")).await;
        assert!(wire.line().await.starts_with(':'));

        // The rules are raised for the first command that needs it, and no sooner; what is
        // behind it on the connection stays behind it.
        let node = &cluster.nodes[leader];
        assert_eq!(node.level(), USUAL_LEVEL);
        wire.send(&[
            "QUEUE.REDRIVE jobs.dead jobs",
            "QUEUE.DELETE jobs IFEMPTY",
            "QUEUE.DELETE jobs.dead IFEMPTY",
            "QUEUE.PUBLISH jobs.dead m",
            "QUEUE.DELETE jobs.dead",
            "QUEUE.INFO jobs.dead",
            "QUEUE.DELETE jobs.dead",
        ])
        .await;
        wire.expect(":1,-NOTEMPTY messages in the queue: 1,:0,:1,:1,*-1")
            .await;
        wire.expect("-NOQUEUE no such queue").await;
        assert_eq!(node.level(), 2);
        let target = node.applied_index();
        for follower in &cluster.nodes {
            let deadline = soon();
            while follower.applied_index() < target || follower.level() < 2 {
                assert!(MemoryWorld::now() < deadline, "a follower lags");
                MemoryWorld::sleep(Duration::from_millis(10)).await;
            }
        }
    });
}

/// A member that is not there may be of a release that would stop at such an entry.
#[test]
fn a_command_that_some_member_may_not_know_is_not_put_into_the_log() {
    run(async {
        let cluster = Cluster::start_some(3, 2, ClientOptions::default()).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        wire.send(&["QUEUE.PUBLISH q m", "QUEUE.DELETE q", "QUEUE.PUBLISH q n"])
            .await;
        wire.expect(":1").await;
        let answer = wire.line().await;
        assert!(
            answer.starts_with("-TRYAGAIN node-3 has not said that it knows this command"),
            "{answer}"
        );
        wire.expect(":2").await;
        assert_eq!(cluster.nodes[leader].level(), 0);
        // What is usual is served while a founder has yet to be started.
        wire.send(&["APPEND a b", "MULTI", "GET a", "SET a c", "EXEC"])
            .await;
        wire.expect(":1,+OK,+QUEUED,+QUEUED,*2,$1,b,+OK").await;
    });
}

#[test]
fn a_member_stays_where_it_is_until_it_is_removed() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        let members = cluster.nodes[leader].applied_index();
        for (id, at) in (1..).zip(&cluster.addresses) {
            wire.send(&[&format!("RAFT.ADD {id} 127.0.0.1:9")]).await;
            wire.expect(&format!(
                "-ERR node-{id} is a member at {at}; remove it before it is added at 127.0.0.1:9"
            ))
            .await;
        }
        assert_eq!(cluster.nodes[leader].applied_index(), members);
        // Where it is already: it is a member, as was asked.
        let at = &cluster.addresses[0];
        wire.send(&[&format!("RAFT.ADD 1 {at}")]).await;
        wire.expect("+node-1 added").await;
    });
}

#[test]
fn what_an_operator_cannot_do_is_said_in_words_of_this_program() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut wire = Wire::connect(&cluster.addresses[0]).await;
        wire.send(&[&format!("RAFT.INIT 1 {}", cluster.addresses[0])])
            .await;
        wire.expect("-ERR this node belongs to a cluster or has voted for one")
            .await;

        let address = free_address();
        let new = Node::start(options(1, &address, &Members::new()), MemoryDisk::new());
        let new: Node<MemoryWorld> = new.await.expect("the port is free");
        let mut wire = Wire::connect(&address).await;
        wire.send(&["RAFT.INIT 2 127.0.0.1:9"]).await;
        wire.expect("-ERR this node is not among the members given")
            .await;
        wire.send(&[&format!("RAFT.INIT 1 {address}")]).await;
        wire.expect("+OK").await;
        let deadline = soon();
        while !new.is_leading() {
            assert!(MemoryWorld::now() < deadline, "it does not lead");
            MemoryWorld::sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn without_a_quorum_clients_hear_so_in_words_of_this_program() {
    run(async {
        let cluster = Cluster::start(3).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        wire.send(&["SET k v"]).await;
        wire.expect("+OK").await;
        for (at, node) in cluster.nodes.iter().enumerate() {
            if at != leader {
                node.stop("the test asks for it").await;
            }
        }
        let deadline = soon();
        let mut heard = BTreeSet::new();
        while MemoryWorld::now() < deadline && !heard.contains("-CLUSTERDOWN no leader is known") {
            wire.send(&["GET k"]).await;
            heard.insert(wire.line().await);
        }
        for answer in &heard {
            let is_known = [
                "-TRYAGAIN no quorum confirmed this read",
                "-TRYAGAIN no quorum answered in time",
                "-CLUSTERDOWN no leader is known",
            ];
            assert!(is_known.contains(&answer.as_str()), "{answer}");
        }
    });
}

#[test]
fn whoever_waits_for_other_nodes_is_told_how_many_follow() {
    run(async {
        let cluster = Cluster::start_some(3, 2, ClientOptions::default()).await;
        let leader = cluster.leader().await;
        let mut wire = Wire::connect(&cluster.addresses[leader]).await;
        wire.send(&["SET k v", "WAIT 1 0", "WAIT 2 50", "WAIT 0 86400000"])
            .await;
        wire.expect("+OK,:1,:1,:1").await;
        wire.send(&["WAIT 1 86400001", "PING"]).await;
        wire.expect("-OUTOFRANGE a duration or count is outside its range,+PONG")
            .await;
    });
}
