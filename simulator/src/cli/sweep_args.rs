//! Defines the arguments of `sweep` and `merge`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::args::{ForMachines, Format, backend, jobs, setting};
use crate::backends::{self, Registered};
use crate::scenario::unit::{Duration, Size};
use crate::sweep::{SeedRange, Shard};

pub(super) const SWEEP_HELP: &str = "\
Examples:
  squall sweep scenarios/leader-kill.toml --seeds 1..1000
  squall sweep scenarios/*.toml --seeds 1..100 --verify
  squall sweep scenarios/leader-kill.toml --for 10m
  squall sweep scenarios/leader-kill.toml --seeds 1..1000 --shard 2/4 --out part-2

Every seed runs in a process of its own. A sweep that was interrupted goes on where it
stopped when the same command is given again. A sweep's directory holds results.jsonl,
summary.json, summary.md, summary.csv, seeds.csv, and in failures/ run directories for
`squall replay` and `squall shrink`.";

#[derive(Debug, ClapArgs)]
pub struct SweepArgs {
    /// Scenario files.
    #[arg(required = true)]
    pub scenarios: Vec<PathBuf>,
    /// Seeds for every scenario, both ends included [default: 1..100, with --for 1..1000000].
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<SeedRange>,
    /// Where the clusters run: a simulation.
    #[arg(long, value_parser = backend(), default_value = backends::DEFAULT.info.name)]
    pub backend: &'static Registered,
    /// Processes at a time [default: as many as the machine has processors].
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Stop starting seeds after this long: `10m`.
    #[arg(long = "for", value_name = "TIME")]
    pub budget: Option<Duration>,
    /// Do only part K of N: for a batch system; see `squall merge`.
    #[arg(long, value_name = "K/N", default_value = "1/1")]
    pub shard: Shard,
    /// Run every seed twice, and compare the histories.
    #[arg(long, visible_alias = "check-determinism")]
    pub verify: bool,
    /// Directory of the sweep [default: sweeps/SCENARIO-SEEDS].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Run directories to keep for each cause of failure.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,
    /// Longest that one seed may take, of wall time.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub timeout: Duration,
    /// Most memory that one seed may have.
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub memory: Size,
    /// Serve a page that shows the sweep as it goes on; see `squall run --help`.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true)]
    pub dashboard: Option<Option<std::net::SocketAddr>>,
    /// Replace a value of every scenario: `phases.chaos=10s`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Run on the hardware of this file instead of the scenarios'; see `squall calibrate`.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub machines: ForMachines,
    /// Plant a bug in the cluster, to see it caught. Needs a build with `--features planted`.
    #[arg(long, value_name = "ID")]
    pub planted: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct MergeArgs {
    /// Directories of the shards of one sweep.
    #[arg(required = true)]
    pub shards: Vec<PathBuf>,
    /// Directory for the whole sweep.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Run directories to keep for each cause of failure.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub machines: ForMachines,
}
