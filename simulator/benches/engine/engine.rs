//! A part on either engine: the whole way from scenario to report, as `squall run` goes it.

use squall::check::{self, Verdict};
use squall::history::History;
use squall::measure;
use squall::plan::Plan;
use squall::run::{self, Context};
use squall::scenario::Scenario;

use crate::figures::Figures;
use crate::machine::{Watch, timed};

const SEED: u64 = 1;

/// The plan of a scenario with some values replaced.
///
/// # Errors
/// The scenario is not valid.
pub fn plan(text: &str, settings: &[(&str, &str)]) -> Result<Plan, String> {
    let settings: Vec<(String, String)> = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let scenario = Scenario::parse_with(text, "benchmark", &settings).map_err(|e| e.to_string())?;
    Plan::resolve(&scenario, SEED).map_err(|e| e.to_string())
}

/// An engine, and what it makes of a plan.
pub type Engine = fn(&Plan) -> Result<Simulated, String>;

pub struct Simulated {
    history: History,
    simulated_ns: u64,
    /// 0 where the engine does not count them.
    events: u64,
}

/// Our own engine.
pub fn ours(plan: &Plan) -> Result<Simulated, String> {
    let run = squall_sim::run(plan).map_err(|e| e.to_string())?;
    Ok(Simulated {
        history: run.history,
        simulated_ns: run.simulated_ns,
        events: run.events,
    })
}

/// The classic `turmoil`.
pub fn classic(plan: &Plan) -> Result<Simulated, String> {
    let run = squall_turmoil::run(plan).map_err(|e| e.to_string())?;
    Ok(Simulated {
        history: run.history,
        simulated_ns: run.simulated.as_nanos() as u64,
        events: 0,
    })
}

/// # Errors
/// The scenario is not valid, or the simulation failed.
pub fn run(text: &str, settings: &[(&str, &str)], engine: Engine) -> Result<Figures, String> {
    let plan = plan(text, settings)?;
    let watch = Watch::start();
    let (simulated, simulate) = timed(|| engine(&plan));
    let simulated = simulated?;
    // Judging includes measuring and checking, which are timed once more by themselves below.
    let report = run::judge(
        &plan,
        &simulated.history,
        &Context::default(),
        "",
        Default::default(),
    );
    let total = watch.elapsed();
    drop(report);

    let (measures, measure) = timed(|| measure::measure(&simulated.history));
    let (checks, check) = timed(|| check::check_all(&simulated.history));
    let passed = checks.iter().filter(|c| c.verdict == Verdict::Pass);
    Ok(Figures {
        simulated_ns: simulated.simulated_ns,
        total,
        simulate,
        measure,
        check,
        events: simulated.events,
        operations: measures.operations.acknowledged,
        checks_passed: passed.count(),
        checks: checks.len(),
        peak_bytes: 0,
    })
}
