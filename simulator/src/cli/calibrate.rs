//! `squall calibrate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::{print, tell};
use crate::calibrate::{self, CalibrateError, Effort, Measurements, Target};
use crate::scenario::unit::Duration as Time;
use crate::stopwatch::Stopwatch;
use squall_docker::{DockerError, Options as DockerOptions};

pub(super) const CALIBRATE_HELP: &str = "\
Examples:
  squall calibrate
  squall run scenarios/leader-kill.toml --profile hardware.toml
  squall calibrate --nodes 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003 \\
    --pids 4101,4102,4103 --dirs data/node-1,data/node-2,data/node-3

Without --nodes, the cluster is one of containers, as for `squall run --backend docker`; to
reach their disks takes root. The machine must have nothing else to do. docs/calibration.md
tells what is measured and what the model leaves out.";

#[derive(Debug, ClapArgs)]
pub struct CalibrateArgs {
    /// Nodes of a cluster that runs on this machine, instead of containers.
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        requires = "pids",
        requires = "dirs"
    )]
    pub nodes: Vec<String>,
    /// Process of each node, in the same order.
    #[arg(long, value_name = "PID", value_delimiter = ',', requires = "nodes")]
    pub pids: Vec<u32>,
    /// Directory on each node's disk, in the same order.
    #[arg(long, value_name = "DIR", value_delimiter = ',', requires = "nodes")]
    pub dirs: Vec<PathBuf>,
    /// How many containers to start.
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "nodes",
          value_parser = clap::value_parser!(u64).range(1..=50))]
    pub containers: u64,
    /// Static `squall-node` to put into containers [default: $SQUALL_NODE, or the one that
    /// `cargo static-node` has built].
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    pub node_binary: Option<PathBuf>,
    /// Where to write the profile.
    #[arg(long, value_name = "FILE", default_value = "hardware.toml")]
    pub out: PathBuf,
    /// How long each closed loop runs.
    #[arg(long = "for", value_name = "TIME", default_value = "5s")]
    pub length: Time,
}

/// Syncs of each disk, and questions to each node.
const SYNCS: usize = 1_000;
const QUESTIONS: usize = 3_000;

pub(super) fn calibrate(args: &CalibrateArgs) -> Result<u8, Failure> {
    if args.length.us() < 1_000_000 {
        return Err(Failure::usage("--for must be at least 1s"));
    }
    let effort = Effort {
        syncs: SYNCS,
        questions: QUESTIONS,
        load: Duration::from_micros(args.length.us()),
    };
    let (measured, what) = match args.nodes.is_empty() {
        true => (measure_containers(args, effort)?, "containers"),
        false => (measure_processes(args, effort)?, "processes"),
    };
    tell("simulating the same, to tell what costs what …");
    let calibration = calibrate::explain(measured)?;
    let place = format!("{what} on one machine of {} cores", calibrate::cores());
    let version = env!("CARGO_PKG_VERSION");
    let date = Stopwatch::date_and_time();
    let text = calibrate::profile(&calibration, &place, &date, version);
    std::fs::write(&args.out, &text).map_err(|e| Failure::at(&args.out, &e))?;
    print(&text);
    tell(&format!("written to {}", args.out.display()));
    Ok(Exit::Pass as u8)
}

fn measure_processes(args: &CalibrateArgs, effort: Effort) -> Result<Measurements, CalibrateError> {
    let target = Target {
        addresses: args.nodes.clone(),
        processes: args.pids.clone(),
        directories: args.dirs.clone(),
        cores: Some(calibrate::cores()),
    };
    calibrate::measure(&target, effort, &tell)
}

fn measure_containers(args: &CalibrateArgs, effort: Effort) -> Result<Measurements, Failure> {
    let interrupt = Interrupt::listen()?;
    let options = DockerOptions {
        node_binary: args.node_binary.clone(),
        planted: None,
        interrupted: Some(Box::new(move || interrupt.is_asked())),
    };
    let nodes = args.containers as usize;
    Ok(calibrate::measure_containers(
        nodes, &options, effort, tell,
    )?)
}

impl From<CalibrateError> for Failure {
    fn from(error: CalibrateError) -> Self {
        match error {
            CalibrateError::Target(_) => Failure::usage(error),
            CalibrateError::Containers(DockerError::Interrupted) => Failure::interrupted(),
            _ => Failure::harness(error),
        }
    }
}
