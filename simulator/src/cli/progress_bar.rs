//! Shows the progress of long work as a bar on a terminal; elsewhere it shows nothing.
//!
//! It belongs to standard error; what is said while it is shown goes above it.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(super) struct WorkBar {
    bar: ProgressBar,
    failed: Cell<u64>,
    /// Whether work is measured by time instead of by pieces.
    budget_us: Option<u64>,
}

impl WorkBar {
    /// Of `planned` runs of which `done` are done, or of as many as fit into the budget.
    pub(super) fn of_sweep(planned: u64, done: u64, budget_us: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(planned), ProgressDrawTarget::stderr())
            .with_position(done);
        let template = match budget_us {
            Some(_) => "{spinner} {pos} runs, {per_sec} {msg} [{elapsed}]",
            None => "[{bar:30}] {pos}/{len} runs, {per_sec}, {eta} left {msg}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        bar.set_style(style.progress_chars("━━ "));
        // What was done in an earlier sitting says nothing about the speed of this one.
        bar.reset_eta();
        Self {
            bar,
            failed: Cell::new(0),
            budget_us,
        }
    }

    /// Of one run: some lines that say how it stands.
    pub(super) fn of_run() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg}");
        bar.set_style(style.expect("the template is well formed"));
        Self {
            bar,
            failed: Cell::new(0),
            budget_us: None,
        }
    }

    /// Of work whose end cannot be foreseen.
    pub(super) fn of_search() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {pos} runs, {msg} [{elapsed}]");
        bar.set_style(style.expect("the template is well formed"));
        Self {
            bar,
            failed: Cell::new(0),
            budget_us: None,
        }
    }

    /// Keeps the clock on the bar going.
    pub(super) fn tick(&self) {
        if let Some(budget_us) = self.budget_us {
            let left = Duration::from_micros(budget_us).saturating_sub(self.bar.elapsed());
            self.show(&format!("{} s left", left.as_secs()));
        }
        self.bar.tick();
    }

    pub(super) fn done(&self, position: u64) {
        self.bar.set_position(position);
    }

    pub(super) fn failed(&self) {
        self.failed.set(self.failed.get() + 1);
        self.show("");
    }

    pub(super) fn message(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn show(&self, text: &str) {
        let failed = match self.failed.get() {
            0 => String::new(),
            failed => format!("{failed} failed"),
        };
        let parts: Vec<&str> = [text, &failed]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect();
        self.message(&parts.join(", "));
    }

    /// Says a line above the bar.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| super::tell(line));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
