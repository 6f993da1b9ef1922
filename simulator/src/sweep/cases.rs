//! A sweep case by case: each check and objective of a scenario over all of its seeds, for
//! JUnit XML and the Markdown summary of a CI job.

use std::collections::BTreeMap;

use super::cause::REGRESSION;
use super::result::{Ending, SeedResult};
use crate::check::CHECKS;
use crate::report::Status;
use crate::report::cases::{
    CONCLUSIVE, Case, Finding, Group, Kind, Outcome, REPEATABLE, Suite, kind_of_check,
};

/// Seeds named in one line.
const NAMED: usize = 10;
/// The name of the case for seeds that must come to a verdict.
const FINISHED: &str = "every run comes to a verdict";

/// The cases of a scenario, by the results of its seeds.
pub fn suite<'a>(name: &str, results: impl IntoIterator<Item = &'a SeedResult>) -> Suite {
    let results: Vec<&SeedResult> = results.into_iter().collect();
    let over = Over { results };
    let mut cases = over.of_runs();
    cases.extend(over.checks());
    cases.extend(over.objectives());
    Suite {
        name: name.to_owned(),
        cases,
    }
}

/// That all seeds of a sweep were run, for one that was not budgeted.
pub fn unfinished(done: u64, planned: u64) -> Suite {
    let why = format!("{done} of {planned} runs are done");
    let found = Finding::new(Kind::NoVerdict, why);
    Suite {
        name: "sweep".into(),
        cases: vec![Case::found(Group::Run, "all runs are done", Some(found))],
    }
}

struct Over<'a> {
    results: Vec<&'a SeedResult>,
}

