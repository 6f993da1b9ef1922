//! The harness in a container of its own: what it plays from there against containers of the
//! same engine.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::node;
use super::setting::{alone, left_of, links_can_be_broken};

/// A container and its image, which are removed with the test.
struct Container {
    name: String,
    image: String,
}

impl Drop for Container {
    fn drop(&mut self) {
        for remove in [
            ["rm", "--force", &self.name],
            ["rmi", "--force", &self.image],
        ] {
            let _ = Command::new("docker").args(remove).output();
        }
    }
}

#[test]
fn harness_in_a_container_breaks_links_of_others_and_leaves_its_run_on_a_volume() {
    let Some(_turn) = links_can_be_broken().and_then(|()| alone()) else {
        return;
    };
    let repository = squall_tests::repository();
    let node = node::binary();
    let container = Container {
        name: format!("squall-harness-{}", std::process::id()),
        image: format!("squall-harness-test:{}", std::process::id()),
    };
    let built = Command::new(repository.join("docker/build-harness"))
        .arg(node.with_file_name("squall"))
        .arg(&node)
        .arg(&container.image)
        .output()
        .expect("a shell");
    assert!(built.status.success(), "{built:?}");

    let runs = tempfile::tempdir().expect("a temporary directory");
    // As docker/compose.yaml has it.
    let mut command = Command::new("docker");
    command
        .args(["run", "--name", &container.name, "--network", "host"])
        .args(["--pid", "host", "--cap-add", "SYS_ADMIN"])
        .args(["--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"])
        .args(["--security-opt", "apparmor:unconfined"])
        .args(["--volume", "/var/run/docker.sock:/var/run/docker.sock"])
        .arg("--volume")
        .arg(format!("{}:/squall/runs", runs.path().display()))
        .arg(&container.image)
        .args(["run", "scenarios/minority-partition.toml", "--quiet"])
        .args(["--backend", "docker", "--out", "runs/cut"]);
    for setting in [
        "cluster.nodes=3",
        "phases.warmup=3s",
        "phases.chaos=7s",
        "phases.serve=1s",
        "fault.0.at=1s",
        "fault.0.for=5s",
        "fault.0.partition=[[\"leader\"],[\"all\"]]",
        // Objectives are for machines that do nothing else.
        "objectives.election.p99=30s",
        "objectives.downtime.max=30s",
    ] {
        command.arg(format!("--set={setting}"));
    }
    let run = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker");
    let pid = pid_of(&container.name);
    let ended = run.wait_with_output().expect("docker ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    let report = std::fs::read(runs.path().join("cut/report.json")).expect("it left a report");
    let report: Value = serde_json::from_slice(&report).expect("it is JSON");
    assert_eq!(report["verdict"], "pass", "{report:#}");
    assert_eq!(report["backend"], "docker");
    let fault = &report["faults"][0];
    assert_eq!(fault["status"], "healed", "its effect was seen: {fault:#}");
    assert_eq!(left_of(pid), Vec::<String>::new());
}

/// Number of the container's process, once it runs.
fn pid_of(container: &str) -> u32 {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let inspected = Command::new("docker")
            .args(["inspect", "--format", "{{.State.Pid}}", container])
            .output()
            .expect("docker");
        let text = String::from_utf8_lossy(&inspected.stdout);
        match text.trim().parse() {
            Ok(0) | Err(_) => std::thread::sleep(Duration::from_millis(50)),
            Ok(pid) => return pid,
        }
    }
    panic!("{container} did not start");
}
