//! Measures Squall, etcd and Redis in one run on this machine, each as durable as the others, and
//! prints what is wanted of Squall beside what was measured.
//!
//! ```text
//! cargo build --profile node -p squall-cluster --bin squall-node --example beside
//! target/node/examples/beside --rounds 5
//! ```
//!
//! It installs nothing: `etcd` and `redis-server` must be there. Squall and etcd are three nodes
//! each on loopback, Redis is one server that syncs before it answers. All stay up for the whole
//! run, and one at a time is loaded: in each round every cell (so many clients that do so) is
//! played on all systems in turn. One load generator, two threads in this process, asks all of
//! them in the same loop; a client has a connection of its own, to the node that leads.
//!
//! Exit codes: 0 it was measured, whatever was missed, 64 bad arguments, 70 something failed.

#![allow(clippy::disallowed_methods)] // real processes, in real time

mod cell;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod grpc;
mod load;
#[path = "../../tests/ports/mod.rs"]
mod ports;
mod protobuf;
mod report;
mod resp;
mod servers;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use cell::Cell;
use common::nodes;
use load::{Load, Measured};
use report::Report;
use servers::{Programs, Servers, System};

/// A cell that fails, by an election perhaps, is played again at most so often.
const MOST_ATTEMPTS: u32 = 3;

/// Measures writes, reads and pipelines of Squall, etcd and Redis on this machine, in turn, and
/// prints them side by side. Exit code 0 whatever was missed, 70 if something failed.
#[derive(Debug, Parser)]
struct Args {
    /// What to play, in this order: writes-1, writes-32, writes-128, reads-1, reads-32, reads-128,
    /// pipelines [default: all]
    #[arg(value_parser = Cell::parse)]
    cells: Vec<Cell>,
    /// How often each cell is played on each system
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a cell is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 4.0, value_parser = seconds)]
    seconds: f64,
    /// How long a cell is played before it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// Which systems
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = System::ALL)]
    systems: Vec<System>,
    /// Where a directory is made for all data [default: the system's for temporary files]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// The squall-node to measure [default: the one that was built beside this program]
    #[arg(long, value_name = "PATH")]
    node: Option<PathBuf>,
    /// The etcd to measure
    #[arg(long, value_name = "PATH", default_value = "etcd")]
    etcd: PathBuf,
    /// The redis-server to measure
    #[arg(long, value_name = "PATH", default_value = "redis-server")]
    redis: PathBuf,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it may be from 0.05 to 3600".into()),
    }
}

fn main() -> ExitCode {
    common::program::run("beside", play, |_| 0)
}

async fn play(mut args: Args) -> Result<Report, String> {
    if args.cells.is_empty() {
        args.cells = Cell::all();
    }
    let programs = Programs {
        squall: args.node.clone(),
        etcd: args.etcd.clone(),
        redis: args.redis.clone(),
    };
    let servers = Servers::start(&args.systems, programs, args.dir.clone()).await?;
    let mut report = Report::new(&servers, args.rounds, args.seconds)?;
    for system in servers.systems() {
        load::fill(system, &servers.leader(system).await?).await?;
    }
    let idle = usage::idle(&servers).await?;
    for (system, share) in idle {
        report.note_idle(system, share);
    }
    let mut number = 0;
    for round in 1..=args.rounds {
        for cell in &args.cells {
            for system in servers.systems().filter(|it| cell.is_played_on(*it)) {
                number += 1;
                let measured = measure(&args, &servers, system, *cell, number, &mut report).await?;
                eprintln!("round {round}: {cell} on {system}: {measured}");
                report.note(*cell, system, measured);
            }
        }
    }
    Ok(report)
}

/// Plays a cell, and proves that what was acknowledged can be read.
async fn measure(
    args: &Args,
    servers: &Servers,
    system: System,
    cell: Cell,
    number: u32,
    report: &mut Report,
) -> Result<Measured, String> {
    let mut attempt = 1;
    loop {
        let load = Load {
            system,
            address: servers.leader(system).await?,
            cell,
            // Nothing that was written before is taken for what this attempt writes.
            stamp: number * MOST_ATTEMPTS + attempt,
            warm_up: Duration::from_secs_f64(args.warm_up),
            measured: Duration::from_secs_f64(args.seconds),
        };
        let before = usage::of_system(servers, system)?;
        match load.play().await {
            Ok(mut measured) => {
                let used = usage::of_system(servers, system)?;
                measured.server_s = (used - before).max(0.0);
                return Ok(measured);
            }
            Err(why) if attempt < MOST_ATTEMPTS => {
                eprintln!("{cell} on {system} begins again: {why}");
                report.note_begun_again(cell, system, &why);
                attempt += 1;
            }
            Err(why) => return Err(format!("{cell} on {system}: {why}")),
        }
    }
}
