//! Every process that a run has started: known from before it starts until it was waited for,
//! and written into the run's directory, so that it is found after the run was killed.
//!
//! A process leads a group of its own, so that what it starts shares its fate. A number means
//! that process, and that group, until it was waited for: whoever signals a group and whoever
//! waits for its leader take turns.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_linux::netns::NetNs;
use squall_linux::process::{self, Signal, Stat, signal_group};
use squall_linux::run_owner::Owner;
use squall_world::{RealWorld, World};

/// Killed processes are gone within this time, unless the kernel is stuck.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks whether they are.
const LOOK: Duration = Duration::from_millis(5);

/// The processes of one run.
pub(super) struct Ledger {
    record: PathBuf,
    /// Starts that are on their way, on threads that nobody may wait for.
    starting: AtomicUsize,
    /// Whether nothing may start any more.
    is_closed: AtomicBool,
    leaders: Mutex<Vec<Arc<Leader>>>,
}

/// A process that leads a group.
pub(super) struct Leader {
    pid: i32,
    child: Mutex<Waited>,
}

struct Waited {
    child: Child,
    /// Once it was waited for.
    status: Option<ExitStatus>,
}

/// A line of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub leader: Owner,
    /// The namespace that was made for it, if one was, as the kernel numbers it.
    pub network: Option<u64>,
}

/// A start that is on its way.
struct Start(Arc<Ledger>);

impl Drop for Start {
    fn drop(&mut self) {
        self.0.starting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ledger {
    /// Nothing is started yet; what is, will be written into the file `record`.
    pub(super) fn new(record: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            record,
            starting: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            leaders: Mutex::default(),
        })
    }

    /// Starts a program in a namespace, or where this thread is. Whoever does not wait for the
    /// end of this leaves the process to [`Ledger::end`].
    pub(super) async fn start(
        self: &Arc<Self>,
        mut program: Command,
        namespace: Option<&NetNs>,
    ) -> io::Result<Arc<Leader>> {
        program.process_group(0);
        let network = namespace.map(|namespace| namespace.id()).transpose()?;
        self.starting.fetch_add(1, Ordering::SeqCst);
        let start = Start(self.clone());
        // Counted first: who ends all either sees this start, or is seen by it.
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(io::Error::other("the run is over"));
        }
        let work = move || start.0.spawn(program, network);
        match namespace {
            // What a thread starts is where the thread is.
            Some(namespace) => namespace.within(work).await,
            None => work(),
        }
    }

    fn spawn(&self, mut program: Command, network: Option<u64>) -> io::Result<Arc<Leader>> {
        let child = program.spawn()?;
        let leader = Arc::new(Leader {
            pid: child.id().cast_signed(),
            child: Mutex::new(Waited {
                child,
                status: None,
            }),
        });
        let mut leaders = self.leaders();
        leaders.retain(|leader| leader.lock().status.is_none());
        leaders.push(leader.clone());
        let entry = Entry {
            leader: Owner::of(leader.pid.cast_unsigned()),
            network,
        };
        let mut record = OpenOptions::new();
        let record = record.append(true).create(true).open(&self.record);
        // In one piece, for others write there too.
        let written = record.and_then(|mut file| file.write_all(entry.to_line().as_bytes()));
        match written {
            Ok(()) => Ok(leader),
            Err(error) => {
                leader.signal(Signal::KILL);
                Err(error)
            }
        }
    }

    fn leaders(&self) -> MutexGuard<'_, Vec<Arc<Leader>>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills every process and its group, until nothing of them is left; those that are being
    /// started as well. None starts after this.
    ///
    /// # Errors
    /// Some do not end.
    pub(super) async fn end(&self) -> Result<(), String> {
        self.is_closed.store(true, Ordering::SeqCst);
        let deadline = RealWorld::now() + LIMIT;
        loop {
            // A process is among the leaders before its start is over.
            let starting = self.starting.load(Ordering::SeqCst);
            let leaders = self.leaders().clone();
            let left: BTreeSet<i32> = { leaders.iter() }
                .filter(|leader| leader.signal(Signal::KILL))
                .map(|leader| leader.pid)
                .collect();
            let running = running_in(&left);
            if starting == 0 && running.is_empty() {
                let waited = leaders.iter().map(|leader| leader.try_wait());
                let waited: io::Result<Vec<Option<ExitStatus>>> = waited.collect();
                let waited = waited.map_err(|e| format!("a process cannot be waited for: {e}"))?;
                if waited.iter().all(Option::is_some) {
                    return Ok(());
                }
            }
            if RealWorld::now() > deadline {
                return Err(format!(
                    "processes of the run do not end: {running:?}, and {starting} that start"
                ));
            }
            RealWorld::sleep(LOOK).await;
        }
    }
}

