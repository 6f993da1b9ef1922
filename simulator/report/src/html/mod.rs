//! The report as a page: one self-contained file to be read on a phone, on a desk and on
//! paper, with or without its script.
//!
//! [`run_page`] is a run's; [`scalability_page`] sets several runs side by side. Graphs are
//! drawn as SVG here ([`plot`]); `script.js` only reads them off, zooms and chooses. Nothing
//! is measured here: what is drawn comes from [`squall_measure::series`], what is said from
//! the report.

pub mod document;
mod findings;
pub mod intervals;
mod lanes;
mod load_curve;
mod over_time;
pub mod page;
mod percentiles;
pub mod player;
pub mod plot;
mod resource_plots;
mod run_page;
mod scalability;
pub mod scale;
mod summary;
mod time_axis;

pub use run_page::run_page;
pub use scalability::scalability_page;
