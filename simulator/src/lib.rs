//! Squall: chaos and failure-recovery testing of replicated services.
//!
//! It answers how long clients are down, and what they lose, when a part of a cluster fails.
//! Squall runs a real Raft cluster, breaks it on purpose, and measures what its clients saw: in
//! deterministic virtual time (one seed, one history, to the byte) or on real nodes.
//!
//! The way of a run is in [`run`], on one screen. The modules behind it, each importing only
//! from those below it:
//!
//! - [`cli`]: the `squall` command · [`testing`]: the same for `cargo test`
//! - [`system`]: a cluster of your own in its place
//! - [`calibrate`]: what hardware costs, measured · [`compare`]: runs side by side ·
//!   `trend`: over time
//! - `ci`: the files that CI servers read
//! - `track_record`: planted bugs, hunted (feature `planted`)
//! - [`sweep`]: many seeds · `explore`: search that learns
//! - `shrink`: the smallest run that still fails
//! - [`run_dir`]: what a run leaves behind · [`environment`]: what made it
//! - [`player`]: what the player of a run's page plays
//! - [`explain`]: why a run failed, in plain words
//! - [`trace`]: what happened, moment by moment
//! - [`run`]: a scenario's way to its verdict
//! - [`report`]: plain data, then renderers
//! - [`check`]: one property, one file · [`measure`]: election, downtime, recovery, loss
//! - [`backends`]: the worlds that execute a plan
//! - [`workload`]: clients · [`history`]: what happened
//! - [`plan`]: what will happen · [`fault`]: the vocabulary · [`scenario`]: what was written
//! - [`baseline`]: figures of earlier runs to compare with
//! - [`objective`]: what a run must achieve · [`fixed`]: numbers that print alike everywhere

#![warn(missing_docs)]

pub use squall_check as check;
pub use squall_fault as fault;
pub use squall_history as history;
pub use squall_measure as measure;
pub use squall_objective::{baseline, fixed, objective};
pub use squall_plan::{plan, scenario};
pub use squall_report as report;
pub use squall_workload as workload;

pub mod backends;
pub mod calibrate;
mod ci;
pub mod cli;
pub mod compare;
pub mod environment;
pub mod explain;
mod explore;
pub mod player;
pub mod run;
pub mod run_dir;
mod shrink;
mod stopwatch;
pub mod sweep;
pub mod system;
mod system_files;
pub mod testing;
pub mod trace;
#[cfg(feature = "planted")]
pub mod track_record;
mod trend;
