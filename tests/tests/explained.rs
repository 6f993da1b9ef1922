//! What `squall explain` says of planted bugs: the node, the moment, and the step left out.

use std::path::Path;

use squall::backends::{DEFAULT, Options, TraceFilter};
use squall::explain::{self, Explanation};
use squall::run::{self, Context};
use squall::scenario::Scenario;
use squall_cluster::planted::{self, Bug};

/// The explanation of a planted bug's scenario with seed 1.
fn explained(id: &str) -> Explanation {
    let file = format!("scenarios/planted/{}.toml", id.to_lowercase());
    let file = squall_tests::repository().join(Path::new(&file));
    let scenario = Scenario::load(&file).expect("the repository's scenario is valid");
    let options = Options {
        trace: Some(TraceFilter::default()),
        ..Options::default()
    };
    let backend = DEFAULT.open(options).expect("it can be traced");
    planted::activate(Bug::from_id(id));
    let run = run::run_on(&*backend, &scenario, 1, "", Context::default());
    planted::activate(None);
    explain::of_run(&run.expect("the simulation works"))
}

/// Whether a sentence has all of these, in this order, and evidence if it is one of a rule.
fn says(explanation: &Explanation, parts: &[&str]) -> bool {
    let sentences = explanation
        .chapters
        .iter()
        .flat_map(|chapter| &chapter.sentences);
    let mut sentences = sentences.filter(|sentence| !sentence.evidence.is_empty());
    sentences.any(|sentence| {
        let mut rest = sentence.text.as_str();
        parts.iter().all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

/// For each bug, what its explanation must say.
const STEPS: &[(&str, &[&[&str]])] = &[
    (
        "MC-01",
        &[
            &["node-4 had led the later term 2", "node-1 was in term 1"],
            &["had cut node-1 off from a majority"],
            &[
                "node-1 got confirmations from 0 of the 2",
                "without having made sure that it still led",
            ],
        ],
    ),
    (
        "MC-02",
        &[&["node-1 answered, it had not committed any entry of its own term 3"]],
    ),
    (
        "MC-05",
        &[&[
            "node-1 had handed leadership over to node-2",
            "its lease was over",
        ]],
    ),
    (
        "MC-06",
        &[&[
            "gave its vote for term 2",
            "relied on its promise to help nobody else for",
        ]],
    ),
    (
        "MC-14",
        &[&["only if at version 6", "the condition is not in it"]],
    ),
    ("MC-08", &[&["had different states once both had applied"]]),
    ("MC-12", &[&["had different states once both had applied"]]),
    (
        "ML-02",
        &[&[
            "ended session",
            "had renewed it",
            "earlier, and it may live for 300 ms",
        ]],
    ),
    (
        "MQ-01",
        &[&["node-1 acknowledged op", "was ever sent to another node"]],
    ),
    (
        "MQ-08",
        &[&["node-1 acknowledged op", "was ever sent to another node"]],
    ),
    (
        "MR-01",
        &[
            &[
                "node-2 and node-3 confirmed entry",
                "without a sync of the disk after it had arrived",
            ],
            &["had restored its state", "when it started again"],
        ],
    ),
    (
        "MQ-02",
        &[&[
            "confirmed",
            "without a sync of the disk after it had arrived",
        ]],
    ),
];

#[test]
fn explanations_of_planted_bugs_name_the_node_and_the_step_left_out() {
    for (id, steps) in STEPS {
        let explanation = explained(id);
        for step in *steps {
            assert!(
                says(&explanation, step),
                "of {id} nothing says {step:?}:\n{explanation}"
            );
        }
    }
}

/// What cannot be shown is said to be so.
#[test]
fn a_check_that_names_no_operation_leaves_that_unknown() {
    let explanation = explained("MC-12").to_string();
    let expected = "The check names no operation, so it cannot be shown which node answered what.";
    assert!(explanation.contains(expected), "{explanation}");
}
