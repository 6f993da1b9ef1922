//! Three planted bugs that must be caught on containers as in simulation, by a check of what
//! they break.

use squall::report::{RunVerdict, Verdict};

use crate::setting::{alone, engine, links_can_be_broken, run, scenario};

#[test]
fn mq_01_an_append_is_no_commit() {
    caught("MQ-01", true, &["Q1", "R1", "Q2", "Q3"]);
}

#[test]
fn ml_09_a_release_checks_nobody() {
    caught("ML-09", false, &["L1", "L2", "L7"]);
}

#[test]
fn mc_01_a_deposed_leader_answers_reads() {
    caught("MC-01", true, &["C1"]);
}

/// A real machine's timing is not ours to choose, so a bug may hide for a run or two.
const RUNS: usize = 3;

fn caught(bug: &str, needs_links: bool, properties: &[&str]) {
    let possible = if needs_links {
        links_can_be_broken()
    } else {
        engine()
    };
    let Some(_turn) = possible.and_then(|()| alone()) else {
        return;
    };
    let file = format!("planted/{}.toml", bug.to_lowercase());
    let scenario = scenario(&file, &[]);
    for _ in 0..RUNS {
        let run = run(&scenario, Some(bug));
        let is_caught = run.report.checks.iter().any(|check| {
            let mut broken = check.property.split(' ');
            check.verdict == Verdict::Fail && broken.any(|name| properties.contains(&name))
        });
        if is_caught {
            assert_eq!(run.report.verdict, RunVerdict::Violation, "{}", run.text());
            return;
        }
    }
    panic!("{bug} was not caught in {RUNS} runs");
}
