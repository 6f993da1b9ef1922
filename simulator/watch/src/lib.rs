//! Shows what a run is doing while it works, to people and to programs.
//!
//! A [`Tally`] takes in the events of a run as they are recorded and knows how it stands; it is
//! the one source of the live display, the page, the metrics and the alerts. Nothing flows
//! back: whoever watches a run changes nothing of it, and a stored history gives the same.
//!
//! - `tally`: figures now, over time and by operation; how objectives stand
//! - `alerts`: when an alert begins and ends · [`actions`]: what is done then
//! - [`board`]: what is published of a tally · `metrics`: the same for Prometheus
//! - [`remote_write`]: pushes metrics · [`serve`]: the page, its stream and the metrics over HTTP
//!
//! Not here: clocks of the wall (whoever runs a scenario says when to publish), and reports.

#![warn(missing_docs)]

pub mod actions;
mod alerts;
pub mod board;
mod metrics;
mod post;
pub mod remote_write;
pub mod serve;
mod stretch;
pub mod sweep;
mod tally;

use squall_history::History;
use squall_history::resources::ResourceSample;
use squall_objective::alert::AlertReport;
use squall_plan::plan::Plan;

pub use tally::Tally;

/// What a run showed of the plan's alerts, from its history and from what nodes were seen to
/// use, both in order of time.
pub fn alert_reports(
    plan: &Plan,
    history: &History,
    samples: &[ResourceSample],
) -> Vec<AlertReport> {
    if plan.alerts.is_empty() {
        return Vec::new();
    }
    let mut tally = Tally::of(plan);
    let mut samples = samples.iter().peekable();
    for event in &history.events {
        while let Some(sample) = samples.next_if(|sample| sample.at_us <= event.at_us) {
            tally.take_sample(sample);
        }
        tally.take_in(event);
    }
    tally.finish();
    tally.alerts.reports()
}
