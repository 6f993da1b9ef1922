//! `squall-node` processes on loopback, and `redis-cli` to talk to them.

#![allow(clippy::disallowed_methods)] // real processes, waited for in real time
#![allow(dead_code)] // each test binary uses a part of it

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports;

/// Anything that a cluster must do takes less than this, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_millis(30);

/// Whether there is a `redis-cli`.
pub fn redis_cli_is_there() -> bool {
    is_there("redis-cli", Command::new("redis-cli").arg("--version"))
}

/// Whether a program runs and succeeds. Without it a test has nothing to say, which must not go
/// unnoticed where it counts.
pub fn is_there(name: &str, probe: &mut Command) -> bool {
    let there = probe.output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {name} is not installed");
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "{name} must be there when CI=true"
        );
    }
    there
}

/// Tries until `attempt` has an answer.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(answer) => return answer,
            Err(last) => assert!(Instant::now() < deadline, "{what}: still {last}"),
        }
        std::thread::sleep(REST);
    }
}

/// A command through `redis-cli -c`, which follows redirections; its output, errors included.
pub fn cli(port: u16, command: &[&str]) -> String {
    cli_with_input(port, command, b"")
}

/// Like [`cli`], for a line of words without spaces in them.
pub fn say(port: u16, line: &str) -> String {
    cli(port, &line.split(' ').collect::<Vec<_>>())
}

/// With `-x` among the arguments of redis-cli, the last argument of the command is `input`.
pub fn cli_with_input(port: u16, command: &[&str], input: &[u8]) -> String {
    let mut cli = Command::new("redis-cli");
    cli.args(["-c", "-h", "127.0.0.1", "-p", &port.to_string()]);
    if !input.is_empty() {
        cli.arg("-x");
    }
    let mut running = cli
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli was there a moment ago");
    let mut stdin = running.stdin.take().expect("its input is piped");
    // A refused connection closes the input early.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = running.wait_with_output().expect("redis-cli ends");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// A command of words without spaces, without a Redis client; the lines of the answer. No
/// redirection is followed; `refused` if nobody listens.
pub fn ask(port: u16, line: &str) -> Vec<String> {
    if TcpStream::connect(("127.0.0.1", port)).is_err() {
        return vec!["refused".into()];
    }
    let mut raw = Raw::connect(port);
    raw.send(format!("{line}\r\n").as_bytes());
    let first = raw.line();
    match first.strip_prefix('*') {
        // Bulk strings: a line of length before each.
        Some(count) => (0..count.parse::<usize>().expect("a length"))
            .map(|_| {
                raw.line();
                raw.line()
            })
            .collect(),
        None if first.starts_with('$') => vec![raw.line()],
        None => vec![first],
    }
}

/// A connection without a Redis client, for what a Redis client would not send.
pub struct Raw(TcpStream);

impl Raw {
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the limit is not zero");
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the node reads");
    }

    /// One line of the answer, without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            self.0.read_exact(&mut byte).expect("the node answers");
            line.extend(byte);
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Everything until the node closes the connection.
    pub fn rest(mut self) -> String {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the node closes");
        String::from_utf8_lossy(&rest).into_owned()
    }

    pub fn ping(&mut self) {
        self.send(b"PING\r\n");
        assert_eq!(self.line(), "+PONG");
    }
}

/// Nodes with ids from 1; stopped and removed when dropped.
pub struct Cluster {
    directory: TempDir,
    ports: Vec<u16>,
    running: Vec<Option<Child>>,
    /// Arguments of every node.
    args: Vec<String>,
}

impl Cluster {
    /// Starts `count` nodes and waits until they have a leader that serves.
    pub fn start(count: u16) -> Self {
        let cluster = Self::start_with(count, &[]);
        for id in 1..=usize::from(count) {
            cluster.await_serving(id);
        }
        cluster
    }

    /// Starts `count` nodes with these arguments beside the usual ones.
    pub fn start_with(count: u16, args: &[&str]) -> Self {
        let mut cluster = Self {
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
            ports: ports::free(count),
            running: Vec::new(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        for id in 1..=usize::from(count) {
            cluster.running.push(None);
            cluster.start_node(id);
        }
        cluster
    }

    /// Starts a node of the cluster, or the same one again.
    pub fn start_node(&mut self, id: usize) {
        let members: Vec<String> = (1..=self.ports.len())
            .map(|id| format!("{id}={}", self.address(id)))
            .collect();
        self.spawn(id, &["--cluster", &members.join(",")]);
    }

    /// Starts one more node, which waits to be added; its id.
    pub fn start_joining(&mut self) -> usize {
        self.ports.extend(ports::free(1));
        self.running.push(None);
        let id = self.ports.len();
        self.start_alone(id);
        id
    }

    /// Starts a node that belongs to no cluster yet.
    pub fn start_alone(&mut self, id: usize) {
        let port = self.port(id).to_string();
        self.spawn(id, &["--join", "--port", &port]);
    }

    /// Runs the program on the directory of a node that does not run; what it wrote.
    pub fn run(&self, id: usize, args: &[&str]) -> (std::process::ExitStatus, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args([
                "--id",
                &id.to_string(),
                "--port",
                &self.port(id).to_string(),
            ])
            .arg("--dir")
            .arg(self.directory(id))
            .args(args)
            .output()
            .expect("squall-node was built");
        let text = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&text).into_owned())
    }