/// Processes in one of these groups that have not ended.
fn running_in(groups: &BTreeSet<i32>) -> Vec<i32> {
    let is_left = |pid: &i32| {
        let stat = Stat::of(*pid);
        stat.is_some_and(|stat| stat.is_running() && groups.contains(&stat.group))
    };
    match groups.is_empty() {
        true => Vec::new(),
        false => process::all().into_iter().filter(is_left).collect(),
    }
}

impl Leader {
    /// Its number.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends the signal to its group; `false`: it was waited for, and its number may mean
    /// another.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        let waited = self.lock();
        let is_known = waited.status.is_none();
        if is_known {
            signal_group(self.pid, signal);
        }
        is_known
    }

    /// Waits for it if it has ended; how it did.
    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let mut waited = self.lock();
        if waited.status.is_none() {
            waited.status = waited.child.try_wait()?;
        }
        Ok(waited.status)
    }

    /// Does something with it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Child) -> T) -> T {
        work(&mut self.lock().child)
    }

    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn to_line(&self) -> String {
        let network = self.network.map(|id| id.to_string());
        let network = network.as_deref().unwrap_or("-");
        format!("{network} {}\n", self.leader.to_text())
    }

    fn parse(line: &str) -> Option<Self> {
        let (network, leader) = line.split_once(' ')?;
        Some(Self {
            leader: Owner::parse(leader)?,
            network: network.parse().ok(),
        })
    }

    /// All that a record tells, but for lines that were cut short.
    pub(super) fn read(record: &str) -> Vec<Self> {
        record.lines().filter_map(Self::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use futures_util::FutureExt;
    use squall_linux::cluster::block_on;

    use super::*;

    #[test]
    fn record_is_read_but_for_what_was_cut_short() {
        let entries = [Some(4_026_532_001), None].map(|network| Entry {
            leader: Owner::me(),
            network,
        });
        let record: String = entries.iter().map(Entry::to_line).collect();
        assert_eq!(Entry::read(&record), entries);
        let cut = format!("{record}4026532001 boot");
        assert_eq!(Entry::read(&cut), entries);
    }

    /// Two processes in one group, of which the leader ends by itself.
    const PAIR: &str = "trap '' TERM; sleep 600 & exec true";

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    #[test]
    fn groups_are_ended_whose_leader_has_ended_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::new(dir.path().join("record"));
        let work = async {
            let leader = ledger.start(shell(PAIR), None).await;
            let group = BTreeSet::from([leader.map_err(|e| e.to_string())?.pid()]);
            while running_in(&group).len() != 1 {
                RealWorld::sleep(LOOK).await;
            }
            ledger.end().await?;
            let left = running_in(&group);
            assert!(left.is_empty(), "what it had started: {left:?}");
            Ok::<(), String>(())
        };
        block_on(work, |why| why).expect("processes end");
    }

    /// A run that is interrupted does not wait for the thread that starts a process.
    #[test]
    fn process_is_ended_whose_start_nobody_waits_for() {
        let namespace = match NetNs::create() {
            Ok(made) => made,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        let dir = tempfile::tempdir().expect("a directory");
        let record = dir.path().join("record");
        let ledger = Ledger::new(record.clone());
        let work = async {
            let start = ledger.start(shell("exec sleep 600"), Some(&namespace));
            let started = start.now_or_never();
            assert!(started.is_none(), "it is on its thread");
            ledger.end().await?;
            let late = ledger.start(shell("exec sleep 600"), None).await;
            assert!(late.is_err(), "nothing starts any more");
            Ok(())
        };
        block_on(work, |why| why).expect("processes end");
        let record = std::fs::read_to_string(record).expect("it was started");
        let entries = Entry::read(&record);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].network, namespace.id().ok());
        let pid = entries[0].leader.pid_here().expect("it was of this boot");
        assert!(Stat::of(pid).is_none(), "{pid} was waited for");
    }
}
