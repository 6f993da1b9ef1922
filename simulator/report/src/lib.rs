//! The report: what a run showed, as plain data, and its renderings.
//!
//! [`Report`] is `report.json`; [`build`] composes it from measures, check results and what the
//! caller knows of the run. A [`document`] is what is made of it: tables, facts, text. The
//! writers ([`mod@write`], [`html`]) read nothing but these, so a stored report prints as the
//! fresh one did.
//!
//! Not here: how anything is measured ([`squall_measure`]) or judged ([`squall_check`]),
//! and writing of files.

#![warn(missing_docs)]

mod alerts;
mod analysis;
mod bottlenecks;
mod build;
pub mod cases;
pub mod csv;
pub mod document;
mod faults;
mod figures;
pub mod html;
mod load;
mod markdown;
mod objectives;
mod report;
mod sections;
mod tables;
mod text;
mod timeline;
mod variants;
mod verdict;
mod words;
pub mod write;

pub use analysis::Analysis;
pub use bottlenecks::{Bottleneck, Priority, Rule};
pub use build::{Input, WallInput, build};
pub use faults::FaultRow;
pub use figures::figures;
pub use load::Load;
pub use markdown::markdown;
pub use objectives::{ObjectiveResult, Status};
pub use report::{Cluster, ElectionTimeout, Machine, Report, Sim};
pub use squall_objective::alert::{ActionOutcome, AlertReport};
pub use squall_objective::baseline::Comparison;
pub use squall_objective::fixed::{
    Chance, Fixed, Ms, Number, PerSecond, Percent, Seconds, SignedNumber, SignedPercent,
};
pub use squall_objective::objective::{Bound, Unit};
pub use text::text;
pub use variants::Variants;
pub use verdict::{Decision, RunVerdict, check_counts, is_recovery};
pub use words::{count, duration};
pub use write::text::Style;

pub use squall_check::{CheckResult, Verdict};
pub use squall_history::{FaultStatus, Phase};
pub use squall_measure::{
    CacheReport, Class, Downtime, ErrorRow, Gap, Latencies, Latency, Leader, LoadStep, Loss,
    OperationLatency, Operations, Overall, PayloadRow, PhaseStart, QueueReport, Rate, Recovery,
    RecoveryTimes, ResourceRow, Samples, ServiceDowntime, SlowRow, Throughput, TimelineData, Times,
};

#[cfg(test)]
mod tests;

impl Report {
    /// The backend for people: `containers`.
    pub(crate) fn backend_title(&self) -> &str {
        self.made_on.map_or(&self.backend, |backend| backend.title)
    }

    /// Whether a seed has one history on the backend.
    pub(crate) fn is_simulated(&self) -> bool {
        self.made_on.is_some_and(|backend| backend.simulated)
    }

    /// Whether the backend is one that cannot say what nodes use.
    pub(crate) fn cannot_know_resources(&self) -> bool {
        self.made_on.is_some_and(|backend| !backend.knows_resources)
    }
}
