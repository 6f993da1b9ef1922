//! Reads what processes use from the kernel's own accounts: control groups of either version,
//! or the processes themselves, and network devices.

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
    /// Who has counted what it sent and received.
    pub network: Network,
    /// Who has counted the rest, while the node runs.
    pub accounts: Option<Accounts>,
}

/// Who counts what goes over a node's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// All devices but the loopback of the namespace in which this process is.
    Of(i32),
    /// The device of this name where this thread is, to whose other end the node is
    /// connected: what it has received, the node has sent.
    Port(String),
    /// Nobody: the node has no network of its own.
    Unknown,
}

/// Who counts processor time, memory and disk of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// The control group in which this process is alone with its children.
    Group(i32),
    /// The kernel, for each process of the node.
    Processes(Vec<i32>),
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
    let (received, sent) = network(&node.network).unzip();
    let mut sample = ResourceSample {
        at_us,
        node: node.name,
        net_received_bytes: received,
        net_sent_bytes: sent,
        ..ResourceSample::default()
    };
    match node.accounts {
        None => {}
        Some(Accounts::Group(pid)) => {
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            sample.cpu_us = cpu_us(&groups);
            sample.memory_bytes = memory_bytes(&groups);
            note_disk(&mut sample, disk(pid));
        }
        Some(Accounts::Processes(pids)) => {
            sample.cpu_us = sum(&pids, process_cpu_us);
            sample.memory_bytes = sum(&pids, process_memory_bytes);
            let read = sum(&pids, |pid| Some(disk(pid)?.0));
            note_disk(&mut sample, read.zip(sum(&pids, |pid| Some(disk(pid)?.1))));
        }
    }
    sample
}

fn note_disk(sample: &mut ResourceSample, disk: Option<(u64, u64)>) {
    let (read, written) = disk.unzip();
    sample.disk_read_bytes = read;
    sample.disk_written_bytes = written;
}

/// Over all processes, if every one is known.
fn sum(pids: &[i32], of: impl Fn(i32) -> Option<u64>) -> Option<u64> {
    pids.iter().map(|pid| of(*pid)).sum()
}

/// Processor time of all threads of a process, in steps of the kernel's clock (10 ms).
fn process_cpu_us(pid: i32) -> Option<u64> {
    let ticks = cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    (ticks * 1_000_000).checked_div(rustix::param::clock_ticks_per_second())
}

/// User and system time, the 14th and 15th field of `stat` (proc(5)). Of a process that has
/// died there is none.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The second field is a name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let mut times = fields.skip(10).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

/// What a process has in memory, shared pages included.
fn process_memory_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
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

/// Bytes that a node has received and sent.
fn network(of: &Network) -> Option<(u64, u64)> {
    let devices = |whose: &str| fs::read_to_string(format!("/proc/{whose}/net/dev")).ok();
    match of {
        Network::Of(pid) => totals(&devices(&pid.to_string())?, |name| name != "lo"),
        Network::Port(port) => {
            let (received, sent) = totals(&devices("thread-self")?, |name| name == port)?;
            Some((sent, received))
        }
        Network::Unknown => None,
    }
}

/// Bytes received and sent over the devices of these names.
fn totals(devices: &str, counts: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let mut totals = (0, 0);
    // Two lines of headings.
    for line in devices.lines().skip(2) {
        let (name, figures) = line.split_once(':')?;
        if !counts(name.trim()) {
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

    use super::{cpu_ticks, group, keyed, process_cpu_us, process_memory_bytes, totals};

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
        assert_eq!(totals(devices, |name| name != "lo"), Some((100, 200)));
        assert_eq!(totals(devices, |name| name == "lo"), Some((9, 9)));
    }

    #[test]
    fn times_of_a_process_are_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4 9 0 0 0 120 30 0 0 20 0 3 0 55 1 1";
        assert_eq!(cpu_ticks(stat), Some(150));
        assert_eq!(cpu_ticks("7 (a) Z 1 7 7 0 -1 4 9 0 0 0 120 30 0"), None);
        let own = std::process::id() as i32;
        assert!(process_memory_bytes(own) > Some(4_096), "of this process");
        assert!(process_cpu_us(own).is_some(), "of this process");
    }
}
