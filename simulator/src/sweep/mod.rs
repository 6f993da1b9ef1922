//! A sweep: many seeds of some scenarios, each in a process of its own, and what they show
//! taken together.
//!
//! ```text
//! Spec ──Task──▶ pool ──process──▶ SeedResult ──▶ Store (results.jsonl) ──▶ Summary ──▶ json | markdown | csv
//! ```
//!
//! Every seed runs in a fresh process. Starting one takes less than three milliseconds, a
//! run at least some ninety, and for that price nothing that a dependency keeps in its
//! process can leak into the next seed, and a crash, a hang or a memory blow-up is a result
//! of the seed that had it. A [`SeedResult`] holds what its seed measured undigested, so a
//! summary is a pure function of a set of results: resumed, sharded and merged sweeps have
//! the summary of the sweep done at once, to the last digit.
//!
//! Not here: how a seed runs ([`crate::run`]), and what is shown on a terminal meanwhile
//! ([`crate::cli`]).

pub mod cases;
pub mod cause;
pub mod failures;
mod html;
pub mod pool;
mod render;
pub mod result;
pub mod seeds;
pub mod spec;
pub mod store;
pub mod summary;
mod tables;

pub use cause::Cause;
pub use html::html;
pub use render::{csv, figures_csv, headline, markdown, seeds_csv, text};
pub use result::{Ending, Measure, SeedResult};
pub use seeds::{SeedRange, Shard};
pub use spec::{Spec, SweptProfile, SweptScenario, Task};
pub use store::{Store, StoreError};
pub use summary::{Summary, Wall, exit_code};
