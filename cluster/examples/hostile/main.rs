//! Plays what clients, data and operators can do to a cluster of real processes, and prints what
//! was allowed beside what was measured.
//!
//! ```text
//! cargo build --profile node -p squall-cluster --bin squall-node --example hostile
//! target/node/examples/hostile connections overload large table
//! target/node/examples/hostile upgrade --old PATH_OF_AN_OLDER_SQUALL_NODE
//! ```
//!
//! Exit codes: 0 every limit was kept, 1 one was not, 64 bad arguments, 70 it could not be played.

#![allow(clippy::disallowed_methods)] // real processes, in real time

mod client;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod large;
mod load;
mod overload;
#[path = "../../tests/ports/mod.rs"]
mod ports;
mod report;
mod table;
mod upgrade;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use common::nodes;
use report::Report;
use rustix::process::{Resource, getrlimit, setrlimit};

const EXIT_MISSED: u8 = 1;

/// Plays hostile clients, large data and upgrades against real nodes on this machine, and prints
/// each limit beside the measured figure. Exit code 1 if one was missed.
#[derive(Debug, Parser)]
struct Args {
    /// What to play, in this order [default: all but upgrade]
    #[arg(value_enum)]
    plays: Vec<Play>,
    /// The squall-node to play with [default: the one that was built beside this program]
    #[arg(long, value_name = "PATH")]
    node: Option<PathBuf>,
    /// For upgrade: a squall-node of an older commit
    #[arg(long, value_name = "PATH")]
    old: Option<PathBuf>,
    /// For large: size of the state
    #[arg(long, value_name = "MIB", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(16..))]
    state_mib: u64,
    /// For connections: how many, half of which stall
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..))]
    connections: u64,
    /// For table: how often each size of values is played, in turn
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Where the nodes keep their directories while it plays [default: the system's for temporary
    /// files]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Play {
    /// The five mistakes and loads that brought nodes down once
    Table,
    /// Connections of which half stall in the middle of a request
    Connections,
    /// Ten times the rate that the cluster can bear
    Overload,
    /// A node joins, and one is started again, with a large state
    Large,
    /// A rolling upgrade from --old, under load
    Upgrade,
}

fn main() -> ExitCode {
    let code = |report: &Report| if report.is_kept() { 0 } else { EXIT_MISSED };
    common::program::run("hostile", play, code)
}

async fn play(mut args: Args) -> Result<Report, String> {
    if args.plays.is_empty() {
        args.plays = vec![Play::Table, Play::Connections, Play::Overload, Play::Large];
    }
    // As many connections as there may be.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, files);
    let site = nodes::Site::new(args.node.clone(), args.dir.clone())?;
    let mut report = Report::default();
    for play in &args.plays {
        eprintln!("{play:?}");
        match play {
            Play::Table => table::play(&site, args.rounds, &mut report).await?,
            Play::Connections => connections::play(&site, args.connections, &mut report).await?,
            Play::Overload => overload::play(&site, &mut report).await?,
            Play::Large => large::play(&site, args.state_mib, &mut report).await?,
            Play::Upgrade => {
                let old = args.old.clone().ok_or("upgrade needs --old")?;
                upgrade::play(&site, old, &mut report).await?;
            }
        }
    }
    Ok(report)
}
