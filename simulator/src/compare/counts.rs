//! Two versions: what happens more often in one of them. Endings, and figures that not every
//! run shows.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_statistics::{Share, Shares, fisher_exact};

use super::side::Part;
use crate::fixed::chance;
use crate::report::Chance;
use crate::sweep::{Ending, SeedResult};

/// How often something happened on each side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// An ending, or a figure that not every run shows.
    pub what: Counted,
    /// Runs in which it happened, of all that were counted: of an ending all runs, of a figure
    /// those with a report.
    pub a: u64,
    /// Runs of A that were counted.
    pub of_a: u64,
    /// As `a`, of B.
    pub b: u64,
    /// Runs of B that were counted.
    pub of_b: u64,
    /// Chance of shares at least as far apart if there is no difference, by Fisher's exact
    /// test; of this count alone, and corrected for all counts and figures.
    pub p: Chance,
    /// See `p`.
    pub adjusted_p: Chance,
    /// Whether they differ with the certainty that was asked for.
    pub is_different: bool,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Runs that ended so.
    Ending(Ending),
    /// Runs that show this figure.
    Figure(String),
}

impl Counted {
    /// `objective missed`, `recovery_time shown`.
    pub fn label(&self) -> String {
        match self {
            Counted::Ending(ending) => ending.label().to_owned(),
            Counted::Figure(figure) => format!("{figure} shown"),
        }
    }
}

impl Count {
    /// By shares, since the sides may have numbers of runs that differ.
    pub fn is_more_often_in_b(&self) -> bool {
        u128::from(self.b) * u128::from(self.of_a) > u128::from(self.a) * u128::from(self.of_b)
    }

    /// `objective missed in 1 of 10 runs of A, in 9 of 10 of B`.
    pub fn said(&self) -> String {
        format!(
            "{} in {} of {} runs of A, in {} of {} of B",
            self.what.label(),
            self.a,
            self.of_a,
            self.b,
            self.of_b
        )
    }
}

/// A count and what the test says of it alone.
pub(super) struct Tested {
    what: Counted,
    a: Share,
    b: Share,
    found: Shares,
}

impl Tested {
    pub(super) fn p(&self) -> f64 {
        self.found.p
    }

    pub(super) fn judged(self, adjusted_p: f64, alpha: f64) -> Count {
        Count {
            what: self.what,
            a: self.a.of_it,
            of_a: self.a.all,
            b: self.b.of_it,
            of_b: self.b.all,
            p: chance(self.found.p),
            adjusted_p: chance(adjusted_p),
            is_different: adjusted_p <= alpha,
        }
    }
}

/// Of every ending but a pass, which is what the others leave, and of every figure. Those that
/// could not differ by more than chance, however they fall on the two sides, are no question
/// (Tarone 1990).
pub(super) fn tested(a: &Part<'_>, b: &Part<'_>, alpha: f64) -> Vec<Tested> {
    let share = |part: &Part<'_>,
                 is_counted: &dyn Fn(&SeedResult) -> bool,
                 happened: &dyn Fn(&SeedResult) -> bool| {
        let counted = || part.results().filter(|result| is_counted(result));
        Share {
            of_it: counted().filter(|result| happened(result)).count() as u64,
            all: counted().count() as u64,
        }
    };
    let test = |what, a: Share, b: Share| {
        let found = fisher_exact(a, b)?;
        (found.least_p <= alpha).then_some(Tested { what, a, b, found })
    };
    let endings = Ending::ALL
        .into_iter()
        .filter(|ending| *ending != Ending::Pass);
    let endings = endings.filter_map(|ending| {
        let of = |part| share(part, &|_| true, &|result| result.ending == ending);
        test(Counted::Ending(ending), of(a), of(b))
    });
    let runs = a.results().chain(b.results());
    let names: BTreeSet<&str> = runs
        .filter_map(|result| result.run.as_ref())
        .flat_map(|run| run.figures.keys().map(String::as_str))
        .collect();
    let figures = names.into_iter().filter_map(|name| {
        let shows = |result: &SeedResult| {
            let run = result.run.as_ref();
            run.is_some_and(|run| run.figures.contains_key(name))
        };
        let of = |part| share(part, &|result| result.run.is_some(), &shows);
        test(Counted::Figure(name.to_owned()), of(a), of(b))
    });
    endings.chain(figures).collect()
}
