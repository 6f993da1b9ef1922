//! Connections that became streams: they end as any other connection does.

use squall_cluster::node::ClientOptions;
use squall_cluster::world::World;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Cluster, Wire, run, soon};

/// Asks for the number of the connection and then for a stream.
async fn stream(cluster: &Cluster, command: &str) -> (Wire, String) {
    let mut wire = Wire::connect(&cluster.addresses[0]).await;
    wire.send(&["CLIENT ID", command]).await;
    let id = wire.line().await.split_off(1);
    (wire, id)
}

/// Waits until the node has so many connections.
async fn await_connected(wire: &mut Wire, count: usize) {
    let deadline = soon();
    loop {
        wire.send(&["CLIENT LIST"]).await;
        let list = wire.bulk().await;
        if list.lines().count() == count {
            return;
        }
        assert!(MemoryWorld::now() < deadline, "not {count}: {list}");
        MemoryWorld::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[test]
fn a_stream_ends_when_somebody_ends_its_connection() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        other.send(&["SET k v"]).await;
        other.expect("+OK").await;
        let (mut idle, id) = stream(&cluster, "CACHE.TRACK FROM 0").await;
        idle.expect("*2,$4,upto").await;
        idle.line().await;
        other.send(&[&format!("CLIENT KILL ID {id}")]).await;
        other.expect(":1").await;
        assert_eq!(idle.rest().await, "");
        await_connected(&mut other, 1).await;
    });
}

#[test]
fn a_stream_whose_client_takes_nothing_ends_when_somebody_ends_its_connection() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        let (_stalled, id) = stream(&cluster, "CACHE.TRACK FROM 0").await;
        // More than the system holds for a client that does not read.
        let key = "k".repeat(60_000);
        for nth in 0..400 {
            let (head, value) = (format!("{nth}{key}"), "v");
            let set = format!(
                "*3\r\n$3\r\nSET\r\n${}\r\n{head}\r\n$1\r\n{value}\r\n",
                head.len()
            );
            other.send_bytes(set.as_bytes()).await;
            other.expect("+OK").await;
        }
        other.send(&[&format!("CLIENT KILL ID {id}")]).await;
        other.expect(":1").await;
        await_connected(&mut other, 1).await;
    });
}

#[test]
fn a_backup_that_nobody_takes_ends_when_somebody_ends_its_connection() {
    run(async {
        let cluster = Cluster::start(1).await;
        let mut other = Wire::connect(&cluster.addresses[0]).await;
        let size = 8 << 20;
        let mut set = format!("*3\r\n$3\r\nSET\r\n$2\r\nk0\r\n${size}\r\n").into_bytes();
        set.extend(vec![b'v'; size]);
        set.extend(b"\r\nCOPY k0 k1\r\nCOPY k0 k2\r\n");
        other.send_bytes(&set).await;
        other.expect("+OK,:1,:1").await;
        let (mut stalled, id) = stream(&cluster, "RAFT.BACKUP").await;
        assert!(stalled.line().await.starts_with('$'), "it has begun");
        other.send(&[&format!("CLIENT KILL ID {id}")]).await;
        other.expect(":1").await;
        await_connected(&mut other, 1).await;
    });
}

#[test]
fn a_stream_that_is_idle_for_too_long_is_closed() {
    run(async {
        let cluster = Cluster::start_with(
            1,
            ClientOptions {
                idle_timeout_s: 1,
                ..ClientOptions::default()
            },
        );
        let cluster = cluster.await;
        let begun = MemoryWorld::now();
        let (mut idle, _) = stream(&cluster, "CACHE.TRACK FROM 0").await;
        idle.expect("*2,$4,upto").await;
        idle.line().await;
        assert_eq!(idle.rest().await, "");
        let passed = MemoryWorld::now() - begun;
        assert!(passed.as_millis() >= 1_000, "after {passed:?}");
    });
}
