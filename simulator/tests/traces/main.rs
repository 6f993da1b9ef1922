//! Traces of runs: what is recorded, that recording changes nothing, and the forms for viewers.

mod forms;
mod player;
mod recording;
mod states;

use std::path::Path;

use squall::backends::{LogFilter, TraceFilter};
use squall::run::{self, Context, Judged};
use squall::scenario::Scenario;
use squall_sim::SimBackend;

/// A scenario of the repository.
fn scenario(name: &str, settings: &[(&str, &str)]) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(name);
    let settings = settings.iter();
    let settings: Vec<_> = settings
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Scenario::load_with(&file, &settings).expect("the repository's scenario is valid")
}

/// Runs it with everything recorded that `trace` and `log` ask for.
fn traced(
    scenario: &Scenario,
    seed: u64,
    trace: Option<TraceFilter>,
    log: Option<LogFilter>,
) -> Judged {
    let backend = SimBackend {
        log,
        trace,
        ..SimBackend::default()
    };
    run::run_on(&backend, scenario, seed, "", Context::default()).expect("the simulation works")
}

/// Every message, sync and nothing else.
fn with_messages(scenario: &Scenario, seed: u64) -> Judged {
    traced(scenario, seed, Some(TraceFilter::default()), None)
}
