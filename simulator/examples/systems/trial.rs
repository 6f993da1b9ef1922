//! One trial: a run in real time, and the line that is kept of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use signal_hook::consts::SIGTERM;
use squall::backends::{self, Options};
use squall::check::{CheckResult, Verdict};
use squall::history::FaultStatus;
use squall::run::{Context, Judged, run_on};
use squall::run_dir::{Manifest, RunDir};
use squall::scenario::Scenario;

use crate::contenders::Contender;
use crate::line::{Broken, EVIDENCE, Line, Trial};
use crate::stale::stale_reads;

const BACKEND: &str = "process";

/// A scenario as a contender plays it.
struct Fitted {
    /// Of the scenario's file, for the command that repeats a run.
    file: PathBuf,
    scenario: Scenario,
    settings: Vec<(String, String)>,
}

impl Fitted {
    fn load(contender: &Contender, scenario: &str) -> Result<Self, String> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let file = dir.join(format!("{scenario}.toml"));
        let load = |settings: &[_]| Scenario::load_with(&file, settings).map_err(|e| e.to_string());
        let settings = contender.system.fit(&load(&[])?).settings;
        Ok(Self {
            scenario: load(&settings)?,
            settings,
            file,
        })
    }
}

/// Names what a trial depends on beside its seed: the contender's configuration, the scenario
/// and what was left out of it.
///
/// # Errors
/// There is no such scenario.
pub fn setup(contender: &Contender, scenario: &str) -> Result<String, String> {
    let fitted = Fitted::load(contender, scenario)?;
    let mut hash = Sha256::new();
    hash.update(contender.configuration());
    hash.update(fitted.scenario.text());
    hash.update(format!("{:?}", fitted.settings));
    let digits = hash.finalize();
    Ok(digits.iter().take(4).map(|b| format!("{b:02x}")).collect())
}

/// Plays it; `keep` is where the run of a trial with anomalies is left as a run directory.
///
/// # Errors
/// It came to no verdict.
pub fn play(trial: &Trial, keep: Option<&Path>) -> Result<Line, String> {
    let contender = Contender::load(&trial.system)?;
    let fitted = Fitted::load(&contender, &trial.scenario)?;
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, asked.clone()).map_err(|e| e.to_string())?;
    let options = Options {
        system_file: Some(contender.system.clone()),
        interrupted: Some(Box::new(move || asked.load(Ordering::SeqCst))),
        ..Options::default()
    };
    let backend = backends::named(BACKEND).ok_or("there is no backend for processes")?;
    let backend = backend.open(options)?;
    let before = Processors::now();
    let context = Context::default();
    let judged = run_on(&*backend, &fitted.scenario, trial.seed, "", context);
    let judged = judged.map_err(|e| e.to_string())?;
    let busy = Processors::now().busy_since(&before);
    let line = line(trial, &contender, busy, &judged)?;
    if let Some(dir) = keep.filter(|_| !line.broken.is_empty() || !line.doubts.is_empty()) {
        leave(dir, trial, &contender, &fitted, &judged)?;
    }
    Ok(line)
}

fn line(trial: &Trial, contender: &Contender, busy: u64, judged: &Judged) -> Result<Line, String> {
    let report = &judged.report;
    let faults = &report.faults;
    let of_verdict = serde_json::to_value(report.verdict).map_err(|e| e.to_string())?;
    let is_pass = of_verdict == "pass";
    let (stale, first_stale) = stale_reads(&judged.history);
    let mut broken: BTreeMap<String, Broken> = report.checks.iter().filter_map(broken).collect();
    if stale > 0 {
        let read = Broken {
            count: stale,
            promised: report
                .checks
                .iter()
                .any(|check| check.name == "cache_linearizable" && check.verdict == Verdict::Fail),
            first: "a value was read though a newer one had been acknowledged".into(),
            operations: first_stale,
        };
        broken.insert(STALE.into(), read);
    }
    let count = |name: &str| broken.get(name).map_or(0, |found| found.count);
    let cannot_tell = |check: &&CheckResult| {
        matches!(
            check.verdict,
            Verdict::Unknown | Verdict::UnknownNotPromised
        )
    };
    Ok(Line {
        trial: trial.clone(),
        setup: setup(contender, &trial.scenario)?,
        version: version(contender),
        started: report.sim.started.clone(),
        busy,
        verdict: of_verdict.as_str().unwrap_or_default().to_owned(),
        reason: if is_pass {
            String::new()
        } else {
            report.reason.clone()
        },
        leaders_lost: faults.iter().filter(|f| f.old_leader.is_some()).count() as u64,
        takeover_ms: (faults.iter())
            .filter_map(|fault| fault.elected_ms)
            .map(|time| time.get() / 1_000)
            .collect(),
        downtime_ms: (report.clients_down.iter())
            .map(|down| down.max_ms.get() / 1_000)
            .max()
            .unwrap_or(0),
        available: report
            .availability
            .map(|share| share.get() as f64 / 10_000.0),
        acked: report.data_loss.acked,
        lost: report.data_loss.lost,
        messages_lost: count("queue_conservation"),
        duplicated: report.data_loss.duplicated,
        held_by_two: count("lock_exclusion"),
        stale_reads: stale,
        doubts: (faults.iter())
            .filter_map(|fault| match &fault.status {
                FaultStatus::Skipped { why } | FaultStatus::Uncertain { why } => Some(why.clone()),
                _ => None,
            })
            .collect(),
        unknown: (report.checks.iter())
            .filter(cannot_tell)
            .map(|check| check.name.clone())
            .collect(),
        broken,
    })
}

