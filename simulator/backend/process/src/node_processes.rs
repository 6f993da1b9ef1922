//! The processes of one node: started in the node's network, signalled together, heard until
//! they end.
//!
//! None of them is waited for before all have ended. The main one's end is the node's; another
//! that ends before is noted, and counts no more.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use squall_linux::host::{HostProcess, Output, OutputStream, Source, Started};
use squall_linux::netns::NetNs;
use squall_linux::process::{Process, Signal};
use squall_linux::sampler::Accounts;
use squall_world::{RealWorld, World};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::ledger::{Leader, Ledger};

/// Bytes read at a time.
const PIECE: usize = 16 * 1_024;

/// What is said in the log of a process that ends before its node.
const ENDED: &str = "this process has ended by itself; the node goes on without it\n";

/// All processes of a node, the main one first.
pub(super) struct NodeProcesses {
    processes: Vec<One>,
    /// Whether they have been told to end.
    is_ending: Rc<Cell<bool>>,
}

struct One {
    process: Process,
    leader: Arc<Leader>,
}

/// Starts programs in a namespace, or where this thread is.
///
/// # Errors
/// One cannot be started; those that were are ended.
pub(super) async fn start(
    programs: Vec<Command>,
    namespace: Option<&NetNs>,
    ledger: &Arc<Ledger>,
) -> Result<Started<NodeProcesses>, String> {
    let mut started = NodeProcesses {
        processes: Vec::new(),
        is_ending: Rc::default(),
    };
    let mut outputs = Vec::new();
    for (number, program) in programs.into_iter().enumerate() {
        match start_one(program, number, namespace, ledger).await {
            Ok((one, output)) => {
                if let Some(side) = number.checked_sub(1) {
                    outputs.push(obituary(&one.process, side, &started.is_ending));
                }
                started.processes.push(one);
                outputs.extend(output);
            }
            Err(why) => {
                started.signal_all(Signal::KILL);
                started.settled().await?;
                return Err(why);
            }
        }
    }
    Ok(Started {
        process: started,
        output: Box::pin(stream::select_all(outputs)),
    })
}

async fn start_one(
    mut program: Command,
    number: usize,
    namespace: Option<&NetNs>,
    ledger: &Arc<Ledger>,
) -> Result<(One, [OutputStream; 2]), String> {
    program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let name = program.get_program().to_string_lossy().into_owned();
    let failed = |e| format!("{name} cannot be started: {e}");
    let leader = ledger.start(program, namespace).await.map_err(failed)?;
    let (out, err) = leader.with(|child| (child.stdout.take(), child.stderr.take()));
    let out = OwnedFd::from(out.expect("it was asked for"));
    let err = OwnedFd::from(err.expect("it was asked for"));
    let one = One {
        process: Process::of(leader.pid()),
        leader,
    };
    let sources = match number.checked_sub(1) {
        None => [Source::Out, Source::Err],
        Some(side) => [Source::Side(side), Source::Side(side)],
    };
    let outputs = [listen(out, sources[0]), listen(err, sources[1])];
    let [out, err] = outputs.map(|heard| heard.map_err(failed));
    Ok((one, [out?, err?]))
}

/// A note when a process beside the main one ends that was not told to.
fn obituary(process: &Process, side: usize, is_ending: &Rc<Cell<bool>>) -> OutputStream {
    let (process, is_ending) = (process.clone(), is_ending.clone());
    let note = stream::once(async move {
        let is_noted = process.ended().await && !is_ending.get();
        is_noted.then(|| Output {
            source: Source::Side(side),
            bytes: Bytes::from_static(ENDED.as_bytes()),
        })
    });
    Box::pin(note.filter_map(async |note| note))
}

/// What comes out of a pipe, until nobody can write to it any more.
fn listen(pipe: OwnedFd, source: Source) -> std::io::Result<OutputStream> {
    let pipe = pipe::Receiver::from_owned_fd(pipe)?;
    let pieces = stream::unfold(pipe, async |mut pipe| {
        let mut piece = BytesMut::with_capacity(PIECE);
        match pipe.read_buf(&mut piece).await {
            Ok(1..) => Some((piece.freeze(), pipe)),
            Ok(0) | Err(_) => None,
        }
    });
    let output = pieces.map(move |bytes: Bytes| Output { source, bytes });
    Ok(Box::pin(output))
}

