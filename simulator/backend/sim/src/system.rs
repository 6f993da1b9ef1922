//! A system under test that is not Squall's own cluster: what it must do, and what it is given.
//!
//! The engine, the network, the disks and the nemesis do not know what runs on their
//! machines. A [`System`] says what does, and how a client asks it something; everything
//! else (faults, histories, checks, sweeps, shrinking) is the same.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;

use squall_cluster::raft::node_name;
use squall_world::{Instant, World, timeout_at};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::disk::SimDisk;
use super::world::SimWorld;
use squall_history::NodeEvent;
use squall_workload::service::Services;
use squall_workload::shipped;
use squall_workload::{ClientDriver, LocalFuture};

/// A replicated service under test.
pub trait System: Send + Sync + 'static {
    /// Is the process of one node: runs until the node ends by itself, and says why. A node
    /// that is killed is dropped together with every task that it has spawned; when it is
    /// started again, this is called again, and only its disk remembers.
    fn run_node(&self, node: NodeContext) -> LocalFuture<'static, String>;

    /// A client that knows the addresses of all nodes.
    fn client(&self, addresses: &[String], number: usize) -> Box<dyn ClientDriver>;

    /// The services that it can be asked. Unless said otherwise, those that ship with Squall.
    fn services(&self) -> Services {
        shipped()
    }
}

/// What a node is given.
#[derive(Clone)]
pub struct NodeContext {
    /// Counted from 0; `node-1` is 0.
    pub id: usize,
    /// Of every node, its own included.
    pub addresses: Vec<String>,
    /// What is on it survives a kill; of what was not synced, power loss may leave nothing.
    pub disk: SimDisk,
    pub(super) status: Rc<Status>,
}

/// What the harness knows of a node.
#[derive(Default)]
pub(super) struct Status {
    pub(super) leads_term: Cell<Option<u64>>,
    pub(super) applied: Cell<Option<u64>>,
}

impl NodeContext {
    /// The node's own address, to listen on.
    pub fn address(&self) -> &str {
        &self.addresses[self.id]
    }

    /// The node serves and stands at this position, of a log or of whatever it counts. Before
    /// the first word of this it is still starting. After the faults, every node must reach
    /// the position of the leader.
    pub fn applied(&self, index: u64) {
        if self.status.applied.replace(Some(index)).is_none() {
            SimWorld::emit(NodeEvent::Started {
                last_log: index,
                applied: index,
            });
        }
    }

    /// The node looks for a new leader, or wants to be it.
    pub fn campaigns(&self, term: u64) {
        let pre_vote = false;
        SimWorld::emit(NodeEvent::Election { term, pre_vote });
    }

    /// The node leads from now on: faults aim at it, and elections are timed by it.
    pub fn leads(&self, term: u64) {
        self.status.leads_term.set(Some(term));
        let index = self.status.applied.get().unwrap_or_default();
        SimWorld::emit(NodeEvent::Leader { term });
        SimWorld::emit(NodeEvent::FirstCommit { term, index });
    }

    /// The node follows, or no longer leads.
    pub fn follows(&self, term: u64, leader: Option<usize>) {
        self.status.leads_term.set(None);
        SimWorld::emit(NodeEvent::Follower {
            term,
            leader: leader.map(|leader| node_name(leader as u64 + 1)),
        });
    }

    /// Answers requests of one line with one line each, until the node ends.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve<F, A>(&self, answer: F) -> io::Result<()>
    where
        F: Fn(String) -> A + 'static,
        A: Future<Output = String> + 'static,
    {
        let answer = Rc::new(answer);
        let mut listener = SimWorld::listen(self.address()).await?;
        loop {
            let stream = SimWorld::accept(&mut listener).await?;
            let answer = answer.clone();
            SimWorld::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                // A peer that goes away in the middle wants no answer.
                while matches!(stream.read_line(&mut line).await, Ok(1..)) {
                    let reply = answer(line.trim_end().to_owned()).await + "\n";
                    if stream.write_all(reply.as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// The request was certainly not sent.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have been received, and done.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Sends a request of one line to what [`NodeContext::serve`]s at `address`, and waits for
/// the answer.
///
/// # Errors
/// There was none by the deadline.
pub async fn call(address: &str, request: &str, deadline: Instant) -> Result<String, CallFailed> {
    let connecting = timeout_at::<SimWorld, _>(deadline, SimWorld::connect(address)).await;
    let stream = match connecting {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(CallFailed::NotSent(e.to_string())),
        Err(elapsed) => return Err(CallFailed::NotSent(elapsed.to_string())),
    };
    let talk = async {
        let mut stream = BufReader::new(stream);
        let line = format!("{request}\n");
        stream.write_all(line.as_bytes()).await?;
        let mut reply = String::new();
        match stream.read_line(&mut reply).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Ok(reply.trim_end().to_owned()),
        }
    };
    match timeout_at::<SimWorld, _>(deadline, talk).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(e)) => Err(CallFailed::NoAnswer(e.to_string())),
        Err(elapsed) => Err(CallFailed::NoAnswer(elapsed.to_string())),
    }
}
