//! `squall calibrate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::exit::{Exit, Failure};
use super::{print, tell};
use crate::calibrate::{self, CalibrateError, Effort, Target};
use crate::scenario::unit::Duration as Time;
use crate::stopwatch::Stopwatch;

pub(super) const CALIBRATE_HELP: &str = "\
Examples:
  squall calibrate --nodes 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003 \\
    --pids 4101,4102,4103 --dirs data/node-1,data/node-2,data/node-3 --out hardware.toml
  squall run scenarios/leader-kill.toml --profile hardware.toml

The nodes must have nothing else to do. docs/calibration.md tells what is measured and what
the model leaves out.";

#[derive(Debug, ClapArgs)]
pub struct CalibrateArgs {
    /// Nodes of a cluster that runs on this machine.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', required = true)]
    pub nodes: Vec<String>,
    /// Process of each node, in the same order.
    #[arg(long, value_name = "PID", value_delimiter = ',', required = true)]
    pub pids: Vec<u32>,
    /// Directory on each node's disk, in the same order.
    #[arg(long, value_name = "DIR", value_delimiter = ',', required = true)]
    pub dirs: Vec<PathBuf>,
    /// Where to write the profile.
    #[arg(long, value_name = "FILE", default_value = "hardware.toml")]
    pub out: PathBuf,
    /// How long each closed loop runs.
    #[arg(long = "for", value_name = "TIME", default_value = "5s")]
    pub length: Time,
}

/// Syncs of each disk, and questions to each node.
const SYNCS: usize = 400;
const ROUND_TRIPS: usize = 1_000;

pub(super) fn calibrate(args: &CalibrateArgs) -> Result<u8, Failure> {
    if args.length.us() < 1_000_000 {
        return Err(Failure::usage("--for must be at least 1s"));
    }
    let target = Target {
        addresses: args.nodes.clone(),
        processes: args.pids.clone(),
        directories: args.dirs.clone(),
        cores: Some(calibrate::cores()),
    };
    let effort = Effort {
        syncs: SYNCS,
        round_trips: ROUND_TRIPS,
        load: Duration::from_micros(args.length.us()),
    };
    let calibration = calibrate::calibrate(&target, effort, &tell)?;
    let place = format!("processes on one machine of {} cores", calibrate::cores());
    let version = env!("CARGO_PKG_VERSION");
    let date = Stopwatch::date_and_time();
    let text = calibrate::profile(&calibration, &place, &date, version);
    std::fs::write(&args.out, &text)
        .map_err(|e| Failure::harness(format!("{}: {e}", args.out.display())))?;
    print(&text);
    tell(&format!("written to {}", args.out.display()));
    Ok(Exit::Pass as u8)
}

impl From<CalibrateError> for Failure {
    fn from(error: CalibrateError) -> Self {
        match error {
            CalibrateError::Target(_) => Failure::usage(error),
            _ => Failure::harness(error),
        }
    }
}
