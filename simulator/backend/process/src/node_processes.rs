//! The processes of one node: started in the node's network, signalled together, heard until
//! they end.
//!
//! Each has a process group of its own, so that what it starts shares its fate; and none of
//! them is waited for before all have ended, so that no number means another process.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use squall_linux::host::{HostProcess, Output, OutputStream, Source, Started};
use squall_linux::netns::NetNs;
use squall_linux::process::{Process, Signal, signal_group};
use squall_linux::sampler::Accounts;
use squall_world::{RealWorld, World};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Bytes read at a time.
const PIECE: usize = 16 * 1_024;

/// All processes of a node, the main one first.
pub(super) struct NodeProcesses {
    processes: Vec<One>,
    /// Whether they are being waited for, or were.
    is_settled: Cell<bool>,
}

struct One {
    process: Process,
    child: RefCell<Child>,
}

/// Starts programs in a namespace, or where this thread is.
///
/// # Errors
/// One cannot be started; those that were are ended.
pub(super) async fn start(
    programs: Vec<Command>,
    namespace: Option<&NetNs>,
) -> Result<Started<NodeProcesses>, String> {
    let mut started = NodeProcesses {
        processes: Vec::new(),
        is_settled: Cell::new(false),
    };
    let mut outputs = Vec::new();
    for (number, program) in programs.into_iter().enumerate() {
        match start_one(program, number, namespace).await {
            Ok((one, output)) => {
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
) -> Result<(One, [OutputStream; 2]), String> {
    program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let name = program.get_program().to_string_lossy().into_owned();
    let spawned = match namespace {
        // What a thread starts is where the thread is.
        Some(namespace) => namespace.within(move || program.spawn()).await,
        None => program.spawn(),
    };
    let failed = |e| format!("{name} cannot be started: {e}");
    let mut child = spawned.map_err(failed)?;
    let out = OwnedFd::from(child.stdout.take().expect("it was asked for"));
    let err = OwnedFd::from(child.stderr.take().expect("it was asked for"));
    let one = One {
        process: Process::of(child.id().cast_signed()),
        child: RefCell::new(child),
    };
    let sources = match number.checked_sub(1) {
        None => [Source::Out, Source::Err],
        Some(side) => [Source::Side(side), Source::Side(side)],
    };
    let outputs = [listen(out, sources[0]), listen(err, sources[1])];
    let [out, err] = outputs.map(|heard| heard.map_err(|e| failed(e.into())));
    Ok((one, [out?, err?]))
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
        if self.is_settled.get() {
            return;
        }
        for one in &self.processes {
            signal_group(one.process.pid(), signal);
        }
    }

    fn main(&self) -> &One {
        &self.processes[0]
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
        // From the first that is waited for, its number may mean another process.
        self.is_settled.set(true);
        let mut codes = Vec::new();
        for one in &self.processes {
            let status = loop {
                let waited = one.child.borrow_mut().try_wait();
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
        self.processes.iter().all(|one| one.process.is_stopped())
    }

    fn accounts(&self) -> Accounts {
        let pids = self.processes.iter().map(|one| one.process.pid());
        Accounts::Processes(pids.collect())
    }
}

/// As shells tell it.
fn code(status: ExitStatus) -> Option<i64> {
    let by_signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(by_signal).map(i64::from)
}
