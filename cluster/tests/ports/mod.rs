//! Free ports for nodes on loopback.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use squall_cluster::raft::PEER_PORT_OFFSET;

/// Below the range from which systems draw ports for outgoing connections, and so are the
/// ports for peers above it.
const FIRST: u16 = 12_000;
const COUNT: u16 = 10_000;

/// `count` ports in a row that are free, as are those of their peers. No two calls of this
/// process return the same one; other processes begin elsewhere.
pub fn free(count: u16) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    loop {
        let tried = NEXT.fetch_add(count, Ordering::Relaxed);
        assert!(tried < COUNT, "some of ten thousand ports are free");
        let first = FIRST + (start as u16 + tried) % COUNT;
        let row: Vec<u16> = (first..first + count).collect();
        if row
            .iter()
            .all(|port| is_free(*port) && is_free(port + PEER_PORT_OFFSET))
        {
            return row;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