impl Over<'_> {
    fn of_runs(&self) -> Vec<Case> {
        let ended = |endings: &[Ending], kind, what: &str| {
            let found = self.with(|result| endings.contains(&result.ending));
            let lines = found.iter().map(|result| {
                let label = result.ending.label();
                format!("seed {}: {label}: {}", result.seed, result.reason)
            });
            self.finding(kind, &found, what, lines.collect())
        };
        use Ending::{Crashed, Inconclusive, NotDeterministic, OutOfMemory, TimedOut};
        let no_verdict = ended(
            &[Crashed, TimedOut, OutOfMemory],
            Kind::NoVerdict,
            "no verdict",
        );
        let inconclusive = ended(&[Inconclusive], Kind::Inconclusive, "inconclusive");
        let differ = ended(
            &[NotDeterministic],
            Kind::NotDeterministic,
            "two runs differ",
        );
        [
            (FINISHED, no_verdict),
            (CONCLUSIVE, inconclusive),
            (REPEATABLE, differ),
        ]
        .into_iter()
        .map(|(name, found)| Case::found(Group::Run, name, found))
        .collect()
    }

    /// Those that ship, and those of services of one's own.
    fn checks(&self) -> impl Iterator<Item = Case> {
        let shipped = CHECKS.iter().map(|check| (check.name, check.property));
        let mut properties: BTreeMap<&str, &str> = shipped.clone().collect();
        let mut names: Vec<&str> = shipped.map(|(name, _)| name).collect();
        for result in &self.results {
            let broken = result
                .broken()
                .map(|cause| (&*cause.name, &*cause.property));
            let facts = result.run.iter();
            let judged = facts.flat_map(|run| run.judged.keys().chain(&run.unknown));
            for (name, property) in broken.chain(judged.map(|name| (&**name, ""))) {
                if !names.contains(&name) {
                    names.push(name);
                }
                let known = properties.entry(name).or_default();
                if known.is_empty() {
                    *known = property;
                }
            }
        }
        names.into_iter().map(move |name| {
            let title = format!("{} {name}", properties[name]);
            Case::new(Group::Check, title.trim_start(), self.check(name))
        })
    }

    fn check(&self, name: &str) -> Outcome {
        let broken = self.with(|result| result.broken().any(|cause| cause.name == name));
        let lines = broken.iter().map(|result| {
            let cause = result.broken().find(|cause| cause.name == name);
            format!("seed {}: {}", result.seed, cause.map_or("", |c| &c.kind))
        });
        if let Some(found) = self.finding(kind_of_check(name), &broken, "broken", lines.collect()) {
            return Outcome::Found(found);
        }
        let unknown = self.with(|result| {
            let run = result.run.as_ref();
            run.is_some_and(|run| run.unknown.iter().any(|check| check == name))
        });
        if let Some(found) = self.finding(Kind::Inconclusive, &unknown, "unknown", Vec::new()) {
            return Outcome::Found(found);
        }
        let judged = self.with(|result| {
            let run = result.run.as_ref();
            run.is_some_and(|run| run.judged.contains_key(name))
        });
        if judged.is_empty() {
            Outcome::Skipped(format!("nothing to judge in {}", self.all()))
        } else {
            Outcome::Passed
        }
    }

    fn objectives(&self) -> impl Iterator<Item = Case> {
        let runs = self.results.iter().filter_map(|result| result.run.as_ref());
        let mut names: Vec<&str> = Vec::new();
        for run in runs {
            for name in run.objectives.keys() {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        let regressions = self.results.iter().flat_map(|result| {
            let worse = result.causes.iter();
            worse.filter(|cause| cause.property == REGRESSION)
        });
        let mut worse: Vec<&str> = regressions.map(|cause| &*cause.name).collect();
        worse.sort_unstable();
        worse.dedup();
        let regressed = worse.into_iter().map(|name| {
            let found = self.with(|result| {
                let mut causes = result.causes.iter();
                causes.any(|cause| cause.property == REGRESSION && cause.name == name)
            });
            let found = self.finding(Kind::Regression, &found, "worse", Vec::new());
            Case::found(Group::Objective, format!("no regression of {name}"), found)
        });
        let objectives = names
            .into_iter()
            .map(|name| Case::new(Group::Objective, name, self.objective(name)));
        objectives.chain(regressed)
    }

    fn objective(&self, name: &str) -> Outcome {
        let with = |status| {
            self.with(|result| {
                let run = result.run.as_ref();
                run.is_some_and(|run| run.objectives.get(name) == Some(&status))
            })
        };
        let missed = with(Status::Missed);
        let unknown = with(Status::Unknown);
        let found = self
            .finding(Kind::ObjectiveMissed, &missed, "missed", Vec::new())
            .or_else(|| self.finding(Kind::Inconclusive, &unknown, "unknown", Vec::new()));
        match found {
            Some(found) => Outcome::Found(found),
            None if with(Status::Met).is_empty() => {
                Outcome::Skipped("not known on this backend".into())
            }
            None => Outcome::Passed,
        }
    }

    fn with(&self, is_wanted: impl Fn(&SeedResult) -> bool) -> Vec<&SeedResult> {
        let results = self.results.iter().copied();
        results.filter(|result| is_wanted(result)).collect()
    }

    fn all(&self) -> String {
        super::render::runs(self.results.len() as u64)
    }

    /// `broken in 2 of 100 runs: seeds 7, 31`.
    fn finding(
        &self,
        kind: Kind,
        found: &[&SeedResult],
        what: &str,
        detail: Vec<String>,
    ) -> Option<Finding> {
        if found.is_empty() {
            return None;
        }
        let named: Vec<String> = found
            .iter()
            .take(NAMED)
            .map(|result| result.seed.to_string())
            .collect();
        let more = if found.len() > NAMED { ", …" } else { "" };
        let seeds = if found.len() == 1 { "seed" } else { "seeds" };
        let message = format!(
            "{what} in {} of {}: {seeds} {}{more}",
            found.len(),
            self.all(),
            named.join(", ")
        );
        Some(Finding {
            kind,
            message,
            detail,
        })
    }
}
