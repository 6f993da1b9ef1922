//! The rules, held to healthy runs, of which they must say nothing.

use std::path::Path;

use super::case::{Case, Cluster};
use super::{left_out, made_of_the_log};
use crate::backends::{DEFAULT, Options, TraceFilter};
use crate::history::operations;
use crate::run::{self, Context};
use crate::scenario::Scenario;
use crate::trace::Trace;

/// Has `judge` look at a healthy run of which everything was recorded.
fn healthy(name: &str, settings: &[(&str, &str)], judge: impl Fn(&Case)) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(name);
    let settings = settings.iter();
    let settings: Vec<_> = settings
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let scenario = Scenario::load_with(&file, &settings).expect("it is valid");
    let options = Options {
        trace: Some(TraceFilter::default()),
        ..Options::default()
    };
    let backend = DEFAULT.open(options).expect("it can be traced");
    let run = run::run_on(&*backend, &scenario, 1, "", Context::default());
    let run = run.expect("the simulation works");
    let title = name.to_owned();
    let trace = Trace::new(title, &run.history, &run.logs, &run.traced, None, None);
    judge(&Case::new(&trace, &run.report, Cluster::of(&run.plan)));
}

/// Nodes did what the log implies, all of them with all of it.
fn follows_the_log(case: &Case) {
    let name = &case.trace.title;
    assert_eq!(made_of_the_log(case), [], "{name}");
    let applied = case.trace.traced.applied.len();
    assert!(applied > 300, "{name}: {applied} entries");
}

#[test]
fn nothing_is_left_out_in_a_healthy_run() {
    let scenarios = [
        ("failure-recovery.toml", &[][..]),
        ("leader-pause.toml", &[("phases.chaos", "9s")]),
        ("power-loss.toml", &[]),
        ("planted/mc-02.toml", &[]),
        ("planted/mc-05.toml", &[]),
        ("planted/mc-06.toml", &[]),
        ("planted/mq-08.toml", &[]),
        ("planted/mr-04.toml", &[]),
    ];
    for (name, settings) in scenarios {
        healthy(name, settings, |case| {
            let mut judged = 0;
            for operation in operations(case.trace.history) {
                let Some((call, answer)) = case.exchange(&operation) else {
                    continue;
                };
                judged += 1;
                let said = left_out::sentences(case, &operation, call, answer);
                // What kind of read it is, is no reproach.
                let mut said = said
                    .iter()
                    .filter(|s| !s.text.starts_with("The client had asked"));
                assert_eq!(said.next(), None, "{name}: {operation:?}");
            }
            assert!(judged > 300, "{name}: {judged} operations");
            follows_the_log(case);
        });
    }
}

#[test]
fn nodes_do_what_the_log_implies_in_a_healthy_run() {
    let scenarios = [
        ("chaos.toml", &[("phases.chaos", "10s")][..]),
        ("all-features.toml", &[]),
        ("lists.toml", &[]),
        ("planted/mc-12.toml", &[]),
        ("planted/mc-17.toml", &[]),
        ("planted/ml-18.toml", &[]),
        ("planted/ml-19.toml", &[]),
        ("planted/mq-12.toml", &[]),
        ("planted/mq-20.toml", &[]),
    ];
    for (name, settings) in scenarios {
        healthy(name, settings, follows_the_log);
    }
}
