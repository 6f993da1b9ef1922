//! Clients that know nothing of Squall: redis-py and the tools of Redis, doing what their own
//! first pages show, also while the leader dies.
//!
//! The Python that is used is `$SQUALL_PYTHON`, or else `python3`; it needs the package `redis`
//! in version 8. What is missing is named and skipped, except where `CI=true`.

mod ports;
mod processes;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::process::{Child, Command, Stdio};

use processes::{Cluster, eventually, is_there, redis_cli_is_there, say};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strangers/strangers.py");
const JOBS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strangers/jobs.py");

fn python() -> Command {
    Command::new(std::env::var("SQUALL_PYTHON").unwrap_or_else(|_| "python3".into()))
}

fn redis_py_is_there() -> bool {
    let mut version = python();
    version.args([
        "-c",
        "import redis; assert redis.__version__.startswith('8.')",
    ]);
    is_there("redis-py 8 (SQUALL_PYTHON)", &mut version)
}

fn taskiq_is_there() -> bool {
    let mut version = python();
    version.args(["-c", "import taskiq, taskiq_redis"]);
    is_there("taskiq-redis (SQUALL_PYTHON)", &mut version)
}

/// A running script, which ends by itself: it has a deadline of its own.
struct Script {
    child: Child,
    /// Its standard error. A pipe that nobody reads would hold the script up once it is full.
    errors: File,
}

impl Script {
    fn start(args: &[&str], ports: &[u16]) -> Self {
        let errors = tempfile::tempfile().expect("there is room for a file");
        let copy = errors.try_clone().expect("there is a free descriptor");
        let mut script = python();
        script.args(args);
        script.args(ports.iter().map(u16::to_string));
        let child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(copy)
            .spawn()
            .expect("it was there a moment ago");
        Self { child, errors }
    }

    /// The script with one of its checks, on the ports of the cluster.
    fn check(cluster: &Cluster, name: &str) -> Self {
        Self::start(&[SCRIPT, name], &[1, 2, 3].map(|id| cluster.port(id)))
    }

    fn succeeds(mut self) {
        let output = self.child.wait_with_output().expect("the script ends");
        let mut text = output.stdout;
        self.errors.rewind().expect("it is a file");
        self.errors.read_to_end(&mut text).expect("it is a file");
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "{}: {text}", output.status);
    }
}

#[test]
fn redis_py_works_on_one_node_and_on_the_cluster_in_both_versions_of_the_protocol() {
    if !redis_py_is_there() || !redis_cli_is_there() {
        return;
    }
    let cluster = Cluster::start(3);
    Script::check(&cluster, "plain").succeeds();
    Script::check(&cluster, "cluster").succeeds();
}

#[test]
fn redis_py_keeps_copies_and_hears_of_their_end() {
    if !redis_py_is_there() || !redis_cli_is_there() {
        return;
    }
    let cluster = Cluster::start(3);
    Script::check(&cluster, "near_cache").succeeds();
}

#[test]
fn redis_py_loses_nothing_when_the_leader_dies() {
    if !redis_py_is_there() || !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    let mut writer = Script::check(&cluster, "survive");
    let output = writer.child.stdout.take().expect("its output is piped");
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).expect("the script writes");
    assert_eq!(line, "writing\n");
    let leader = cluster.leader(1);
    let has = |port, key: &str| match say(port, &format!("EXISTS {key}")).as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    };
    eventually("some writes", || has(cluster.port(leader), "survive-20"));
    cluster.kill(leader);
    let survivor = cluster.other_than(&[leader]);
    // The writer goes on where it was: what it writes next is written under the new leader.
    let count = eventually("an answer of the new leader", || {
        let answer = say(cluster.port(survivor), "DBSIZE");
        answer.parse::<u64>().map_err(|_| answer)
    });
    let key = format!("survive-{}", count + 20);
    eventually("more writes", || has(cluster.port(survivor), &key));
    drop(writer.child.stdin.take());
    let mut rest = String::new();
    output.read_line(&mut rest).expect("the script writes");
    writer.succeeds();
    assert!(rest.starts_with("written "), "{rest}");
}

#[test]
fn jobs_of_taskiq_are_done_when_the_leader_has_died() {
    if !taskiq_is_there() || !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    // The worker waits for the next job at the leader, which is killed.
    let leader = cluster.leader(1);
    let mut ports = [1, 2, 3];
    ports.sort_by_key(|&id| id == leader);
    let mut jobs = Script::start(&[JOBS], &ports.map(|id| cluster.port(id)));
    let mut input = jobs.child.stdin.take().expect("its input is piped");
    let output = jobs.child.stdout.take().expect("its output is piped");
    let mut lines = BufReader::new(output).lines();
    let mut said = || lines.next().and_then(Result::ok).unwrap_or_default();
    if said() != "idle" {
        jobs.succeeds();
        panic!("the script ended before it was idle");
    }
    cluster.kill(leader);
    input.write_all(b"go on\n").expect("the script reads");
    let last = said();
    jobs.succeeds();
    assert_eq!(last, "done");
}

#[test]
fn the_tools_of_redis_find_nothing_wrong() {
    if !redis_cli_is_there() {
        return;
    }
    let mut cluster = Cluster::start(3);
    let port = cluster.port(2).to_string();
    let tool = |program: &str, args: &[&str]| {
        let run = Command::new(program).args(args).output();
        let output = run.unwrap_or_else(|e| panic!("{program}: {e}"));
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{program} {args:?}: {text}");
        text
    };
    let address = cluster.address(2);
    let report = tool("redis-cli", &["--cluster", "check", &address]);
    assert!(report.contains("All 16384 slots covered"), "{report}");
    assert!(report.contains("All nodes agree"), "{report}");
    let report = tool("redis-cli", &["--cluster", "info", &address]);
    assert!(report.contains("1 masters"), "{report}");
    for version in ["-2", "-3"] {
        let reply = tool("redis-cli", &[version, "-p", &port, "INFO", "server"]);
        assert!(reply.starts_with("# Server\r\nredis_version:"), "{reply}");
        let known = tool(
            "redis-cli",
            &[version, "-p", &port, "COMMAND", "INFO", "get", "nope"],
        );
        assert!(known.starts_with("get\n2\n"), "{known}");
    }
    let leader = cluster.port(cluster.leader(1)).to_string();
    let tests = "set,get,incr,mset,lpush,rpush,lpop,rpop,lrange_100";
    let args = ["-p", &leader, "-t", tests, "-n", "1000", "-P", "16", "-q"];
    let report = tool("redis-benchmark", &args);
    assert_eq!(
        report.matches("requests per second").count(),
        10,
        "{report}"
    );
    // It wants two masters, and there is only ever one.
    let benchmark = Command::new("redis-benchmark")
        .args(["--cluster", "-p", &leader, "-n", "10", "-q"])
        .output();
    let output = benchmark.expect("it was there a moment ago");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("Invalid cluster: 1 node(s)"), "{text}");

    let dead = cluster.leader(1);
    assert_eq!(say(cluster.port(dead), "RPUSH jobs a b"), "2");
    cluster.kill(dead);
    let survivor = cluster.other_than(&[dead]);
    cluster.await_serving(survivor);
    let port = cluster.port(survivor).to_string();
    let popped = tool("redis-cli", &["-c", "-p", &port, "BLPOP", "jobs", "5"]);
    assert_eq!(popped, "jobs\na\n");
    let address = cluster.address(survivor);
    let report = tool("redis-cli", &["--cluster", "check", &address]);
    assert!(report.contains("All 16384 slots covered"), "{report}");
}
