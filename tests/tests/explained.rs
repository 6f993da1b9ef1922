//! Tests that `squall explain` names the node, the moment and the missing step of planted bugs.

use std::collections::BTreeSet;
use std::path::Path;

use squall::backends::{DEFAULT, Options, TraceFilter};
use squall::explain::{self, Explanation};
use squall::run::{self, Context};
use squall::scenario::Scenario;
use squall::track_record::bugs;
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

/// For each bug, what its explanation must say: sentences, each by parts of it in order.
type Steps = &'static [(&'static str, &'static [&'static [&'static str]])];

const SESSIONS_AND_LOCKS: Steps = &[
    (
        "ML-01",
        &[&[
            "`expire sessions 8, 9`",
            "it ends session 8, and with that its place in the line of lock-0",
            "node-1, node-2 and node-3 answered the waiter",
            "granted with token",
        ]],
    ),
    (
        "ML-02",
        &[
            &[
                "ended session",
                "had renewed it",
                "earlier, and it may live for 300 ms",
            ],
            &[
                "`expire sessions 184`",
                "the deadline that the entry names is not its deadline any more",
                "node-1, node-2 and node-3 ended it",
            ],
        ],
    ),
    (
        "ML-05",
        &[&[
            "`new leader`",
            "it is renewed for 1000 ms, as every session when a leader takes over",
            "node-1, node-2 and node-3 gave it",
        ]],
    ),
    (
        "ML-07",
        &[&[
            "`session open`",
            "has 500 ms to live from here, by log time",
            "node-1 gave it",
            "node-2 gave it",
            "something besides the log decided",
        ]],
    ),
    (
        "ML-09",
        &[&[
            "does not hold lock-0 by token",
            "until entry",
            "it is held by session",
            "node-1, node-2 and node-3 released a hold all the same",
        ]],
    ),
    (
        "ML-11",
        &[
            &[
                "restored its state",
                "not all was in it",
                "locks.lock-0.accepted_token was",
                "became 0",
            ],
            &["its token is 6", "granted it with token 1"],
        ],
    ),
    (
        "ML-14",
        &[&[
            "asking again leaves it that one place",
            "put it into the line a second time",
        ]],
    ),
    (
        "ML-15",
        &[&[
            "to wait was up with entry",
            "it waits for lock-0 no more",
            "left it in the line of lock-0",
        ]],
    ),
    (
        "ML-16",
        &[&[
            "is granted lock-0, as the next",
            "which has ended with entry",
            "at the head of the line",
        ]],
    ),
    (
        "ML-18",
        &[&[
            "does not hold lock-0 by token",
            "released a hold all the same",
        ]],
    ),
    (
        "ML-19",
        &[&[
            "Nothing that node-1, which led term 1, sent",
            "was answered by a majority",
            "log time had to stand still",
            "it went on by",
        ]],
    ),
    (
        "ML-20",
        &[&[
            "`lock acquire lock-0 for session 7`",
            "the log implies the answer “in line, by entry 24”",
            "answered “granted with token 27”",
        ]],
    ),
    (
        "ML-21",
        &[&[
            "which entry 8 has executed, and so it is only answered once more: “not granted”",
            "executed it a second time: “in line, by entry 8”",
        ]],
    ),
    (
        "ML-22",
        &[&[
            "the log implies the answer “refused, WouldDeadlock”",
            "did what the log implies",
            "something besides the log decided",
        ]],
    ),
];

const QUEUES: Steps = &[
    (
        "MQ-01",
        &[&["node-1 acknowledged op", "was ever sent to another node"]],
    ),
    (
        "MQ-02",
        &[&[
            "confirmed",
            "without a sync of the disk after it had arrived",
        ]],
    ),
    (
        "MQ-03",
        &[&[
            "is a dead letter since entry",
            "in the same entry it moves to queue-0.dead",
            "took it out of queue-0 and did not put it into queue-0.dead",
        ]],
    ),
    (
        "MQ-04",
        &[&[
            "is ready again since entry",
            "when its time to be hidden was over",
            "by which a leader took over, came in between",
            "in flight",
        ]],
    ),
    (
        "MQ-06",
        &[&[
            "every delivery has a receipt of its own",
            "gave it receipt 3, which entry",
            "had given for message 3",
        ]],
    ),
    (
        "MQ-08",
        &[
            &["node-1 acknowledged op", "was ever sent to another node"],
            &[
                "had been asked for op",
                "answered the repeat as if that attempt had been committed",
            ],
        ],
    ),
    (
        "MQ-09",
        &[
            &["not all was in it", "queues.queue-0.producers is missing"],
            &["it repeats number", "published it once more, as id"],
        ],
    ),
    (
        "MQ-12",
        &[&[
            "it was ready again",
            "handed out message",
            "did what the log implies",
            "something besides the log decided",
        ]],
    ),
    (
        "MQ-20",
        &[&[
            "not all was in it",
            "queues.queue-0.messages.",
            "which was InFlight, is missing",
        ]],
    ),
    (
        "MQ-21",
        &[&[
            "entry 124, by which a leader took over, came in between",
            "delivery 3",
        ]],
    ),
    (
        "MQ-22",
        &[&[
            "the log implies the answer “refused, QueueFull { depth: 10, limit: 12 }”",
            "answered “published as ids 13, 14, 15”",
        ]],
    ),
    (
        "MQ-23",
        &[&[
            "the log implies the answer “refused, QueueFull { depth: 10, limit: 12 }”",
            "answered “published as ids 13, 14, 15”",
        ]],
    ),
    (
        "MQ-24",
        &[&[
            "message 2 of queue-0 is not ready",
            "handed it out with receipt 2",
        ]],
    ),
    (
        "MQ-25",
        &[&["`clock`", "1 dead letters of 26", "0 dead letters of 26"]],
    ),
];

const CACHE_AND_RAFT: Steps = &[
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
        "MC-08",
        &[&[
            "from here on cache-volatile-1 lives for 2000 ms",
            "had it live for",
            "something besides the log decided",
        ]],
    ),
    (
        "MC-09",
        &[&[
            "lives on: entry",
            "set it anew",
            "dropped it when that old lifetime was over",
        ]],
    ),
    (
        "MC-12",
        &[&[
            "the cache is full",
            "is the one to be evicted",
            "evicted cache-volatile-",
            "something besides the log decided",
        ]],
    ),
    (
        "MC-14",
        &[&["only if at version 6", "the condition is not in it"]],
    ),
    (
        "MC-17",
        &[&[
            "asked node-2",
            "for all that had changed since entry",
            "which changed cache-0",
            "it received nothing",
        ]],
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
        "MR-03",
        &[&[
            "from a snapshot that says it covers the log up to entry",
            "the state in it is that after entry",
            "never applied them",
        ]],
    ),
    (
        "MR-04",
        &[
            &["not all was in it", ".last is missing"],
            &["which entry", "has executed", "executed it a second time"],
        ],
    ),
    (
        "MC-21",
        &[&[
            "with it cache-volatile-0 has lived its time",
            "left it as it was",
        ]],
    ),
    (
        "MC-23",
        &[&[
            "the cache is full, and of its keys cache-volatile-11 is the one to be evicted",
            "evicted nothing",
        ]],
    ),
    (
        "MR-06",
        &[&[
            "the log implies the answer “refused, no such session”",
            "answered “11 at version 36”",
        ]],
    ),
];

