//! Finds processes that runs have started, and ends them.
//!
//! Every process of a run has the run, its owner and the run's networks in its environment, and
//! hands them on to what it starts. A process that has thrown its environment away is known
//! by the network that it is in, which only a run has made.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use squall_linux::netns::{NetNs, id_of};
use squall_linux::process::{Process, Signal};
use squall_linux::run_owner::Owner;
use squall_world::{RealWorld, World, timeout};

/// Bears the run's id.
const RUN: &str = "SQUALL_RUN";
/// Bears who owns it.
const OWNER: &str = "SQUALL_RUN_OWNER";
/// Bears the number of the namespace that was made for the process, if one was.
const NETWORK: &str = "SQUALL_RUN_NETWORK";
/// Killed processes are gone within this time, unless the kernel is stuck.
const LIMIT: Duration = Duration::from_secs(10);

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
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![(RUN, self.run.clone()), (OWNER, self.owner.to_text())];
        variables.extend(self.network.map(|id| (NETWORK, id.to_string())));
        variables
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

/// Ends every process of runs that are `wanted`, and every process in their networks or in
/// `networks`, until none is left; which runs these were of.
///
/// # Errors
/// Some do not end.
pub(super) async fn end(
    wanted: impl Fn(&Mark) -> bool,
    mut networks: BTreeSet<u64>,
) -> Result<BTreeSet<String>, String> {
    let own = std::process::id().cast_signed();
    // Whoever is where we are is none of a run's, whatever it says.
    let here = NetNs::current().and_then(|here| here.id()).ok();
    let is_foreign = |id: &u64| Some(*id) != here && Some(*id) != id_of(1);
    let mut runs = BTreeSet::new();
    let deadline = RealWorld::now() + LIMIT;
    loop {
        let mut found = Vec::new();
        for pid in all() {
            if let Some(mark) = Mark::of(pid).filter(&wanted) {
                let network = mark.network.filter(|id| id_of(pid) == Some(*id));
                networks.extend(network.filter(is_foreign));
                runs.insert(mark.run);
                found.push(pid);
            }
        }
        let is_inside = |pid: &i32| id_of(*pid).is_some_and(|id| networks.contains(&id));
        found.extend(all().into_iter().filter(is_inside));
        found.sort_unstable();
        found.dedup();
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
            if Mark::of(pid).is_some_and(|mark| wanted(&mark)) || is_inside(&pid) {
                process.signal(Signal::KILL);
                let _ = timeout::<RealWorld, _>(LIMIT / 10, process.ended()).await;
            }
        }
        RealWorld::sleep(Duration::from_millis(5)).await;
    }
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

/// Whether it is more than an entry that its parent has not read yet.
fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    })
}

#[cfg(test)]
mod tests {
    use super::Mark;
    use squall_linux::run_owner::Owner;

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
}