/// What stale reads are called among the checks.
pub const STALE: &str = "stale_reads";

fn broken(check: &CheckResult) -> Option<(String, Broken)> {
    let promised = match check.verdict {
        Verdict::Fail => true,
        Verdict::NotPromised => false,
        _ => return None,
    };
    // `not promised, and broken: 12 violations; the first: …`, or the only one.
    let detail = check.detail.as_str();
    let detail = detail
        .strip_prefix("not promised, and broken: ")
        .unwrap_or(detail);
    let many = detail.split_once(" violations; the first: ");
    let many = many.and_then(|(count, first)| Some((count.parse().ok()?, first)));
    let (count, first) = many.unwrap_or((1, detail));
    let found = Broken {
        count,
        promised,
        first: first.to_owned(),
        operations: check.evidence.iter().take(EVIDENCE).cloned().collect(),
    };
    Some((check.name.clone(), found))
}

/// What the programs of a system say they are.
fn version(contender: &Contender) -> String {
    if contender.is_squall() {
        return format!("squall-node {}", env!("CARGO_PKG_VERSION"));
    }
    let says = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Redis has checksums of its build after it.
        let line = text.lines().next()?;
        let line = line.split(" sha=").next()?;
        Some(line.trim().to_owned())
    };
    let programs = contender.system.programs();
    let versions: Vec<String> = programs.into_iter().filter_map(says).collect();
    versions.join("; ")
}

fn leave(
    dir: &Path,
    trial: &Trial,
    contender: &Contender,
    fitted: &Fitted,
    judged: &Judged,
) -> Result<(), String> {
    let name = format!("{}-{}-{}", trial.system, trial.scenario, trial.seed);
    let dir = RunDir::create(&dir.join(name)).map_err(|e| e.to_string())?;
    let manifest = Manifest {
        scenario: fitted.file.display().to_string(),
        seed: trial.seed,
        backend: BACKEND.into(),
        settings: fitted.settings.clone(),
        planted: None,
        profile: None,
        system: (!contender.is_squall()).then(|| trial.system.clone()),
        version: env!("CARGO_PKG_VERSION").into(),
        started: Some(judged.report.sim.started.clone()),
        environment: None,
    };
    let text = (!contender.is_squall()).then(|| contender.system.text());
    let kept = dir.keep_system(text);
    let left = kept.and_then(|()| dir.write(&manifest, &fitted.scenario, judged));
    left.map_err(|e| e.to_string())
}

/// Time of this machine's processors, in ticks.
struct Processors {
    all: u64,
    idle: u64,
}

impl Processors {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        // cpu user nice system idle iowait irq softirq steal …
        let ticks = text.lines().next().unwrap_or_default().split_whitespace();
        let ticks: Vec<u64> = ticks.skip(1).take(8).flat_map(str::parse).collect();
        Self {
            all: ticks.iter().sum(),
            idle: ticks.iter().skip(3).take(2).sum(),
        }
    }

    /// Percent.
    fn busy_since(&self, earlier: &Self) -> u64 {
        let all = self.all.saturating_sub(earlier.all);
        let idle = self.idle.saturating_sub(earlier.idle);
        (all.saturating_sub(idle) * 100)
            .checked_div(all)
            .unwrap_or(0)
    }
}

/// Made of a configuration with node 1 in place: what it runs, and the files that it is given.
pub fn first_node(contender: &Contender, nodes: usize) -> Result<String, String> {
    let members = contender
        .system
        .members((1..=nodes).map(|n| format!("10.77.0.{n}")));
    let launch = contender.system.launch(&members, 0, Path::new("DIR"))?;
    let mut text = format!("{}\n", launch.main.join(" "));
    for side in launch.side {
        text += &format!("{}\n", side.command.join(" "));
    }
    for after in contender.system.after(&members)? {
        text += &format!("{}\n", after.command.join(" "));
    }
    for (path, content) in launch.files {
        text += &format!("\n# {}\n{}", path.display(), content.trim_start());
    }
    Ok(text)
}
