//! Defines arguments that several commands take, and those of the smaller commands.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, ValueEnum};

use super::exit::Failure;
use super::watch::WatchArgs;
use crate::backends::{self, Registered};
use crate::ci::{CiFiles, Heading};
use crate::fault::unit::Duration;
use crate::report::cases::Suite;
use crate::scenario::{Profile, Scenario};

pub(super) const RUN_HELP: &str = "\
Examples:
  squall run scenarios/failure-recovery.toml
  squall run scenarios/leader-kill.toml --seed 7 --verify
  squall run scenarios/quiet.toml --set phases.chaos=10s --format json
  squall run scenarios/leader-kill.toml --backend docker
  squall run scenarios/leader-kill.toml --backend process
  squall run scenarios/leader-kill.toml --dashboard --pace 1x

A run directory holds scenario.toml, plan.txt, history.jsonl, nodes/, report.json and
report.md; `squall replay` and `squall check` take it. One that holds the run of another
scenario or seed is left alone. A simulated run that breaks a check is made once more, and
leaves report.html, whose player shows the messages around what broke.

A scenario with variants runs each of them, into a directory of its own below that of the
run, and compares them in variants.md and variants.json; `--set variant=NAME` runs one.";

#[derive(Debug, Clone, ClapArgs)]
pub struct ScenarioArgs {
    /// Scenario file.
    pub scenario: PathBuf,
    /// Replace a value of the scenario: `phases.chaos=10s`, `workload.0.rate=500/s`; or choose
    /// a variant: `variant=5-nodes`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Run on the hardware of this file instead of the scenario's; see `squall calibrate`.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

impl ScenarioArgs {
    pub fn load(&self) -> Result<Scenario, Failure> {
        let profile = self.profile.as_ref().map(Profile::load).transpose()?;
        Ok(Scenario::load_on(
            &self.scenario,
            profile.as_ref(),
            &self.set,
        )?)
    }

    /// The profile's path as it was given.
    pub fn profile_path(&self) -> Option<String> {
        let path = self.profile.as_ref()?;
        Some(path.display().to_string())
    }
}

pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is no KEY=VALUE"))?;
    Ok((key.trim().into(), value.trim().into()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Takes the names that [`backends::ALL`] has.
pub(super) fn backend() -> impl TypedValueParser<Value = &'static Registered> {
    let names = backends::ALL.iter();
    let names = names.map(|known| PossibleValue::new(known.info.name).help(known.summary));
    PossibleValuesParser::new(names)
        .map(|name| backends::named(&name).expect("the parser takes only known names"))
}

#[derive(Debug, Clone, ClapArgs)]
pub struct RunArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// One seed, one history.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the cluster runs.
    #[arg(long, value_parser = backend(), default_value = backends::DEFAULT.info.name)]
    pub backend: &'static Registered,
    /// Run this system instead of Squall's own cluster: one that ships (squall, etcd, redis,
    /// redis-sentinel, redis-cluster, nats-jetstream), or a file; see docs/your-system.md.
    #[arg(long, value_name = "NAME|FILE")]
    pub system: Option<String>,
    /// Run directory [default: runs/SCENARIO-SEED].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Run the seed twice more in fresh processes and compare the histories byte for byte.
    #[arg(long)]
    pub verify: bool,
    /// Compare with the scenario's baseline in this file; a regression is exit code 2.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Plant a bug in the cluster, to see it caught. Needs a build with `--features planted`.
    #[arg(long, value_name = "ID")]
    pub planted: Option<String>,
    /// `squall-node` to run as processes, or a static one to put into containers [default:
    /// $SQUALL_NODE, or the one beside `squall`; for containers the one that `cargo
    /// static-node` has built].
    #[arg(long, value_name = "FILE")]
    pub node_binary: Option<PathBuf>,
    #[command(flatten)]
    pub machines: ForMachines,
    /// Do not make a run again that breaks a check, for a page with its messages.
    #[arg(long)]
    pub no_page: bool,
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Do not show how the run stands while it works.
    #[arg(short, long)]
    pub quiet: bool,
}

/// What CI servers read.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct ForMachines {
    /// Write every check and objective as a test case into this file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Append a summary in Markdown to this file, such as $GITHUB_STEP_SUMMARY.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

impl ForMachines {
    /// Writes what was asked for.
    pub(super) fn write(&self, heading: &Heading, suites: &[Suite]) -> Result<(), Failure> {
        let files = CiFiles {
            junit: self.junit.clone(),
            summary: self.summary.clone(),
        };
        let written = files.write(heading, suites);
        written.map_err(|(path, e)| Failure::at(&path, &e))
    }
}

/// How many processes or threads work at a time.
pub(super) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err(
            "at least one must work; leave --jobs out for as many as the machine has processors"
                .into(),
        ),
        Ok(jobs) => Ok(jobs),
        Err(_) => Err("expected a number".into()),
    }
}

