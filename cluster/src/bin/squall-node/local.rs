//! A whole cluster on this machine: one child process a node.
//!
//! Children are stopped by closing their standard input, which the kernel also does when this
//! process is killed, so none is left behind. They run in process groups of their own: Ctrl-C
//! must reach them through this process, which would otherwise take their end for a failure.

use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{Either, select};
use squall_cluster::raft::{NodeId, node_name};
use squall_cluster::world::{self, RealWorld, World};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::signals::StopRequests;

/// The environment variable that holds the default user's password.
pub const PASSWORD_VARIABLE: &str = "SQUALL_REQUIREPASS";

/// Children that have not stopped by themselves after this long are killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How to run the cluster.
#[derive(Debug)]
pub struct LocalCluster {
    pub count: u16,
    pub first_port: u16,
    pub host: String,
    /// Of the default user.
    pub password: Option<String>,
    /// Clients speak TLS.
    pub is_tls: bool,
    /// Holds a directory for each node.
    pub directory: PathBuf,
    /// Arguments that all nodes get.
    pub common: Vec<String>,
}

/// Runs the cluster until a request to stop.
///
/// # Errors
/// A node does not start, or ended by itself; the others have been stopped then.
pub async fn run(cluster: LocalCluster, mut stops: StopRequests) -> Result<(), String> {
    let mut nodes = Nodes::new();
    let result = match cluster.start(&mut nodes) {
        Ok(()) => {
            cluster.greet();
            match select(pin!(nodes.next_end()), pin!(stops.next())).await {
                Either::Left(((id, status), _)) => {
                    Err(format!("{} ended by itself: {status}", node_name(id)))
                }
                Either::Right(_) => Ok(()),
            }
        }
        Err(why) => Err(why),
    };
    let stopped = match select(pin!(nodes.stop()), pin!(stops.next())).await {
        Either::Left((stopped, _)) => stopped,
        Either::Right((again, _)) => Err(format!("{again} again; killed what still ran")),
    };
    result.and(stopped)
}

impl LocalCluster {
    fn address(&self, id: NodeId) -> String {
        // The arguments were checked: the last port is a valid one.
        let port = u64::from(self.first_port) + id - 1;
        format!("{}:{port}", self.host)
    }

    /// What tells a node to speak TLS.
    fn tls_port(&self, id: NodeId) -> Option<String> {
        let port = u64::from(self.first_port) + id - 1;
        self.is_tls.then(|| format!("--tls-port={port}"))
    }

    fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        1..=NodeId::from(self.count)
    }

    fn start(&self, nodes: &mut Nodes) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|e| format!("cannot find myself: {e}"))?;
        let members: Vec<String> = self
            .ids()
            .map(|id| format!("{id}={}", self.address(id)))
            .collect();
        for id in self.ids() {
            let child = Command::new(&program)
                .args(["--id", &id.to_string(), "--cluster", &members.join(",")])
                .arg("--dir")
                .arg(self.directory.join(node_name(id)))
                .args(&self.common)
                .args(self.tls_port(id))
                .arg("--stop-on-eof")
                .envs(self.password.iter().map(|word| (PASSWORD_VARIABLE, word)))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .map_err(|e| format!("cannot start {}: {e}", node_name(id)))?;
            nodes.watch(id, child);
        }
        Ok(())
    }

    fn greet(&self) {
        let last_port = self.first_port + (self.count - 1);
        let text = format!(
            "{} nodes on {}, ports {} to {last_port}; data in {}\n\
             talk to them:  redis-cli -c -h {} -p {}{}\n\
             stop them:     Ctrl-C\n",
            self.count,
            self.host,
            self.first_port,
            self.directory.display(),
            self.host,
            self.first_port,
            if self.is_tls { " --tls" } else { "" },
        );
        print(text.as_bytes());
    }
}

/// The running children.
struct Nodes {
    /// Dropping one asks its child to stop.
    inputs: Vec<ChildStdin>,
    running: usize,
    report_end: mpsc::UnboundedSender<(NodeId, ExitStatus)>,
    ends: mpsc::UnboundedReceiver<(NodeId, ExitStatus)>,
}

impl Nodes {
    fn new() -> Self {
        let (report_end, ends) = mpsc::unbounded_channel();
        Self {
            inputs: Vec::new(),
            running: 0,
            report_end,
            ends,
        }
    }

    /// Relays the child's output and reports its end.
    fn watch(&mut self, id: NodeId, mut child: Child) {
        let input = child.stdin.take().expect("its input is piped");
        let output = child.stdout.take().expect("its output is piped");
        let errors = child.stderr.take().expect("its errors are piped");
        self.inputs.push(input);
        self.running += 1;
        let report_end = self.report_end.clone();
        RealWorld::spawn(async move {
            // Its output ends with it, and is relayed to the last line before its end is
            // reported.
            let (status, (), ()) = tokio::join!(
                child.wait(),
                relay(id, output, print),
                relay(id, errors, print_error)
            );
            let status = status.expect("a child of this process can be waited for");
            // Nobody waits any more when this process is ending.
            let _ = report_end.send((id, status));
        });
    }

    async fn next_end(&mut self) -> (NodeId, ExitStatus) {
        let end = self.ends.recv().await;
        self.running -= 1;
        end.expect("a sender is held right here")
    }

    /// Asks all children to stop and waits for them.
    async fn stop(&mut self) -> Result<(), String> {
        self.inputs.clear();
        let all = async {
            let mut result = Ok(());
            while self.running > 0 {
                let (id, status) = self.next_end().await;
                if !status.success() {
                    result = Err(format!("{} did not stop well: {status}", node_name(id)));
                }
            }
            result
        };
        // Dropping the event loop kills what still runs.
        world::timeout::<RealWorld, _>(STOP_LIMIT, all)
            .await
            .unwrap_or_else(|_| Err("some nodes did not stop in time and were killed".into()))
    }
}

/// Copies lines, each with the node's name in front.
async fn relay(id: NodeId, from: impl AsyncRead + Unpin, to: fn(&[u8])) {
    let mut from = BufReader::new(from);
    let prefix = format!("{} ", node_name(id));
    let mut line = prefix.clone().into_bytes();
    // A child whose output breaks is about to end, which is reported elsewhere.
    while let Ok(1..) = from.read_until(b'\n', &mut line).await {
        to(&line);
        line.truncate(prefix.len());
    }
}

// A closed output must not bring the cluster down.

fn print(text: &[u8]) {
    let _ = io::stdout().lock().write_all(text);
}

fn print_error(text: &[u8]) {
    let _ = io::stderr().lock().write_all(text);
}
