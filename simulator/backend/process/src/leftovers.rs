//! Finds processes that runs have started, and ends them.
//!
//! Every process of a run has the run, its owner and its network in its environment, and hands
//! them on to what it starts. A process that has thrown its environment away, as those do that
//! give themselves another title, is known by its group, which the run has written down, and by
//! the network that it is in, which only a run has made. One that has left all three is not
//! found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use squall_linux::netns::{NetNs, id_of};
use squall_linux::process::{Process, Signal, Stat, all};
use squall_linux::run_owner::Owner;
use squall_world::{RealWorld, World, timeout};

use super::ledger::{Entry, LIMIT};

/// Bears the run's id.
const RUN: &str = "SQUALL_RUN";
/// Bears who owns it.
const OWNER: &str = "SQUALL_RUN_OWNER";
/// Bears the number of the namespace that was made for the process, if one was.
const NETWORK: &str = "SQUALL_RUN_NETWORK";

/// What is written into the environment of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub run: String,
    pub owner: Owner,
    /// As the kernel numbers it.
    pub network: Option<u64>,
}

impl Mark {
    /// As variables.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let network = self.network.map(|id| (NETWORK, id.to_string()));
        [(RUN, self.run.clone()), (OWNER, self.owner.to_text())]
            .into_iter()
            .chain(network)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Of the environment of a process, as the kernel shows it (proc(5)).
    fn read(environment: &[u8]) -> Option<Self> {
        let variables = environment.split(|byte| *byte == 0);
        let value = |name: &str| {
            let own = |variable: &[u8]| {
                let text = std::str::from_utf8(variable).ok()?;
                let (found, value) = text.split_once('=')?;
                (found == name).then(|| value.to_owned())
            };
            variables.clone().find_map(own)
        };
        Some(Self {
            run: value(RUN)?,
            owner: Owner::parse(&value(OWNER)?)?,
            network: value(NETWORK).and_then(|id| id.parse().ok()),
        })
    }

    fn of(pid: i32) -> Option<Self> {
        Self::read(&fs::read(format!("/proc/{pid}/environ")).ok()?)
    }
}

/// Networks of runs, kept open: the kernel gives the number of none of them to another.
#[derive(Default)]
pub(super) struct Networks(BTreeMap<u64, NetNs>);

impl Networks {
    /// These, which runs have made.
    pub(super) fn of(namespaces: Vec<NetNs>) -> Self {
        let numbered = namespaces.into_iter();
        let numbered = numbered.filter_map(|namespace| Some((namespace.id().ok()?, namespace)));
        Self(numbered.collect())
    }

    /// Adds the network of a process, if it is the one that was made for it.
    fn learn(&mut self, pid: i32, made: Option<u64>) {
        // Open first: what it is called now, it is called as long as that.
        let found = NetNs::of(pid).and_then(|namespace| Ok((namespace.id()?, namespace)));
        if let Ok((id, namespace)) = found
            && Some(id) == made
            && is_foreign(id)
        {
            self.0.entry(id).or_insert(namespace);
        }
    }

    /// Whether a process is in one of them.
    fn has(&self, pid: i32) -> bool {
        id_of(pid).is_some_and(|id| self.0.contains_key(&id))
    }
}

/// Who is where we are is none of a run's, whatever it says.
fn is_foreign(network: u64) -> bool {
    let here = NetNs::current().and_then(|here| here.id()).ok();
    Some(network) != here && Some(network) != id_of(1)
}

/// What a dead run has written down.
pub(super) struct Record {
    /// In hexadecimal.
    pub run: String,
    /// Where it kept its files.
    pub dir: PathBuf,
    /// What it had started.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Under which entry a process was started, or what it comes from.
    fn entry_of(&self, pid: i32) -> Option<&Entry> {
        let stat = Stat::of(pid)?;
        let is_its = |entry: &&Entry| {
            let started = entry.leader.started();
            match Stat::of(stat.group) {
                Some(leader) => leader.started == started,
                // No new process gets the number of a group of which somebody is left. But this
                // group may be another's whose leader has gone as well.
                None => {
                    let is_there = id_of(pid).filter(|id| is_foreign(*id)) == entry.network
                        && entry.network.is_some();
                    stat.started >= started && (is_there || self.is_below(pid))
                }
            }
        };
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.leader.pid_here() == Some(stat.group) && is_its(entry))
    }

    /// Whether a process stands in the run's directory.
    fn is_below(&self, pid: i32) -> bool {
        let stands = fs::read_link(format!("/proc/{pid}/cwd"));
        stands.is_ok_and(|stands| stands.starts_with(&self.dir))
    }
}

