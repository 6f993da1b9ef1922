//! A leader with more writes on their way than it gets done.

use std::time::Duration;

use squall_cluster::world::World;

use crate::memory_world::MemoryWorld;
use crate::nodes::{Wire, run};
use crate::older_member::lead;

#[test]
fn writes_are_refused_while_too_many_wait_and_served_again_when_they_are_done() {
    run(async {
        let (_node, address, stands_still) = lead().await;
        let mut wires = Vec::new();
        for _ in 0..3 {
            wires.push(Wire::connect(&address).await);
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