    fn spawn(&mut self, id: usize, args: &[&str]) {
        let output = |name: &str| {
            let path = self.path(&format!("{name}-{id}"));
            let file = File::options().create(true).append(true).open(path);
            file.expect("a file can be made in a fresh directory")
        };
        let child = Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(["--id", &id.to_string(), "--stop-on-eof", "--dir"])
            .arg(self.path(&format!("node-{id}")))
            .args(args)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(output("events"))
            .stderr(output("log"))
            .spawn()
            .expect("squall-node was built");
        self.running[id - 1] = Some(child);
    }

    /// SIGKILL.
    pub fn kill(&mut self, id: usize) {
        let mut child = self.running[id - 1].take().expect("the node runs");
        child.kill().expect("the process exists");
        child.wait().expect("a killed process ends");
    }

    /// Asks the node to stop, and expects it to say goodbye.
    pub fn stop(&mut self, id: usize) {
        let mut child = self.running[id - 1].take().expect("the node runs");
        drop(child.stdin.take());
        let status = child.wait().expect("a stopped process ends");
        assert!(status.success(), "node {id}: {status}\n{}", self.log(id));
    }

    /// Where the node keeps its log and snapshots.
    pub fn directory(&self, id: usize) -> PathBuf {
        self.path(&format!("node-{id}"))
    }

    /// What a node that ended by itself wrote to standard error, and its exit code.
    pub fn ended(&mut self, id: usize) -> (Option<i32>, String) {
        let mut child = self.running[id - 1].take().expect("the node was started");
        let status = child.wait().expect("a process ends");
        (status.code(), self.log(id))
    }

    pub fn is_running(&mut self, id: usize) -> bool {
        let child = self.running[id - 1].as_mut();
        child.is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    pub fn port(&self, id: usize) -> u16 {
        self.ports[id - 1]
    }

    pub fn address(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.port(id))
    }

    /// What the node wrote to standard output.
    pub fn events(&self, id: usize) -> String {
        let read = std::fs::read_to_string(self.path(&format!("events-{id}")));
        read.expect("the node was started")
    }

    pub fn log(&self, id: usize) -> String {
        let read = std::fs::read_to_string(self.path(&format!("log-{id}")));
        read.expect("the node was started")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until a write sent to the node is served, by it or by the leader it names.
    pub fn await_serving(&self, id: usize) {
        eventually(&format!("node {id} serves"), || {
            match say(self.port(id), "SET serving yes").as_str() {
                "OK" => Ok(()),
                other => Err(format!("{other}\n{}", self.log(id))),
            }
        });
    }

    /// The value of a line of the node's `RAFT.STATUS`.
    pub fn status(&self, id: usize, name: &str) -> Result<String, String> {
        let lines = say(self.port(id), "RAFT.STATUS");
        let value = lines
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::to_owned).ok_or(lines.clone())
    }

    /// The leader that `asked` knows.
    pub fn leader(&self, asked: usize) -> usize {
        eventually("a leader is known", || {
            let name = self.status(asked, "leader")?;
            let id = name.strip_prefix("node-").and_then(|id| id.parse().ok());
            id.ok_or(name)
        })
    }

    /// A node other than those named.
    pub fn other_than(&self, ids: &[usize]) -> usize {
        let other = (1..=self.ports.len()).find(|id| !ids.contains(id));
        other.expect("the cluster is larger than that")
    }

    /// Waits until the node has applied all that `leader` has.
    pub fn await_caught_up(&self, id: usize, leader: usize) {
        let target: u64 = eventually("the leader's position", || {
            let applied = self.status(leader, "applied")?;
            applied.parse().map_err(|_| applied)
        });
        eventually(&format!("node {id} catches up to {target}"), || {
            let applied = self.status(id, "applied")?;
            match applied.parse() {
                Ok(applied) if target <= applied => Ok(()),
                _ => Err(applied),
            }
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.running.iter_mut().flatten() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for id in 1..=self.running.len() {
                eprintln!("--- node {id}\n{}{}", self.events(id), self.log(id));
            }
        }
    }
}
