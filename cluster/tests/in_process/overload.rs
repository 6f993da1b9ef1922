//! A leader with more writes on their way than it gets done.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use squall_cluster::node::Node;
use squall_cluster::raft::{Members, peer_address};
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::World;
use tokio::net::TcpListener;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Wire, free_addresses, options, run, soon};
use crate::older_member::follow;

#[test]
fn writes_are_refused_while_too_many_wait_and_served_again_when_they_are_done() {
    run(async {
        let addresses = free_addresses(2);
        let members: Members = (1..).zip(addresses.iter().cloned()).collect();
        let peers = peer_address(&addresses[1]).expect("it has a port");
        let listener = TcpListener::bind(&peers).await.expect("the port is free");
        let stands_still = Rc::new(Cell::new(false));
        MemoryWorld::spawn(follow(listener, stands_still.clone()));
        let started = Node::start(options(1, &addresses[0], &members), MemoryDisk::new());
        let node: Node<MemoryWorld> = started.await.expect("the port is free");
        let deadline = soon();
        while !node.is_leading() {
            assert!(MemoryWorld::now() < deadline, "nobody leads");
            MemoryWorld::sleep(Duration::from_millis(10)).await;
        }
        let mut wires = Vec::new();
        for _ in 0..3 {
            wires.push(Wire::connect(&addresses[0]).await);
        }
        stands_still.set(true);
        // Each has an entry to itself, and a connection may have 1,024 on their way.
        let puts = ["CACHE.PUT k v"; 600];
        for wire in &mut wires[..2] {
            wire.send(&puts).await;
        }
        MemoryWorld::sleep(Duration::from_millis(1_500)).await;
        wires[2].send(&["SET k v"]).await;
        let refused = wires[2].line().await;
        assert!(
            refused.starts_with("-TRYAGAIN overloaded: 120"),
            "{refused}"
        );
        stands_still.set(false);
        for wire in &mut wires[..2] {
            for _ in puts {
                let answer = wire.line().await;
                assert!(answer.starts_with(':'), "{answer}");
            }
        }
        wires[2].send(&["SET k w"]).await;
        wires[2].expect("+OK").await;
    });
}
