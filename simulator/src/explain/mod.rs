//! Tells why a run failed, in plain words: rules over history and trace, each sentence with its
//! evidence.
//!
//! A rule says what was so, never what might have been: what cannot be shown is said to be
//! unknown. `broken` says which checks broke and what they show, [`story`] tells of each
//! operation who answered it and what that node had not done or did not know, `log` what the
//! log has of it, `around` who led and which faults were in force meanwhile, `replicas`
//! where replicas parted. `applied` compares what nodes made of each entry with what the log
//! implies, by a model of its own (`model`); `snapshots` what they took from snapshots with
//! what was to be written there; `log_time` and `streams` look at how time and invalidations
//! went on.

mod answered;
mod appends;
mod applied;
mod around;
mod broken;
mod case;
mod deviation;
mod held;
mod lease;
mod left_out;
mod log;
mod log_time;
mod model;
mod otherwise;
mod replicas;
mod replies;
mod sentence;
mod snapshots;
mod story;
mod streams;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::report::{Report, RunVerdict};
use crate::run::Judged;
use crate::trace::Trace;
pub use answered::{Answered, LaterLeader, Story};
use case::{Case, Cluster};
pub use sentence::Sentence;

/// Why a run failed, as far as it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// `planted-mc-01 seed 1: FAIL (violation): …`.
    pub title: String,
    /// In the order of reading.
    pub chapters: Vec<Chapter>,
}

/// Sentences that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// As it stands above the sentences.
    pub heading: &'static str,
    /// In the order of reading.
    pub sentences: Vec<Sentence>,
}

/// Explains a run of which all messages were recorded.
pub fn of_run(judged: &Judged) -> Explanation {
    explain(&trace_of(judged), &judged.report, Cluster::of(&judged.plan))
}

/// As [`of_run`], as data: who answered, and what was left out.
pub fn story(judged: &Judged) -> Story {
    let (trace, cluster) = (trace_of(judged), Cluster::of(&judged.plan));
    let explanation = explain(&trace, &judged.report, cluster);
    answered::story(&Case::new(&trace, &judged.report, cluster), &explanation)
}

fn trace_of(judged: &Judged) -> Trace<'_> {
    Trace::new(
        format!("{} seed {}", judged.report.scenario, judged.report.seed),
        &judged.history,
        &judged.logs,
        &judged.traced,
        None,
        None,
    )
}

fn explain(trace: &Trace, report: &Report, cluster: Cluster) -> Explanation {
    let mut chapters = Vec::new();
    if report.verdict != RunVerdict::Pass {
        let case = Case::new(trace, report, cluster);
        chapters = vec![
            Chapter {
                heading: "What broke",
                sentences: broken::sentences(&case),
            },
            Chapter {
                heading: "The operations",
                sentences: story::sentences(&case),
            },
            Chapter {
                heading: "What nodes made of the log",
                sentences: made_of_the_log(&case),
            },
            Chapter {
                heading: "What the log has of it",
                sentences: log::sentences(&case),
            },
            Chapter {
                heading: "Leaders and faults meanwhile",
                sentences: around::sentences(&case),
            },
            Chapter {
                heading: "Replicas",
                sentences: replicas::sentences(&case),
            },
        ];
        chapters.retain(|chapter| !chapter.sentences.is_empty());
    }
    Explanation {
        title: format!("{}: {} — {}", trace.title, report.verdict, report.reason),
        chapters,
    }
}

/// Where what nodes did does not follow from the log.
fn made_of_the_log(case: &Case) -> Vec<Sentence> {
    let sentences = [
        log_time::sentences(case),
        snapshots::sentences(case),
        applied::sentences(case),
        streams::sentences(case),
    ];
    let all = sentences.into_iter().flatten();
    all.map(Sentence::of_step).collect()
}

impl Explanation {
    /// What broke first, and then what nodes left out or did wrong, or else the other sentences
    /// in their order; so many, without their evidence: for a failing test.
    pub fn beginning(&self, sentences: usize) -> String {
        let all = self.chapters.iter().flat_map(|chapter| &chapter.sentences);
        let names_steps = all.clone().any(|sentence| sentence.names_step);
        let all = all
            .enumerate()
            .filter(|(nth, sentence)| *nth == 0 || !names_steps || sentence.names_step);
        let lines = all.map(|(_, sentence)| sentence).take(sentences);
        let lines: Vec<String> = lines
            .map(|sentence| format!("  {}\n", sentence.text))
            .collect();
        lines.concat()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let mut number = 0;
        for chapter in &self.chapters {
            writeln!(f, "\n{}", chapter.heading)?;
            for sentence in &chapter.sentences {
                number += 1;
                writeln!(f, "{number:>3}. {}", sentence.text)?;
                for line in &sentence.evidence {
                    writeln!(f, "       | {line}")?;
                }
            }
        }
        if self.chapters.is_empty() {
            writeln!(f, "\nNothing broke, so there is nothing to explain.")?;
        }
        Ok(())
    }
}