/// Ends every process of runs that are `wanted` or have left `records`, and every process in
/// their networks or in `networks`, until none is left; which runs these were of.
///
/// # Errors
/// Some do not end.
pub(super) async fn end(
    wanted: impl Fn(&Mark) -> bool,
    mut networks: Networks,
    records: &[Record],
) -> Result<BTreeSet<String>, String> {
    let own = std::process::id().cast_signed();
    let recognise = |pid: i32| {
        let marked = Mark::of(pid).filter(&wanted);
        let marked = marked.map(|mark| (mark.run, mark.network));
        marked.or_else(|| {
            records.iter().find_map(|record| {
                let entry = record.entry_of(pid)?;
                Some((record.run.clone(), entry.network))
            })
        })
    };
    let mut runs = BTreeSet::new();
    let deadline = RealWorld::now() + LIMIT;
    loop {
        let mut found = Vec::new();
        for pid in all().into_iter().filter(|pid| *pid != own) {
            if let Some((run, network)) = recognise(pid) {
                networks.learn(pid, network);
                runs.insert(run);
                found.push(pid);
            }
        }
        found.extend(all().into_iter().filter(|pid| networks.has(*pid)));
        found.sort_unstable();
        found.dedup();
        let is_running = |pid: i32| Stat::of(pid).is_some_and(|stat| stat.is_running());
        found.retain(|pid| *pid != own && is_running(*pid));
        if found.is_empty() {
            return Ok(runs);
        }
        if RealWorld::now() > deadline {
            return Err(format!("processes of runs do not end: {found:?}"));
        }
        for pid in found {
            // Whoever has this number now is looked at again before it is ended.
            let process = Process::of(pid);
            if recognise(pid).is_some() || networks.has(pid) {
                process.signal(Signal::KILL);
                let _ = timeout::<RealWorld, _>(LIMIT / 10, process.ended()).await;
            }
        }
        RealWorld::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // real processes, waited for in real time

    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use squall_linux::cluster::block_on;

    use super::*;

    #[test]
    fn a_mark_is_read_from_among_other_variables() {
        let mark = Mark {
            run: "12ab".into(),
            owner: Owner::me(),
            network: Some(7),
        };
        let mut environment = b"PATH=/bin\0ODD\0SQUALL_RUN_X=1\0".to_vec();
        for (name, value) in mark.variables() {
            environment.extend(format!("{name}={value}\0").bytes());
        }
        assert_eq!(Mark::read(&environment), Some(mark));
        assert_eq!(Mark::read(b"SQUALL_RUN=1\0"), None, "nobody owns it");
        assert_eq!(Mark::read(b""), None);
    }

    /// A process that bears no mark.
    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        let command = command.arg("600").process_group(0);
        command.spawn().expect("a shell")
    }

    fn end_all(records: &[Record]) -> BTreeSet<String> {
        let ended = end(|_| false, Networks::default(), records);
        block_on(ended, |why| why).expect("processes end")
    }

    #[test]
    fn who_bears_no_mark_is_known_by_its_group_and_a_number_that_was_used_again_is_not() {
        let mut child = sleeper();
        let leader = Owner::of(child.id());
        let record = |leader: &str| Record {
            run: "12ab".into(),
            dir: "/nowhere".into(),
            entries: vec![Entry {
                leader: Owner::parse(leader).expect("it is one"),
                network: None,
            }],
        };
        let (before, started) = { leader.to_text() }
            .rsplit_once(' ')
            .map(|(before, last)| (before.to_owned(), last.parse::<u64>().expect("ticks")))
            .expect("words");
        for other in [started - 1, started + 1] {
            let record = record(&format!("{before} {other}"));
            assert_eq!(end_all(&[record]), BTreeSet::new());
        }
        assert_eq!(child.try_wait().expect("it is ours"), None, "it runs");
        let runs = end_all(&[record(&leader.to_text())]);
        assert_eq!(runs, BTreeSet::from(["12ab".to_owned()]));
        let status = child.try_wait().expect("it is ours");
        assert!(status.is_some(), "it was killed");
    }

    /// The kernel gives the least number that is free, so one that is not kept comes again.
    #[test]
    fn no_other_network_gets_the_number_of_one_that_is_known() {
        let namespace = match NetNs::create() {
            Ok(made) => made,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        let id = namespace.id().expect("it is open");
        let child = block_on(namespace.within(|| Ok(sleeper())), std::io::Error::other);
        let mut child = child.expect("a namespace can be entered");
        drop(namespace);
        let mut networks = Networks::default();
        networks.learn(child.id().cast_signed(), Some(id + 1));
        assert!(networks.0.is_empty(), "it was made for another");
        networks.learn(child.id().cast_signed(), Some(id));
        assert!(networks.has(child.id().cast_signed()));
        child.kill().expect("it runs");
        child.wait().expect("it is a child");
        for _ in 0..20 {
            let others: Vec<NetNs> = (0..20).map_while(|_| NetNs::create().ok()).collect();
            let reused = others.iter().any(|other| other.id().ok() == Some(id));
            assert!(!reused, "{id} is another network now");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
