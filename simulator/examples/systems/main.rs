//! Plays the same failures on several systems, as processes of this machine, and writes what
//! each of them cost clients into `docs/systems.md`.
//!
//! ```text
//! cargo build --profile node --package squall-cluster --bin squall-node
//! sudo cargo run --profile node --example systems -- --trials 20 --jobs 2
//! sudo cargo run --profile node --example systems -- --trials 5 \
//!     --systems etcd,redis-sentinel --scenarios leader-kill
//! cargo run --profile node --example systems -- --trials 0    # the page alone
//! ```
//!
//! A trial is a run with a seed of its own, in real time, half a minute to a minute. Its line
//! in `docs/systems.jsonl` is kept, and it is not made again: the same command goes on where it
//! stopped. First comes trial 1 of all systems and scenarios, then trial 2, so that the page,
//! which is made of all lines, is whole at any time. Lines of another configuration than
//! today's go. Progress goes to standard error.
//!
//! `--out DIR` has page and lines elsewhere, for systems of one's own (`--systems my.toml`);
//! `--keep DIR` leaves the runs with anomalies as run directories, for `squall check`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use contenders::Contender;
use line::{Line, Trial};

#[path = "../common/document.rs"]
mod document;

mod anomalies;
mod contenders;
mod line;
mod page;
mod stale;
mod tables;
mod trial;
mod workers;

/// What is broken, in this order.
const SCENARIOS: [&str; 6] = [
    "leader-kill",
    "leader-pause",
    "minority-partition",
    "one-way-partition",
    "failure-recovery",
    "rolling-restart",
];

const USAGE: &str = "usage: systems [--trials N] [--jobs N] [--systems NAME,…] \
                     [--scenarios NAME,…] [--out DIR] [--keep DIR]";

/// What is to be compared.
struct Wanted {
    trials: u64,
    jobs: usize,
    /// Names or files.
    systems: Vec<String>,
    scenarios: Vec<String>,
    out: PathBuf,
    keep: Option<PathBuf>,
}

impl Wanted {
    fn of(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self {
            trials: 20,
            jobs: 1,
            systems: contenders::names(),
            scenarios: SCENARIOS.map(str::to_owned).to_vec(),
            out: Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"),
            keep: None,
        };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            let names = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
            let wrong = |e: std::num::ParseIntError| format!("{option} {value}: {e}");
            match option.as_str() {
                "--trials" => wanted.trials = value.parse().map_err(wrong)?,
                "--jobs" => wanted.jobs = value.parse::<usize>().map_err(wrong)?.max(1),
                "--systems" => wanted.systems = names(),
                "--scenarios" => wanted.scenarios = names(),
                "--out" => wanted.out = value.into(),
                "--keep" => wanted.keep = Some(value.into()),
                _ => return Err(format!("{option}: {USAGE}")),
            }
        }
        let unknown = |name: &&String| !SCENARIOS.contains(&name.as_str());
        match wanted.scenarios.iter().find(unknown) {
            Some(name) => Err(format!(
                "--scenarios {name}: expected {}",
                SCENARIOS.join(", ")
            )),
            None => Ok(wanted),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = workers::work(&arguments).unwrap_or_else(|| {
        let wanted = Wanted::of(&arguments)?;
        compare(&wanted)
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(wanted: &Wanted) -> Result<(), String> {
    // The page has all of them, whoever is played now.
    let mut names = contenders::names();
    let own = |name: &&String| !names.contains(name);
    let own: Vec<String> = wanted.systems.iter().filter(own).cloned().collect();
    names.extend(own);
    let contenders = names.iter().map(|name| Contender::load(name));
    let contenders: Vec<Contender> = contenders.collect::<Result<_, _>>()?;
    let setups = setups(&contenders);

    let file = wanted.out.join("systems.jsonl");
    let mut lines = line::read(&file)?;
    let is_current = |line: &Line| setups.get(&key(&line.trial)) == Some(&line.setup);
    let old = lines.iter().filter(|line| !is_current(line)).count();
    if old > 0 {
        eprintln!("{old} lines are of other configurations, and go");
        lines.retain(is_current);
    }

    let asked = names.iter().zip(&contenders);
    let asked = asked.filter(|(name, _)| wanted.systems.contains(name));
    let mut players = Vec::new();
    for (name, contender) in asked {
        match contender.require() {
            Err(why) => eprintln!("{name} is left out: {why}"),
            Ok(()) => players.push(name),
        }
    }
    let made: BTreeSet<Trial> = lines.iter().map(|line| line.trial.clone()).collect();
    let mut all = Vec::new();
    for seed in 1..=wanted.trials {
        for scenario in &wanted.scenarios {
            all.extend(players.iter().map(|system| Trial {
                system: (*system).clone(),
                scenario: scenario.clone(),
                seed,
            }));
        }
    }
    all.retain(|trial| setups.contains_key(&key(trial)));
    let total = all.len();
    all.retain(|trial| !made.contains(trial));
    let mut done = total - all.len();
    workers::play_all(all, wanted.jobs, wanted.keep.as_deref(), |trial, played| {
        let said = format!("{} {} {}", trial.system, trial.scenario, trial.seed);
        match played {
            Ok(mut line) => {
                done += 1;
                eprintln!("{done} of {total}: {said}: {}", line.verdict);
                forget_what_is_known(&mut line, &lines);
                line::append(&file, &line)?;
                lines.push(line);
            }
            Err(why) => eprintln!("{said}: {why}"),
        }
        Ok(())
    })?;

    line::write_sorted(&file, &mut lines)?;
    page::write(&wanted.out.join("systems.md"), &contenders, &lines)
}

/// Of a contender and a scenario.
type Key = (String, String);

fn key(trial: &Trial) -> Key {
    (trial.system.clone(), trial.scenario.clone())
}

fn setups(contenders: &[Contender]) -> BTreeMap<Key, String> {
    let mut setups = BTreeMap::new();
    for contender in contenders {
        for scenario in SCENARIOS {
            let key = (contender.name.clone(), scenario.to_owned());
            match trial::setup(contender, scenario) {
                Ok(setup) => drop(setups.insert(key, setup)),
                // One node has no follower to be cut off with.
                Err(why) => eprintln!("{} goes without {scenario}: {why}", contender.name),
            }
        }
    }
    setups
}

/// Operations are kept of the first anomaly of each kind only.
fn forget_what_is_known(line: &mut Line, lines: &[Line]) {
    for (check, found) in &mut line.broken {
        let is_known = lines
            .iter()
            .filter(|other| key(&other.trial) == key(&line.trial))
            .any(|other| other.broken.contains_key(check));
        if is_known {
            found.first.clear();
            found.operations.clear();
        }
    }
}
