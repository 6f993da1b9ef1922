//! `squall-node`, wherever it is started: where its binary is, and its arguments.

use std::path::{Path, PathBuf};

use squall_plan::plan::ClusterPlan;

/// Names the binary.
pub const VARIABLE: &str = "SQUALL_NODE";
/// Where `cargo static-node` leaves it, from the directory that holds `target/release`.
const BUILT_STATIC: &str = "static/x86_64-unknown-linux-gnu/node/squall-node";
/// Under which name beside `squall` a package may put a static one.
const STATIC_BESIDE: &str = "squall-node-static";
/// Under which name cargo leaves one beside `squall`.
const BESIDE: &str = "squall-node";

/// The static binary for containers at `given`, or the one that can be found; it may turn out
/// not to be one.
///
/// # Errors
/// There is none, and how to get one.
pub fn find_static(given: Option<&Path>) -> Result<PathBuf, String> {
    let found = named(given).or_else(built_static);
    found.ok_or_else(|| {
        format!(
            "there is no static squall-node to put into containers: build it with \
             `cargo static-node`, or name one with --node-binary or {VARIABLE}"
        )
    })
}

/// A binary that runs on this machine, static or not: the one at `given`, or the one that can
/// be found.
///
/// # Errors
/// There is none, and how to get one.
pub fn find(given: Option<&Path>) -> Result<PathBuf, String> {
    let found = named(given).or_else(|| {
        let program = std::env::current_exe().unwrap_or_default();
        // Tests are in a directory below.
        let dirs = program.ancestors().skip(1).take(2);
        let beside = dirs.map(|dir| dir.join(BESIDE));
        beside.into_iter().find(|path| path.is_file())
    });
    found.or_else(built_static).ok_or_else(|| {
        format!(
            "there is no squall-node beside squall: build it with `cargo build --release \
             --package squall-cluster --bin squall-node`, or name one with --node-binary or \
             {VARIABLE}"
        )
    })
}

fn named(given: Option<&Path>) -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
    given.map(Path::to_owned).or(named.map(PathBuf::from))
}

fn built_static() -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.parent().map(|dir| dir.join(STATIC_BESIDE));
    let built = program.ancestors().map(|dir| dir.join(BUILT_STATIC));
    beside.into_iter().chain(built).find(|path| path.is_file())
}

/// What every node of a run is started with.
#[derive(Debug, Clone)]
pub struct NodeArguments {
    /// `ID=ADDRESS,…` of the first members.
    members: String,
    /// Of every node.
    common: Vec<String>,
}

impl NodeArguments {
    /// For a cluster whose first members have these addresses, `host:port`; each node keeps
    /// its data below `dir`, and makes the bug `planted`.
    pub fn new(plan: &ClusterPlan, members: &[String], planted: Option<&str>) -> Self {
        let mut common = Vec::new();
        let mut pass = |name: &str, value: String| common.extend([name.to_owned(), value]);
        pass("--heartbeat", format!("{}ms", plan.heartbeat_ms));
        pass("--election-min", format!("{}ms", plan.election_min_ms));
        pass("--election-max", format!("{}ms", plan.election_max_ms));
        pass("--snapshot-every", plan.snapshot_every.to_string());
        pass("--cache-entries", plan.cache_entries.to_string());
        if let Some(id) = planted {
            pass("--planted", id.to_owned());
        }
        let members = members.iter().enumerate();
        let members = members.map(|(index, address)| format!("{}={address}", index + 1));
        Self {
            members: members.collect::<Vec<_>>().join(","),
            common,
        }
    }

    /// Of the node of this number, from 0, at `address` (`host:port`), with its data in `dir`.
    /// A newcomer belongs to no cluster.
    ///
    /// # Panics
    /// The address has no port.
    pub fn of(&self, node: usize, address: &str, dir: &str, is_newcomer: bool) -> Vec<String> {
        let id = (node + 1).to_string();
        // Nobody but this machine reaches a node of a run.
        let mut arguments = vec!["--id".to_owned(), id, "--insecure".to_owned()];
        let (host, port) = address.rsplit_once(':').expect("host:port");
        match is_newcomer {
            true => arguments.extend(["--join", "--host", host, "--port", port].map(str::to_owned)),
            false => arguments.extend(["--cluster".to_owned(), self.members.clone()]),
        }
        arguments.extend(["--dir".to_owned(), dir.to_owned()]);
        arguments.extend(self.common.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::NodeArguments;
    use squall_plan::plan::ClusterPlan;

    #[test]
    fn newcomers_know_themselves_and_members_know_all() {
        let plan = ClusterPlan {
            nodes: 2,
            spares: 0,
            heartbeat_ms: 100,
            election_min_ms: 300,
            election_max_ms: 600,
            snapshot_every: 1_000,
            cache_entries: 10,
        };
        let members = ["10.0.0.1:7000".to_owned(), "10.0.0.2:7000".to_owned()];
        let arguments = NodeArguments::new(&plan, &members, Some("MC-01"));
        let member = arguments.of(1, &members[1], "/data", false).join(" ");
        let begin = "--id 2 --insecure --cluster 1=10.0.0.1:7000,2=10.0.0.2:7000 --dir /data ";
        assert!(member.starts_with(begin), "{member}");
        assert!(member.contains("--election-max 600ms"), "{member}");
        assert!(member.ends_with("--planted MC-01"), "{member}");
        let newcomer = arguments.of(2, "10.0.0.3:7000", "/data", true).join(" ");
        let begin = "--id 3 --insecure --join --host 10.0.0.3 --port 7000 --dir /data ";
        assert!(newcomer.starts_with(begin), "{newcomer}");
    }
}