#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the plan is to be played: what that cannot do is refused.
    #[arg(long, value_parser = backend(), default_value = backends::DEFAULT.info.name)]
    pub backend: &'static Registered,
    /// On which system; see `squall run`.
    #[arg(long, value_name = "NAME|FILE")]
    pub system: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
pub struct ReplayArgs {
    /// Directory of the run.
    pub run_dir: PathBuf,
    /// Show what nodes log, and keep it in RUN_DIR/nodes/NODE.log: a level, or targets with
    /// their levels, of all nodes or of one. May be given once for all and once for each node.
    #[arg(long = "log", value_name = "[NODE=]FILTER")]
    pub logs: Vec<String>,
    /// Only lines from this time of the run on, such as 12.3s.
    #[arg(long, value_name = "TIME", requires = "logs")]
    pub from: Option<Duration>,
    /// Only lines up to this time of the run.
    #[arg(long, value_name = "TIME", requires = "logs")]
    pub to: Option<Duration>,
    /// Print every step of the event loop, for whoever compares two of them.
    #[arg(long, hide = true, conflicts_with = "logs")]
    pub steps: bool,
}

pub(super) const CHECK_HELP: &str = "\
Examples:
  squall check runs/failure-recovery-1
  squall check etcd.log --model register --picture violation.html
  squall check runs/leader-kill-7 --model lock

With --model, only that model is judged: exit code 0 if the history is right, 1 if it is not,
3 if that is unknown (the search reached a bound), 64 if the file is no history.
Formats and models are described in docs/checks.md.";

#[derive(Debug, ClapArgs)]
pub struct CheckArgs {
    /// Directory of a run, or a history file.
    pub path: PathBuf,
    /// What the history file is a history of.
    #[arg(long, value_enum)]
    pub model: Option<Model>,
    /// Of a run: how to print, text or json. Of a history: how it is written, squall, jepsen,
    /// edn or json [default: text; as the beginning looks].
    #[arg(long, value_enum)]
    pub format: Option<CheckFormat>,
    /// What a failed compare-and-set or release of a history means: it did not happen
    /// (dropped), or the object answered no (compared) [default: compared for jepsen, dropped
    /// for edn and json].
    #[arg(long, value_enum, requires = "model")]
    pub fail: Option<Fail>,
    /// Steps after which the search of one object of a history is given up [default: 5000000,
    /// and 100 an operation].
    #[arg(long, value_name = "NUMBER", requires = "model")]
    pub steps: Option<u64>,
    /// Memory after which it is given up, in MiB [default: 1024].
    #[arg(long, value_name = "MIB", requires = "model")]
    pub memory: Option<u32>,
    /// Draw the first linearizability violation as an HTML page.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Give up the search of a history, or for a picture, after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Model {
    Register,
    Kv,
    Lock,
    Queue,
    Counter,
    Set,
    TotalQueue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fail {
    Dropped,
    Compared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Text,
    Json,
    Squall,
    Jepsen,
    Edn,
}

#[derive(Debug, ClapArgs)]
pub struct ListArgs {
    /// Directory with scenario files.
    #[arg(default_value = "scenarios")]
    pub directory: PathBuf,
}
