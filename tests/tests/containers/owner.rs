//! Looking at a machine's packet rules from outside.

use std::process::Command;

/// The rules in this machine's own network. Docker adds and removes some of its own, for the
/// networks of whoever runs containers here; what Squall writes has neither.
pub fn rules_of_this_machine() -> Vec<String> {
    let listed = Command::new("iptables-save")
        .args(["-t", "filter"])
        .output();
    let text = listed.map_or(String::new(), |listed| {
        String::from_utf8_lossy(&listed.stdout).into_owned()
    });
    let of_input = text.lines().filter(|line| line.starts_with("-A INPUT"));
    of_input.map(str::to_owned).collect()
}

/// Whether a machine of the run of process `pid` hears nothing of another.
pub fn has_rules_of_partition(pid: u32) -> bool {
    let listed = Command::new("docker")
        .args(["ps", "--no-trunc", "--filter", "label=org.squall.run"])
        .args(["--format", "{{.ID}} {{.Label \"org.squall.owner\"}}"])
        .output()
        .expect("the docker command is there");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let is_its = |line: &&str| line.split(' ').nth(3) == Some(&pid.to_string());
    text.lines().filter(is_its).any(|line| {
        let id = line.split(' ').next().unwrap_or_default();
        drops_packets(id)
    })
}

fn drops_packets(container: &str) -> bool {
    let inspected = Command::new("docker")
        .args(["inspect", "--format", "{{.State.Pid}}", container])
        .output();
    let Ok(inspected) = inspected else {
        return false;
    };
    let pid = String::from_utf8_lossy(&inspected.stdout).trim().to_owned();
    let saved = Command::new("nsenter")
        .args([&format!("--net=/proc/{pid}/ns/net"), "iptables-save"])
        .output();
    let is_drop = |line: &str| line.starts_with("-A INPUT") && line.contains("DROP");
    saved.is_ok_and(|saved| String::from_utf8_lossy(&saved.stdout).lines().any(is_drop))
}
