//! `squall-node` processes on loopback, as `squall-node --local` starts them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use squall_cluster::client::operate;
use squall_cluster::world::{Instant, RealWorld, World};
use tempfile::TempDir;

use crate::ports;

/// What a cluster must do takes less than this, unless a row says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_millis(20);

/// Where and with what is played.
pub struct Site {
    pub node: PathBuf,
    directory: Option<PathBuf>,
}

impl Site {
    /// # Errors
    /// There is no `squall-node`.
    pub fn new(node: Option<PathBuf>, directory: Option<PathBuf>) -> Result<Self, String> {
        let node = match node {
            Some(node) => node,
            None => {
                let own = std::env::current_exe().map_err(|e| e.to_string())?;
                let built = own.parent().and_then(Path::parent);
                built.ok_or("where am I?")?.join("squall-node")
            }
        };
        match node.is_file() {
            true => Ok(Self { node, directory }),
            false => Err(format!(
                "{} is not there: build it, or say --node",
                node.display()
            )),
        }
    }

    fn directory(&self) -> Result<TempDir, String> {
        let made = match &self.directory {
            Some(directory) => tempfile::tempdir_in(directory),
            None => tempfile::tempdir(),
        };
        made.map_err(|e| format!("no directory for the nodes: {e}"))
    }
}

/// Memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

/// Nodes with ids from 1; killed when dropped.
pub struct Nodes {
    directory: TempDir,
    /// The program of each.
    pub programs: Vec<PathBuf>,
    ports: Vec<u16>,
    running: Vec<Option<Child>>,
    args: Vec<String>,
}

