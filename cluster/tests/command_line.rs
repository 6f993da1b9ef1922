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
        Self::start_logging(directory, args, "warn")
    }

    fn start_logging(directory: &Path, args: &[&str], log: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(args)
            .env("RUST_LOG", log)
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
fn a_node_whose_log_nobody_reads_serves_all_the_same() {
    let directory = directory();
    let port = ports::free(1)[0];
    let args = ["--port", &port.to_string()];
    let node = Program::start_logging(directory.path(), &args, "trace");
    ask(port, "PING", "+PONG");
    for count in 1..=200 {
        ask(port, "INCR count", &format!(":{count}"));
    }
    node.signal("TERM");
    let (status, _, errors) = node.finish();
    assert!(status.success());
    // All that a pipe holds, while there was more.
    let bytes = errors.len();
    assert!(bytes > 60_000, "the pipe was not full: {bytes} bytes");
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

#[test]
fn a_backup_of_a_running_node_becomes_a_new_cluster() {
    let directory = directory();
    let run = |args: &[&str]| Program::start(directory.path(), args).finish();
    let ports = ports::free(2);
    let [first, second] = [0, 1].map(|nth| ports[nth].to_string());
    let (first, second) = (first.as_str(), second.as_str());
    let node = Program::start(directory.path(), &["--port", first, "--dir", "one"]);
    let port = first.parse().expect("it was a number before");
    ask(port, "SET kept yes", "+OK");
    ask(port, "QUEUE.PUBLISH q m", ":1");

    let (status, output, errors) = run(&["--backup", "b.squall", "--port", first]);
    assert!(status.success(), "{errors}");
    assert!(output.contains("with 1 keys"), "{output}");
    let (status, _, errors) = run(&["--backup", "b.squall", "--port", first]);
    assert_eq!(status.code(), Some(EXIT_FAILURE), "it is there: {errors}");
    ask(port, "SET later yes", "+OK");
    let into = |dir| {
        run(&[
            "--restore",
            "b.squall",
            "--id",
            "5",
            "--port",
            second,
            "--dir",
            dir,
        ])
    };
    let (status, _, errors) = into("one");
    assert_eq!(status.code(), Some(EXIT_FAILURE), "it is in use: {errors}");
    drop(node);
    let (status, _, errors) = into("one");
    assert_eq!(status.code(), Some(EXIT_FAILURE), "{errors}");
    assert!(errors.contains("the directory is not empty"), "{errors}");

    let (status, output, errors) = into("two");
    assert!(status.success(), "{errors}");
    assert!(output.contains("node-5 at 127.0.0.1:"), "{output}");
    let args = ["--id", "5", "--port", second, "--dir", "two"];
    let _restored = Program::start(directory.path(), &args);
    let port = second.parse().expect("it was a number before");
    ask(port, "EXISTS kept", ":1");
    ask(port, "EXISTS later", ":0");
    ask(port, "QUEUE.PUBLISH q n", ":2");

    let backup = directory.path().join("b.squall");
    let mut bytes = std::fs::read(&backup).expect("it was written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&backup, bytes).expect("it is ours");
    let (status, _, errors) = into("three");
    assert_eq!(status.code(), Some(EXIT_FAILURE), "{errors}");
    assert!(errors.contains("checksum"), "{errors}");
    let (status, _, errors) = run(&["--backup", "c.squall", "--port", first]);
    assert_eq!(
        status.code(),
        Some(EXIT_FAILURE),
        "nobody listens: {errors}"
    );
    let left: Vec<_> = std::fs::read_dir(directory.path())
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").file_name())
        .filter(|name| name.to_string_lossy().starts_with("c."))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_node_takes_its_options_from_a_file_and_its_password_is_needed_for_a_backup() {
    let directory = directory();
    let port = ports::free(1)[0];
    let text = format!("port = {port}\ndir = 'data'\nrequirepass = 'word'\nmax-memory = '64mb'\n");
    std::fs::write(directory.path().join("node.toml"), text).expect("it is ours");
    let _node = Program::start(directory.path(), &["--config", "node.toml"]);
    ask(port, "PING", "-NOAUTH Authentication required.");
    ask(port, "AUTH word", "+OK");
    assert!(directory.path().join("data/wal").is_file());
    let backup = |args: &[&str]| {
        let port = port.to_string();
        let args = [&["--backup", "b", "--port", &port], args].concat();
        Program::start(directory.path(), &args).finish()
    };
    let (status, _, errors) = backup(&[]);
    assert_eq!(status.code(), Some(EXIT_FAILURE), "{errors}");
    assert!(errors.contains("NOAUTH"), "{errors}");
    let (status, _, errors) = backup(&["--requirepass", "wrong"]);
    assert_eq!(status.code(), Some(EXIT_FAILURE), "{errors}");
    assert!(errors.contains("WRONGPASS"), "{errors}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A node that has just started has no leader to ask.
        let (status, _, errors) = backup(&["--requirepass", "word"]);
        if status.success() {
            break;
        }
        assert!(Instant::now() < deadline, "{errors}");
    }
}
