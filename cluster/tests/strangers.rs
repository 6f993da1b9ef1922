//! Clients that know nothing of Squall: redis-py and the tools of Redis, doing what their own
//! first pages show, also while the leader dies.
//!
//! The Python that is used is `$SQUALL_PYTHON`, or else `python3`; it needs the package `redis`
//! in version 8. What is missing is named and skipped, except where `CI=true`.

#[cfg(feature = "tls")]
mod certificates;
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

#[cfg(feature = "tls")]
#[test]
fn redis_cli_and_redis_py_speak_tls_with_nodes_that_speak_it_with_each_other() {
    use certificates::{Authority, shown};

    let mut knows_tls = Command::new("redis-cli");
    knows_tls.args(["--tls", "--version"]);
    if !redis_py_is_there() || !is_there("redis-cli with TLS", &mut knows_tls) {
        return;
    }
    let authority = Authority::new();
    let files = authority.sign(&["127.0.0.1"]);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let row = ports::free(3);
    let first = row[0].to_string();
    let (ca, certificate, key) = (
        shown(&files.authorities),
        shown(&files.certificate),
        shown(&files.key),
    );
    let node = |args: &[&str]| {
        let mut node = Command::new(env!("CARGO_BIN_EXE_squall-node"));
        node.current_dir(directory.path()).args(args);
        node.args(["--tls-ca-cert-file", ca]);
        node.args(["--tls-cert-file", certificate, "--tls-key-file", key]);
        node
    };
    // Stops its nodes when it ends, however it ends.
    struct Local(Child);
    impl Drop for Local {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut local = node(&["--local", "3", "--tls-port", &first, "--tls-cluster"]);
    local.stdout(Stdio::null()).stderr(Stdio::null());
    let _local = Local(local.spawn().expect("squall-node was built"));

    let cli = |files: &[&str], command: &[&str]| {
        let mut cli = Command::new("redis-cli");
        cli.args(["-c", "-p", &first, "--tls", "--cacert", ca]);
        let output = cli.args(files).args(command).output();
        let output = output.expect("it was there a moment ago");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let own = ["--cert", certificate, "--key", key];
    eventually("the cluster serves", || {
        match cli(&own, &["SET", "k", "v"]).as_str() {
            "OK" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    assert_eq!(cli(&own, &["GET", "k"]), "v");
    let refused = cli(&[], &["GET", "k"]);
    assert!(
        !refused.contains('v') || refused.contains("rror"),
        "{refused}"
    );

    let mut script = python();
    script.args([SCRIPT, "encrypted"]);
    script.args(row.iter().map(u16::to_string));
    script.envs([
        ("SQUALL_CA", ca),
        ("SQUALL_CERT", certificate),
        ("SQUALL_KEY", key),
    ]);
    let output = script.output().expect("it was there a moment ago");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{}: {text}", output.status);

    let address = format!("127.0.0.1:{first}");
    for args in [
        vec!["--health", &address],
        vec!["--backup", "b.squall", "--tls-port", &first],
    ] {
        let output = node(&args).output().expect("squall-node was built");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {text}");
    }
    let mut plain = Command::new(env!("CARGO_BIN_EXE_squall-node"));
    let output = plain.args(["--health", &address]).output();
    let output = output.expect("squall-node was built");
    assert!(!output.status.success(), "health without TLS");
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