impl Nodes {
    /// Starts a cluster and waits until it serves.
    pub async fn start(
        site: &Site,
        program: &Path,
        count: u16,
        args: &[&str],
    ) -> Result<Self, String> {
        let mut nodes = Self {
            directory: site.directory()?,
            programs: vec![program.to_owned(); count.into()],
            ports: ports::free(count),
            running: (0..count).map(|_| None).collect(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        for id in 1..=usize::from(count) {
            nodes.start_node(id)?;
        }
        nodes.leader().await?;
        Ok(nodes)
    }

    /// Starts a member, or the same one again.
    pub fn start_node(&mut self, id: usize) -> Result<(), String> {
        let members = self.addresses().into_iter().enumerate();
        let members: Vec<String> = members
            .map(|(at, address)| format!("{}={address}", at + 1))
            .collect();
        self.spawn(id, &["--cluster", &members.join(",")])
    }

    /// Starts a node that waits to be added.
    pub fn start_joining(&mut self, id: usize) -> Result<(), String> {
        let port = self.ports[id - 1].to_string();
        self.spawn(id, &["--join", "--port", &port])
    }

    fn spawn(&mut self, id: usize, args: &[&str]) -> Result<(), String> {
        let output = |name: &str| {
            let path = self.directory.path().join(format!("{name}-{id}"));
            File::options().create(true).append(true).open(path)
        };
        let failed = |e: std::io::Error| format!("node {id} does not start: {e}");
        let child = Command::new(&self.programs[id - 1])
            .args(["--id", &id.to_string(), "--stop-on-eof", "--dir"])
            .arg(self.data(id))
            .args(args)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(output("events").map_err(failed)?)
            .stderr(output("log").map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        self.running[id - 1] = Some(child);
        Ok(())
    }

    /// SIGKILL.
    fn kill(&mut self, id: usize) {
        if let Some(mut child) = self.running[id - 1].take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGKILL, and the node has nothing any more. What it had is moved aside and removed in the
    /// end: on a machine of its own, others would not notice that large files are removed; here
    /// the syncs of all nodes wait a second for it, and so would this program.
    pub async fn kill_and_wipe(&mut self, id: usize) -> Result<(), String> {
        let mut child = self.running[id - 1].take().ok_or("it does not run")?;
        let killed = child.kill();
        killed.map_err(|e| format!("node {id} is not killed: {e}"))?;
        // Not waited for in one go: to free the memory of a large process takes the system tenths
        // of a second, and clients of this program go on meanwhile.
        self.exit(id, &mut child).await?;
        let aside = self.directory.path().join(format!("wiped-{id}"));
        std::fs::rename(self.data(id), aside).map_err(|e| e.to_string())
    }

    /// Asks the node to stop, and waits until it has.
    pub async fn stop(&mut self, id: usize) -> Result<(), String> {
        let mut child = self.running[id - 1].take().ok_or("it does not run")?;
        drop(child.stdin.take());
        match self.exit(id, &mut child).await? {
            status if status.success() => Ok(()),
            status => Err(format!("node {id} stops with {status}: {}", self.log(id))),
        }
    }

    /// How the process ended, once it has.
    async fn exit(&self, id: usize, child: &mut Child) -> Result<ExitStatus, String> {
        let deadline = RealWorld::now() + PATIENCE;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if RealWorld::now() < deadline => RealWorld::sleep(REST).await,
                other => return Err(format!("node {id} ends with {other:?}: {}", self.log(id))),
            }
        }
    }

    fn data(&self, id: usize) -> PathBuf {
        self.directory.path().join(format!("node-{id}"))
    }

    pub fn address(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.ports[id - 1])
    }

    pub fn addresses(&self) -> Vec<String> {
        (1..=self.ports.len()).map(|id| self.address(id)).collect()
    }

    pub fn log(&self, id: usize) -> String {
        let read = std::fs::read_to_string(self.directory.path().join(format!("log-{id}")));
        read.unwrap_or_default()
    }

    /// How often a node became leader.
    pub fn elections(&self) -> u64 {
        let count = |id: usize| {
            let path = self.directory.path().join(format!("events-{id}"));
            let events = std::fs::read_to_string(path).unwrap_or_default();
            events.matches(r#""is":"leader""#).count() as u64
        };
        (1..=self.ports.len()).map(count).sum()
    }

    /// The last digest of the whole state that the node wrote to its events, and its index.
    pub fn last_digest(&self, id: usize) -> Result<(u64, String), String> {
        let path = self.directory.path().join(format!("events-{id}"));
        let events = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        let line = events
            .lines()
            .rev()
            .find(|line| line.contains(r#""state":""#));
        let line = line.ok_or("no digest among the events")?;
        let event: serde_json::Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let event = event.get("event").unwrap_or(&event);
        match (event["index"].as_u64(), event["state"].as_str()) {
            (Some(index), Some(digest)) => Ok((index, digest.to_owned())),
            _ => Err(format!("a digest is {line}")),
        }
    }

    /// Whether the node has installed a snapshot of its leader.
    pub fn installed_snapshot(&self, id: usize) -> bool {
        let events = std::fs::read_to_string(self.directory.path().join(format!("events-{id}")));
        events.is_ok_and(|events| events.contains(r#""is":"snapshot_installed""#))
    }

    /// How many of those that were started have ended by themselves.
    pub fn ended(&mut self) -> u64 {
        let running = self.running.iter_mut().flatten();
        running
            .map(|child| u64::from(!matches!(child.try_wait(), Ok(None))))
            .sum()
    }

    /// What the node's process has of memory.
    pub fn memory(&self, id: usize) -> Result<Memory, String> {
        let status = std::fs::read_to_string(self.proc(id, "status")?);
        let status = status.map_err(|e| e.to_string())?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.map(|kib| kib << 10)
                .ok_or(format!("no {name} in /proc"))
        };
        Ok(Memory {
            now: of("VmRSS:")?,
            peak: of("VmHWM:")?,
        })
    }

    /// From now on the peak is that of what comes.
    pub fn forget_peak(&self, id: usize) -> Result<(), String> {
        std::fs::write(self.proc(id, "clear_refs")?, "5").map_err(|e| e.to_string())
    }

    /// Of those that run.
    pub fn processes(&self) -> Vec<u32> {
        self.running.iter().flatten().map(Child::id).collect()
    }

    fn proc(&self, id: usize, file: &str) -> Result<String, String> {
        let child = self.running[id - 1].as_ref().ok_or("it does not run")?;
        Ok(format!("/proc/{}/{file}", child.id()))
    }

    /// One command to one node; the lines of the answer.
    pub async fn ask(&self, id: usize, words: &[&str]) -> Result<Vec<String>, String> {
        let deadline = RealWorld::now() + Duration::from_secs(90);
        operate::<RealWorld>(&self.address(id), words, deadline).await
    }

    /// A line of the node's `RAFT.STATUS`.
    pub async fn status(&self, id: usize, name: &str) -> Result<String, String> {
        let lines = self.ask(id, &["RAFT.STATUS"]).await?;
        let mut values = lines.iter().filter_map(|line| line.strip_prefix(name));
        let value = values.find_map(|rest| rest.strip_prefix(':'));
        value
            .map(str::to_owned)
            .ok_or(format!("no {name} in {lines:?}"))
    }

    async fn position(&self, id: usize) -> Result<u64, String> {
        let applied = self.status(id, "applied").await?;
        applied.parse().map_err(|_| applied)
    }

    /// Waits until a node leads and serves.
    pub async fn leader(&self) -> Result<usize, String> {
        let deadline = RealWorld::now() + PATIENCE;
        loop {
            for id in 1..=self.ports.len() {
                if self.ask(id, &["SET", "serves", "yes"]).await.is_ok() {
                    return Ok(id);
                }
            }
            wait(deadline, "nobody leads").await?;
        }
    }

    /// Waits until the node has applied all that the leader had when it was asked.
    pub async fn caught_up(&self, id: usize) -> Result<(), String> {
        let target = self.position(self.leader().await?).await?;
        let deadline = RealWorld::now() + PATIENCE;
        loop {
            let position = self.position(id).await;
            if position.as_ref().is_ok_and(|at| *at >= target) {
                return Ok(());
            }
            wait(
                deadline,
                &format!("node {id} is at {position:?} of {target}"),
            )
            .await?;
        }
    }

    /// One that does not lead.
    pub async fn follower(&self) -> Result<usize, String> {
        let leader = self.leader().await?;
        let other = (1..=self.ports.len()).find(|id| *id != leader);
        other.ok_or("there is one node".into())
    }
}

async fn wait(deadline: Instant, what: &str) -> Result<(), String> {
    if RealWorld::now() >= deadline {
        return Err(format!("still: {what}"));
    }
    RealWorld::sleep(REST).await;
    Ok(())
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for id in 1..=self.ports.len() {
            self.kill(id);
        }
    }
}
