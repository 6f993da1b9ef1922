//! Nodes in this process, over real sockets, on one thread.

use std::future::Future;
use std::time::Duration;

use squall_cluster::client::Client;
use squall_cluster::node::{ClientOptions, Node, NodeOptions};
use squall_cluster::raft::{Members, RaftOptions};
use squall_cluster::state::{Limits, USUAL_LEVEL};
use squall_cluster::storage::MemoryDisk;
use squall_cluster::world::{Instant, RealStream, World, timeout_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;

use crate::memory_world::MemoryWorld;
use crate::ports;

/// Anything that a cluster must do takes less than this, however loaded the machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn soon() -> Instant {
    MemoryWorld::now() + PATIENCE
}

/// Runs a test as a node process runs its node.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system grants an event loop");
    LocalSet::new().block_on(&runtime, test)
}

pub fn free_addresses(count: u16) -> Vec<String> {
    let ports = ports::free(count).into_iter();
    ports.map(|port| format!("127.0.0.1:{port}")).collect()
}

pub fn free_address() -> String {
    free_addresses(1).remove(0)
}

pub fn options(id: u64, address: &str, members: &Members) -> NodeOptions {
    NodeOptions {
        id,
        address: address.to_owned(),
        bind_host: None,
        members: members.clone(),
        raft: RaftOptions::default(),
        limits: Limits::default(),
        clients: ClientOptions::default(),
        tls: None,
    }
}

pub struct Cluster {
    pub nodes: Vec<Node<MemoryWorld>>,
    pub addresses: Vec<String>,
}

impl Cluster {
    /// Starts `count` nodes and waits until one of them serves by the rules of this release.
    pub async fn start(count: u16) -> Self {
        Self::start_with(count, ClientOptions::default()).await
    }

    /// The same, with these options for clients.
    pub async fn start_with(count: u16, clients: ClientOptions) -> Self {
        let cluster = Self::start_some(count, count, clients).await;
        let deadline = soon();
        while cluster.nodes[cluster.leader().await].level() < USUAL_LEVEL {
            assert!(MemoryWorld::now() < deadline, "the rules stay old");
            MemoryWorld::sleep(Duration::from_millis(10)).await;
        }
        cluster
    }

    /// Starts the first of the members of a cluster: all, or so few that none can lead.
    pub async fn start_some(members: u16, started: u16, clients: ClientOptions) -> Self {
        let with = |options| NodeOptions {
            clients: clients.clone(),
            ..options
        };
        Self::start_as(members, started, with).await
    }

    /// The same, each with the options that are made of the usual ones.
    pub async fn start_as(
        members: u16,
        started: u16,
        with: impl Fn(NodeOptions) -> NodeOptions,
    ) -> Self {
        let addresses = free_addresses(members);
        let members: Members = (1..).zip(addresses.iter().cloned()).collect();
        let mut nodes = Vec::new();
        for (id, address) in members.iter().take(started.into()) {
            let options = with(options(*id, address, &members));
            let node = Node::start(options, MemoryDisk::new()).await;
            nodes.push(node.expect("the ports are free and the disk is empty"));
        }
        Self { nodes, addresses }
    }

    /// Waits until a node leads and serves; its position.
    pub async fn leader(&self) -> usize {
        let deadline = soon();
        loop {
            let leading = |node: &Node<MemoryWorld>| node.is_leading() && !node.is_stopping();
            if let Some(leader) = self.nodes.iter().position(leading) {
                return leader;
            }
            assert!(MemoryWorld::now() < deadline, "no node leads");
            MemoryWorld::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A client that begins at the node at that position.
    pub fn client(&self, first: usize) -> Client<MemoryWorld> {
        Client::new(self.addresses.clone(), first)
    }

    /// A client that knows only the node at that position.
    pub fn client_of(&self, node: usize) -> Client<MemoryWorld> {
        Client::new(vec![self.addresses[node].clone()], 0)
    }
}

/// A connection that sends exactly what a test gives it.
pub struct Wire(RealStream);

impl Wire {
    pub async fn connect(address: &str) -> Self {
        let connected = MemoryWorld::connect(address).await;
        Self(connected.expect("the node listens"))
    }

    /// Over a connection that is there.
    #[cfg(feature = "tls")]
    pub fn over(stream: RealStream) -> Self {
        Self(stream)
    }

    /// Sends lines of words, which are commands to a node as well, in one piece.
    pub async fn send(&mut self, lines: &[&str]) {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the node reads");
        self.0.flush().await.expect("the node reads");
    }

    /// The next bytes of the answer are these; line breaks are written as commas.
    pub async fn expect(&mut self, answer: &str) {
        let expected: String = answer
            .split(',')
            .map(|line| format!("{line}\r\n"))
            .collect();
        let mut heard = vec![0; expected.len()];
        let mut at = 0;
        while at < heard.len() {
            let read = timeout_at::<MemoryWorld, _>(soon(), self.0.read(&mut heard[at..])).await;
            let read = read.unwrap_or(Ok(0)).expect("the node answers");
            let so_far = String::from_utf8_lossy(&heard[..at]).into_owned();
            assert!(read > 0, "expected {expected:?}, heard only {so_far:?}");
            at += read;
            let matches = expected.as_bytes().starts_with(&heard[..at]);
            let heard = String::from_utf8_lossy(&heard[..at]).into_owned();
            assert!(matches, "expected {expected:?}, heard {heard:?}");
        }
    }

    /// Sends and listens at the same time: neither side waits for the other to take more.
    pub async fn exchange(&mut self, bytes: &[u8], answer: &str) {
        let (mut reader, mut writer) = tokio::io::split(&mut self.0);
        let mut heard = vec![0; answer.len() + answer.matches(',').count() + 2];
        let sent = writer.write_all(bytes);
        let both = futures_util::future::join(sent, reader.read_exact(&mut heard));
        let (sent, read) = timeout_at::<MemoryWorld, _>(soon(), both)
            .await
            .expect("the node answers in time");
        sent.expect("the node reads");
        read.expect("the node answers");
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.trim_end().replace("\r\n", ",") == answer);
    }

    /// So many bytes of the answer, whatever they are.
    pub async fn skip(&mut self, bytes: usize) {
        let mut skipped = vec![0; bytes];
        let read = self.0.read_exact(&mut skipped).await;
        read.expect("the node answers");
    }

    /// One line of the answer, without its end.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.0.read_u8().await.expect("the node answers"));
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// The text of a bulk string.
    pub async fn bulk(&mut self) -> String {
        let head = self.line().await;
        let length = head
            .strip_prefix('$')
            .and_then(|length| length.parse().ok());
        let length: usize = length.unwrap_or_else(|| panic!("no bulk string: {head}"));
        let mut text = vec![0; length + 2];
        let read = self.0.read_exact(&mut text).await;
        read.expect("the node answers");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    /// Everything until the node closes the connection.
    pub async fn rest(mut self) -> String {
        let mut rest = Vec::new();
        let read = timeout_at::<MemoryWorld, _>(soon(), self.0.read_to_end(&mut rest)).await;
        read.expect("the node closes in time")
            .expect("the node closes");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// The same, also from a node that hangs up while more is on its way to it.
    #[cfg(feature = "tls")]
    pub async fn rest_or_reset(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = timeout_at::<MemoryWorld, _>(soon(), self.0.read_to_end(&mut rest)).await;
        let _ = read.expect("the node closes in time");
        rest
    }

    /// Sends no more, and goes on listening.
    pub async fn end(&mut self) {
        self.0.shutdown().await.expect("the connection is open");
    }
}
