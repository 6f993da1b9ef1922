//! A node of a cluster of one in memory, and what it does with what arrives at its ports.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join;
use squall_cluster::node::{ClientOptions, Node, NodeOptions};
use squall_cluster::raft::{Members, RaftOptions, peer_address};
use squall_cluster::state::{Limits, USUAL_LEVEL};
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::{World, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::world::{FuzzWorld, begin};

/// Where clients reach it.
pub const ADDRESS: &str = "127.0.0.1:7001";
/// In the time of that world; anything that is asked takes less.
const PATIENCE: Duration = Duration::from_secs(86_400 * 366);
/// Another node takes its place after so many inputs, so that no state grows without end.
const INPUTS_PER_NODE: u32 = 500;

struct Running {
    node: Node<FuzzWorld>,
    disk: MemoryDisk,
    inputs: u32,
    // In this order: tasks are dropped before what runs them.
    tasks: LocalSet,
    runtime: Runtime,
}

thread_local! {
    // A thread that ends has taken down by then what tasks would need to end.
    static RUNNING: RefCell<ManuallyDrop<Option<Running>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// A port of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    Client,
    Peer,
}

impl Running {
    fn start() -> Self {
        let runtime = begin();
        let tasks = LocalSet::new();
        let disk = MemoryDisk::new();
        let started = async {
            let options = NodeOptions {
                id: 1,
                address: ADDRESS.into(),
                bind_host: None,
                members: Members::from([(1, ADDRESS.into())]),
                raft: RaftOptions::default(),
                limits: Limits::default(),
                clients: ClientOptions::default(),
                tls: None,
            };
            let node = Node::<FuzzWorld>::start(options, disk.clone()).await;
            let node = node.expect("nobody else listens, and the disk is empty");
            while !node.is_leading() || node.level() < USUAL_LEVEL {
                FuzzWorld::sleep(Duration::from_millis(1)).await;
            }
            node
        };
        let node = tasks.block_on(&runtime, started);
        Self {
            node,
            disk,
            inputs: 0,
            tasks,
            runtime,
        }
    }

    /// Sends the bytes and nothing more; what comes back until the node hangs up.
    fn exchange(&self, port: Port, bytes: &[u8]) -> Vec<u8> {
        let address = match port {
            Port::Client => ADDRESS.to_owned(),
            Port::Peer => peer_address(ADDRESS).expect("it has a port"),
        };
        let exchange = async {
            let stream = FuzzWorld::connect(&address).await;
            let (mut reader, mut writer) = tokio::io::split(stream.expect("the node listens"));
            let mut answer = Vec::new();
            let send = async {
                // A node that hangs up earlier has heard enough.
                let _ = writer.write_all(bytes).await;
                let _ = writer.shutdown().await;
            };
            let both = join(send, reader.read_to_end(&mut answer));
            let ended = timeout::<FuzzWorld, _>(PATIENCE, both).await;
            assert!(ended.is_ok(), "the node neither answers nor hangs up");
            answer
        };
        self.tasks.block_on(&self.runtime, exchange)
    }

    /// Whether the next input may come to the same node. Fails if it ended by itself.
    fn goes_on(&mut self) -> bool {
        if self.node.is_stopping() {
            return false;
        }
        let ended = async { self.node.ended().now_or_never() };
        let ended = self.tasks.block_on(&self.runtime, ended);
        assert_eq!(ended, None, "the node ended by itself");
        self.inputs += 1;
        self.inputs < INPUTS_PER_NODE && self.node.is_leading()
    }
}

/// Sends the bytes to a port of a node, which must stay what it is: alive, and good for others.
pub fn attack(port: Port, bytes: &[u8]) {
    RUNNING.with_borrow_mut(|running| {
        let node = running.get_or_insert_with(Running::start);
        node.exchange(port, bytes);
        if !node.node.is_stopping() && node.node.is_leading() {
            let pong = node.exchange(Port::Client, b"PING\r\n");
            let is_full = pong.starts_with(b"-ERR max number of clients");
            let shown = String::from_utf8_lossy(&pong);
            assert!(pong == b"+PONG\r\n" || is_full, "after it: {shown:?}");
        }
        if !node.goes_on() {
            drop(running.take());
        }
    });
}

/// The files of a node that has executed all of that, and has taken a snapshot before the last.
pub fn files_after(commands: &[&str]) -> Vec<(String, Vec<u8>)> {
    use squall_cluster::storage::Disk;

    let running = Running::start();
    let (last, before) = commands.split_last().expect("something is asked");
    for command in before.iter().chain([&"RAFT.SNAPSHOT", last]) {
        running.exchange(Port::Client, format!("{command}\r\n").as_bytes());
    }
    let files = async {
        // The snapshot is written by and by.
        FuzzWorld::sleep(Duration::from_secs(1)).await;
        running.disk.list().await
    };
    let names = running.tasks.block_on(&running.runtime, files);
    let names = names.expect("it is in memory").into_iter();
    let files = names.filter_map(|name| Some((name.clone(), running.disk.contents(&name)?)));
    files.collect()
}

/// Runs what needs a world around it, and no node.
pub fn within<T>(work: impl Future<Output = T>) -> T {
    let runtime = begin();
    let tasks = LocalSet::new();
    let result = tasks.block_on(&runtime, work);
    // Another node would have its listeners in the world that has ended.
    RUNNING.with_borrow_mut(|running| drop(running.take()));
    result
}