fn must_name(steps: Steps) {
    for (id, steps) in steps {
        let explanation = explained(id);
        for step in *steps {
            assert!(
                says(&explanation, step),
                "of {id} nothing says {step:?}:\n{explanation}"
            );
        }
    }
}

#[test]
fn steps_left_out_with_sessions_and_locks_are_named() {
    must_name(SESSIONS_AND_LOCKS);
}

#[test]
fn steps_left_out_with_queues_are_named() {
    must_name(QUEUES);
}

#[test]
fn steps_left_out_with_the_cache_and_by_raft_are_named() {
    must_name(CACHE_AND_RAFT);
}

/// Of what these leave out there is no rule yet: whether a read index was waited for, when a
/// state was read, which index each of several keys was read at, what a disk had not synced
/// besides a leader's own log, whether an end of a log was sent again; and the model of what the
/// log implies has no lists, and takes a node's word for it that a sequence was used.
const NOT_NAMED: [&str; 15] = [
    "ML-23", "MC-18", "MC-19", "MC-20", "MC-22", "MC-24", "MC-25", "MC-26", "MC-27", "MR-05",
    "MR-07", "MR-08", "MR-09", "MR-10", "MR-11",
];

#[test]
fn every_planted_bug_that_checks_catch_is_explained_or_known_not_to_be() {
    let named = [SESSIONS_AND_LOCKS, QUEUES, CACHE_AND_RAFT].concat();
    let named = named.iter().map(|(id, _)| *id);
    let all: BTreeSet<&str> = named.chain(NOT_NAMED).collect();
    let known: BTreeSet<&str> = bugs().map(Bug::id).collect();
    assert_eq!(all, known);
}

/// What cannot be shown is said to be so.
#[test]
fn a_check_that_names_no_operation_leaves_that_unknown() {
    let explanation = explained("MC-12").to_string();
    let expected = "The check names no operation, so it cannot be shown which node answered what.";
    assert!(explanation.contains(expected), "{explanation}");
}