impl NodeProcesses {
    fn signal_all(&self, signal: Signal) {
        if !matches!(signal, Signal::STOP | Signal::CONT) {
            self.is_ending.set(true);
        }
        for one in &self.processes {
            one.leader.signal(signal);
        }
    }

    fn main(&self) -> &One {
        &self.processes[0]
    }

    /// Those that count: the main one, and whoever still is beside it.
    fn counted(&self) -> impl Iterator<Item = &Process> {
        let counts = |(number, process): &(usize, &Process)| *number == 0 || !process.has_ended();
        let all = self.processes.iter().map(|one| &one.process).enumerate();
        all.filter(counts).map(|(_, process)| process)
    }
}

impl HostProcess for NodeProcesses {
    fn pid(&self) -> i32 {
        self.main().process.pid()
    }

    async fn signal(&self, signal: Signal) -> Result<(), String> {
        self.signal_all(signal);
        Ok(())
    }

    async fn ended(&self) -> Result<(), String> {
        for (number, one) in self.processes.iter().enumerate() {
            if !one.process.ended().await {
                let why = "the end of a process cannot be seen: this needs Linux 5.3 or later";
                return Err(why.into());
            }
            if number == 0 {
                // Nobody beside it outlives the node.
                self.signal_all(Signal::KILL);
            }
        }
        Ok(())
    }

    async fn settled(&self) -> Result<Option<i64>, String> {
        let mut codes = Vec::new();
        for one in &self.processes {
            let status = loop {
                let waited = one.leader.try_wait();
                match waited.map_err(|e| format!("a process cannot be waited for: {e}"))? {
                    Some(status) => break status,
                    None => RealWorld::sleep(Duration::from_millis(1)).await,
                }
            };
            codes.push(code(status));
        }
        Ok(codes.first().copied().flatten())
    }

    fn is_stopped(&self) -> bool {
        self.counted().all(Process::is_stopped)
    }

    fn is_resumed(&self) -> bool {
        !self.counted().any(Process::is_stopped)
    }

    fn accounts(&self) -> Accounts {
        Accounts::Processes(self.counted().map(Process::pid).collect())
    }
}

/// As shells tell it.
fn code(status: ExitStatus) -> Option<i64> {
    let by_signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(by_signal).map(i64::from)
}

#[cfg(test)]
mod tests {
    use squall_linux::cluster::block_on;
    use squall_world::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    async fn until(what: &str, holds: impl Fn() -> bool) {
        let waited = timeout::<RealWorld, _>(LIMIT, async {
            while !holds() {
                RealWorld::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(waited.await.is_ok(), "{what}");
    }

    #[test]
    fn who_has_ended_beside_a_node_is_noted_and_counts_no_more() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::new(dir.path().join("record"));
        let sleeper = "exec sleep 600";
        let work = async {
            let programs = Vec::from([sleeper, "exit 3", sleeper].map(shell));
            let Started {
                process,
                mut output,
            } = start(programs, None, &ledger).await?;
            let first = timeout::<RealWorld, _>(LIMIT, output.next()).await;
            let first = first.expect("a note").expect("a note");
            assert_eq!(first.source, Source::Side(0));
            assert_eq!(first.bytes, ENDED.as_bytes());
            let pids = |number: usize| process.processes[number].process.pid();
            let left = vec![pids(0), pids(2)];
            assert_eq!(process.accounts(), Accounts::Processes(left));
            process.signal(Signal::STOP).await?;
            until("all stand still that are left", || process.is_stopped()).await;
            process.processes[0].leader.signal(Signal::CONT);
            until("one runs", || !process.processes[0].process.is_stopped()).await;
            assert!(!process.is_resumed(), "the other still stands");
            assert!(!process.is_stopped());
            process.signal(Signal::CONT).await?;
            until("all go on", || process.is_resumed()).await;
            process.signal(Signal::KILL).await?;
            process.ended().await?;
            assert_eq!(process.settled().await?, Some(128 + 9));
            assert!(output.next().await.is_none(), "these were told to end");
            Ok::<(), String>(())
        };
        block_on(work, |why| why).expect("processes run");
    }
}
