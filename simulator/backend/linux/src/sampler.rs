//! Reads what processes use from the kernel's own accounts: control groups of either version,
//! and the network devices of a namespace.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use squall_world::{RealWorld, World};

use super::clock::Clock;
use squall_history::recorder::observe_sample;
use squall_history::resources::ResourceSample;

const EVERY: Duration = Duration::from_millis(100);
const CGROUPS: &str = "/sys/fs/cgroup";

/// What was seen so far, in order of time.
pub type Samples = Rc<RefCell<Vec<ResourceSample>>>;

/// One node to look at.
pub struct Metered {
    /// The node's name, as in the history.
    pub name: String,
    /// A process in the node's network namespace.
    pub network_pid: i32,
    /// The node's own process, while it runs.
    pub pid: Option<i32>,
}

/// Looks at all nodes, for ever.
pub fn start(clock: &Clock, nodes: impl Fn() -> Vec<Metered> + 'static) -> Samples {
    let samples = Samples::default();
    let (clock, into) = (clock.clone(), samples.clone());
    RealWorld::spawn(async move {
        let mut next = RealWorld::now();
        loop {
            let at_us = clock.now_us();
            for node in nodes() {
                let sample = look(node, at_us);
                observe_sample(&sample);
                into.borrow_mut().push(sample);
            }
            // A look that came late does not make the next ones late, nor come in a crowd.
            next = (next + EVERY).max(RealWorld::now());
            RealWorld::sleep_until(next).await;
        }
    });
    samples
}

fn look(node: Metered, at_us: u64) -> ResourceSample {
    let (received, sent) = network(node.network_pid).unzip();
    let mut sample = ResourceSample {
        at_us,
        node: node.name,
        net_received_bytes: received,
        net_sent_bytes: sent,
        ..ResourceSample::default()
    };
    if let Some(pid) = node.pid {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        sample.cpu_us = cpu_us(&groups);
        sample.memory_bytes = memory_bytes(&groups);
        let (read, written) = disk(pid).unzip();
        sample.disk_read_bytes = read;
        sample.disk_written_bytes = written;
    }
    sample
}

/// Where a controller keeps its accounts of a process, and of which version; `groups` is the
/// process's `cgroup` file (cgroups(7)). A process that has just died is in the root group,
/// whose accounts are those of the whole machine: there are none of its own any more.
fn group(groups: &str, controller: &str) -> Option<(PathBuf, u8)> {
    let lines = || {
        groups
            .lines()
            .filter_map(|line| line.split_once(':')?.1.split_once(':'))
    };
    let inside = |root: &str, path: &str| {
        let own = path.trim_matches('/');
        (!own.is_empty()).then(|| Path::new(root).join(own))
    };
    let is_its = |names: &str| names.split(',').any(|name| name == controller);
    if let Some((_, path)) = lines().find(|(names, _)| is_its(names)) {
        return Some((inside(&format!("{CGROUPS}/{controller}"), path)?, 1));
    }
    let (_, path) = lines().find(|(names, _)| names.is_empty())?;
    Some((inside(CGROUPS, path)?, 2))
}

fn cpu_us(groups: &str) -> Option<u64> {
    match group(groups, "cpuacct")? {
        (path, 1) => Some(number(&path.join("cpuacct.usage"))? / 1_000),
        (path, _) => keyed(
            &fs::read_to_string(path.join("cpu.stat")).ok()?,
            "usage_usec",
        ),
    }
}

fn memory_bytes(groups: &str) -> Option<u64> {
    match group(groups, "memory")? {
        (path, 1) => number(&path.join("memory.usage_in_bytes")),
        (path, _) => number(&path.join("memory.current")),
    }
}

/// Bytes read from and written to disks.
fn disk(pid: i32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    Some((keyed(&text, "read_bytes:")?, keyed(&text, "write_bytes:")?))
}

/// Bytes received and sent over every device of the namespace but the loopback.
fn network(pid: i32) -> Option<(u64, u64)> {
    totals(&fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?)
}

fn totals(devices: &str) -> Option<(u64, u64)> {
    let mut totals = (0, 0);
    // Two lines of headings.
    for line in devices.lines().skip(2) {
        let (name, figures) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let figures: Vec<u64> = (figures.split_whitespace())
            .filter_map(|figure| figure.parse().ok())
            .collect();
        totals = (totals.0 + figures.first()?, totals.1 + figures.get(8)?);
    }
    Some(totals)
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn keyed(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{group, keyed, totals};

    #[test]
    fn both_versions_of_control_groups_are_found() {
        let first = "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n0::/system";
        let at = PathBuf::from("/sys/fs/cgroup/cpuacct/docker/ab");
        assert_eq!(group(first, "cpuacct"), Some((at, 1)));
        let second = "0::/system.slice/docker-ab.scope";
        let at = PathBuf::from("/sys/fs/cgroup/system.slice/docker-ab.scope");
        assert_eq!(group(second, "memory"), Some((at, 2)));
        // Of a process that is dead, but not yet buried.
        assert_eq!(group("5:memory:/\n0::/", "memory"), None);
        assert_eq!(group("0::/", "cpuacct"), None);
    }

    #[test]
    fn figures_are_found_by_their_names() {
        assert_eq!(keyed("usage_usec 12\nuser_usec 3", "usage_usec"), Some(12));
        let devices = "Inter-| Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  \
                       eth0: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n";
        assert_eq!(totals(devices), Some((100, 200)));
    }
}
