//! `squall-node` as a program: exit codes, one clear line for what went wrong, and `--local`.
//!
//! Needs no Redis client: it speaks the few words it needs itself.

#![allow(clippy::disallowed_methods)] // real processes, waited for in real time

mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_millis(30);

const EXIT_USAGE: i32 = 64;
const EXIT_FAILURE: i32 = 70;

/// A running `squall-node`, killed when dropped.
struct Program {
    child: Child,
}

impl Program {
    fn start(directory: &Path, args: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(args)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("squall-node was built");
        Self { child }
    }

    /// Waits for its end; what it was, and what was written to output and errors.
    fn finish(mut self) -> (ExitStatus, String, String) {
        let (mut output, mut errors) = (String::new(), String::new());
        let mut pipe = self.child.stdout.take().expect("its output is piped");
        pipe.read_to_string(&mut output)
            .expect("its output is text");
        let mut pipe = self.child.stderr.take().expect("its errors are piped");
        pipe.read_to_string(&mut errors)
            .expect("its errors are text");
        let status = self.child.wait().expect("the process exists");
        (status, output, errors)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("every system has kill").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a line to the node until it answers as expected.
fn ask(port: u16, line: &str, expected: &str) {
    let attempt = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = attempt();
        if answer
            .as_ref()
            .is_ok_and(|text| text.trim_end() == expected)
        {
            return;
        }
        assert!(Instant::now() < deadline, "{line}: still {answer:?}");
        std::thread::sleep(REST);
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

#[test]
fn bad_arguments_end_with_64_and_help_with_0() {
    let directory = directory();
    let run = |args: &[&str]| Program::start(directory.path(), args).finish();
    for (args, why) in [
        (&["--port", "70000"][..], "70000"),
        (
            &["--cluster", "2=127.0.0.1:7002"],
            "does not name this node",
        ),
        (&["--heartbeat", "fast"], "--heartbeat"),
        (&["--local", "3", "--join"], "--join"),
    ] {
        let (status, output, errors) = run(args);
        assert_eq!(status.code(), Some(EXIT_USAGE), "{args:?}: {errors}");
        assert!(errors.contains(why) && output.is_empty(), "{errors}");
    }
    let (status, output, _) = run(&["--help"]);
    assert!(status.success());
    assert!(output.contains("redis-cli -c -p 7001"), "{output}");
}

#[test]
fn a_startup_failure_is_one_line() {
    let directory = directory();
    let port = ports::free(1)[0].to_string();
    let running = Program::start(directory.path(), &["--port", &port]);
    let number = port.parse().expect("it was a number before");
    ask(number, "SET a 1", "+OK");

    let refused = |args: &[&str], why: &str| {
        let (status, _, errors) = Program::start(directory.path(), args).finish();
        assert_eq!(status.code(), Some(EXIT_FAILURE), "{errors}");
        assert!(errors.starts_with("squall-node: "), "{errors}");
        assert!(errors.contains(why), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    };
    refused(&["--port", &port], "in use by another process");
    refused(&["--port", &port, "--dir", "other"], "cannot listen on");
    refused(&["--dir", "/dev/null/x"], "/dev/null/x");

    running.signal("TERM");
    let (status, events, errors) = running.finish();
    assert!(status.success(), "{errors}");
    assert!(events.contains(r#""why":"SIGTERM""#), "{events}");

    let log = directory.path().join("squall-data/node-1/wal");
    std::fs::write(log, b"something else entirely").expect("the node has a log");
    refused(&["--port", &port], "wal was not written by this program");
}

#[test]
fn a_node_alone_keeps_what_it_acknowledged_across_restarts() {
    let directory = directory();
    let port = ports::free(1)[0];
    let args = ["--port", &port.to_string()];
    for restart in 1..=3 {
        let node = Program::start(directory.path(), &args);
        ask(port, "PING", "+PONG");
        ask(port, "SET ready yes", "+OK");
        // Answered exactly so only if the one before was kept.
        ask(port, "INCR restarts", &format!(":{restart}"));
        // Odd restarts are graceful, even ones are not.
        if restart % 2 == 1 {
            node.signal("INT");
            let (status, _, errors) = node.finish();
            assert!(status.success(), "{errors}");
        }
    }
}

#[test]
fn a_local_cluster_runs_and_stops_as_one() {
    let directory = directory();
    let ports = ports::free(3);
    let first = ports[0].to_string();
    let args = ["--local", "3", "--port", &first, "--dir", "cluster"];

    let cluster = Program::start(directory.path(), &args);
    await_leader(&ports);
    cluster.signal("TERM");
    let (status, output, errors) = cluster.finish();
    assert!(status.success(), "{errors}");
    assert!(output.contains(&format!("redis-cli -c -h 127.0.0.1 -p {first}")));
    for node in ["node-1", "node-2", "node-3"] {
        let stopped =
            |line: &str| line.starts_with(&format!("{node} {{")) && line.contains("stopped");
        assert!(output.lines().any(stopped), "{node}: {output}");
        assert!(directory.path().join("cluster").join(node).is_dir());
    }

    // The same cluster again; a node that ends by itself ends it all.
    let cluster = Program::start(directory.path(), &args);
    await_leader(&ports);
    ask(ports[1], "SHUTDOWN", "+OK");
    let (status, output, errors) = cluster.finish();
    assert_eq!(status.code(), Some(EXIT_FAILURE), "{output}");
    assert!(errors.contains("node-2 ended by itself"), "{errors}");
    for port in ports {
        assert!(
            TcpStream::connect(("127.0.0.1", port)).is_err(),
            "{port} lives"
        );
    }
}

/// Waits until every node knows a leader: then it is one cluster.
fn await_leader(ports: &[u16]) {
    for port in ports {
        ask(*port, "READ LOCAL EXISTS nothing", ":0");
        ask(*port, "READ STALE 1000 EXISTS nothing", ":0");
    }
}
