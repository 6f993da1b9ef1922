//! `squall-node`: one node of a cluster as a process, or a whole cluster on this machine.
//!
//! It needs no configuration file: everything is an argument ([`args`]), which may stand in a
//! file ([`config`]), and without any it is a cluster of one. The node itself is [`squall_cluster::node`]; this is only its rim:
//! arguments, signals, logs and exit codes. Events go to standard output as JSON lines, logs
//! and errors to standard error.
//!
//! Exit codes: 0 stopped on request, 64 bad arguments, 70 could not start or go on, 101 a
//! bug. A panic of any task ends the process: a node that goes on with half of its tasks
//! would hold leases and votes that it can no longer honour.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::{Either, select};
use squall_cluster::client::{Credentials, operate_as};
use squall_cluster::event::NodeEvent;
use squall_cluster::node::{Node, NodeOptions};
use squall_cluster::storage::RealDisk;
use squall_cluster::world::{RealWorld, World};
use tokio::task::LocalSet;

mod args;
mod config;
mod duration;
mod local;
mod log;
mod recover;
mod signals;
mod tls;

use args::Job;
use signals::StopRequests;

// A fifth of what pipelined writes take of the processor is otherwise the system's.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bad arguments (`EX_USAGE` of `sysexits.h`).
const EXIT_USAGE: u8 = 64;
/// The node could not start or could not go on (`EX_SOFTWARE`).
const EXIT_FAILURE: u8 = 70;
/// A healthy node answers within this time.
const HEALTH_LIMIT: Duration = Duration::from_secs(2);
/// Files and connections that are not those of clients.
const RESERVED_FILES: u64 = 64;
/// What Rust's own `main` exits with after a panic.
const EXIT_BUG: i32 = 101;

fn main() -> ExitCode {
    let job = match args::parse(std::env::args_os()) {
        Ok(job) => job,
        Err(message) => {
            // Help and version are also messages, but not errors.
            let wrong = message.use_stderr();
            // Nothing can be done about a closed terminal.
            let _ = message.print();
            return ExitCode::from(if wrong { EXIT_USAGE } else { 0 });
        }
    };
    end_on_panic();
    log::to_stderr();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, run(job)),
        Err(e) => Err(format!("cannot set up the event loop: {e}")),
    };
    log::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("squall-node: {why}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

async fn run(job: Job) -> Result<(), String> {
    match job {
        Job::Node {
            options,
            directory,
            stop_on_eof,
            warning,
        } => {
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
            let stops = StopRequests::listen(stop_on_eof)?;
            let mut options = *options;
            reserve_files(&mut options);
            serve(options, directory, stops).await
        }
        Job::Local(cluster) => {
            let stops = StopRequests::listen(false)?;
            local::run(cluster, stops).await
        }
        Job::Health { address, tls } => {
            let deadline = RealWorld::now() + HEALTH_LIMIT;
            let credentials = Credentials {
                password: std::env::var(local::PASSWORD_VARIABLE).ok(),
                tls: tls::connector(tls)?,
            };
            // Any node answers it, but only with the word of a leader that has a quorum.
            let question = ["READ", "STALE", "1000", "DBSIZE"];
            operate_as::<RealWorld>(&address, &credentials, &question, deadline)
                .await
                .map(drop)
        }
        Job::Backup {
            address,
            password,
            tls,
            file,
        } => {
            let tls = tls::connector(tls)?;
            recover::fetch(&address, &Credentials { password, tls }, &file).await
        }
        Job::Recover {
            options,
            directory,
            backup,
        } => recover::recover(&options, &directory, backup.as_deref()).await,
        Job::Hold => {
            StopRequests::listen(false)?.next().await;
            Ok(())
        }
    }
}

/// Asks for as many open files as there may be, and leaves some of them to log, snapshots and
/// other nodes, whatever clients do.
fn reserve_files(options: &mut NodeOptions) {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, what there is has to do.
    let _ = setrlimit(Resource::Nofile, limit);
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let most = files.saturating_sub(RESERVED_FILES).max(1);
    let clients = &mut options.clients.max_clients;
    if *clients > most {
        tracing::warn!(
            "--max-clients is {most} and not {clients}: this process may open {files} files"
        );
        *clients = most;
    }
}

/// Runs one node until it is asked to stop or cannot go on.
async fn serve(
    options: NodeOptions,
    directory: PathBuf,
    mut stops: StopRequests,
) -> Result<(), String> {
    let disk = RealDisk::open(&directory).map_err(|e| e.to_string())?;
    let started = Node::<RealWorld>::start(options, disk).await;
    let node = started.map_err(|e| e.to_string())?;
    let asked = match select(pin!(node.ended()), pin!(stops.next())).await {
        Either::Left(_) => None,
        Either::Right((request, _)) => Some(request),
    };
    if let Some(request) = asked {
        return match select(pin!(node.stop(request)), pin!(stops.next())).await {
            Either::Left(((), _)) => Ok(()),
            Either::Right((again, _)) => Err(format!("{again} again; not waiting")),
        };
    }
    let why = node.ended().await;
    if node.is_stopping() {
        return Ok(());
    }
    RealWorld::emit(NodeEvent::Stopped { why: why.clone() });
    Err(why)
}

/// Runtimes catch the panics of tasks; this one must not.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::flush();
        report(panic);
        std::process::exit(EXIT_BUG);
    }));
}
