//! Shows the progress of a run: some lines on a terminal, a line now and then elsewhere.
//!
//! It reads the tally of the run, when there is time to draw, and tells nobody anything. It
//! belongs to standard error.

mod progress;

use std::io::IsTerminal;
use std::time::Duration;

use squall_watch::Tally;

use super::progress_bar::WorkBar;
use super::tell;
use crate::history::Phase;
use crate::plan::Plan;
use crate::report::duration;
use progress::{Limits, Progress};

const REDRAW: Duration = Duration::from_millis(100);
/// Where nobody sees a line change.
const LINE: Duration = Duration::from_secs(10);

/// What shows the run of this thread.
pub(super) struct Display {
    title: String,
    planned_us: u64,
    limits: Limits,
    /// When the last lines were drawn.
    shown: Duration,
    /// `None` where standard error is no terminal.
    progress_bar: Option<WorkBar>,
}

impl Display {
    pub(super) fn of(plan: &Plan, planned_us: u64) -> Self {
        Self {
            title: format!("{} seed {}", plan.scenario, plan.seed),
            planned_us,
            limits: Limits::of(plan),
            shown: Duration::ZERO,
            progress_bar: std::io::stderr().is_terminal().then(WorkBar::of_run),
        }
    }

    /// Draws how the run stands, if the last lines are old enough.
    pub(super) fn draw(&mut self, tally: &mut Tally, elapsed: Duration) {
        let every = match self.progress_bar {
            Some(_) => REDRAW,
            None => LINE,
        };
        if elapsed - self.shown < every {
            return;
        }
        self.shown = elapsed;
        let progress = Progress::of(tally, self.limits);
        match &self.progress_bar {
            Some(progress_bar) => {
                progress_bar.message(&lines(&self.title, self.planned_us, &progress).join("\n"));
                progress_bar.tick();
            }
            None => tell(&line(&self.title, self.planned_us, &progress)),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(progress_bar) = &self.progress_bar {
            progress_bar.finish();
        }
    }
}

/// For a terminal; what there is nothing to say of is left out.
fn lines(title: &str, planned_us: u64, progress: &Progress) -> Vec<String> {
    let mut lines = vec![
        format!("{title}: {}", position(planned_us, progress)),
        format!("  {}", figures(progress)),
    ];
    if !progress.faults.is_empty() {
        lines.push(format!("  faults  {}", progress.faults.join("; ")));
    }
    if !progress.alerts.is_empty() {
        lines.push(format!("  alerts  {}", progress.alerts.join("; ")));
    }
    if let Some(risks) = risks(progress) {
        lines.push(format!("  at risk  {risks}"));
    }
    lines
}

/// The same in one line.
fn line(title: &str, planned_us: u64, progress: &Progress) -> String {
    let mut parts = vec![position(planned_us, progress), figures(progress)];
    parts.extend(progress.faults.iter().cloned());
    let alerts = progress.alerts.iter();
    parts.extend(alerts.map(|alert| format!("alert: {alert}")));
    parts.extend(risks(progress).map(|risks| format!("at risk: {risks}")));
    format!("{title}: {}", parts.join(" · "))
}

fn position(planned_us: u64, progress: &Progress) -> String {
    let phase = match progress.phase {
        None => "forming",
        Some(Phase::Warmup) => "warm-up",
        Some(Phase::Chaos) => "chaos",
        Some(Phase::Heal) => "heal",
        Some(Phase::Converge) => "converge",
        Some(Phase::Serve) => "serve",
        Some(Phase::Audit) => "audit",
        Some(Phase::End) => "end",
    };
    let at = seconds(progress.at_us);
    match progress.at_us < planned_us {
        true => format!("{phase}, {at} of {}", seconds(planned_us)),
        // The lengths of convergence and audit are not known before.
        false => format!("{phase}, {at}"),
    }
}

fn figures(progress: &Progress) -> String {
    let leader = match &progress.leader {
        Some((node, term)) => format!("{node} leads term {term}"),
        None => "no leader".to_owned(),
    };
    let p99 = progress.p99_us.map_or_else(|| "-".to_owned(), duration);
    format!(
        "{leader} · {}/s · p99 {p99} · {} acknowledged, {} failed, {} unknown",
        progress.per_second, progress.acked, progress.failed, progress.unknown
    )
}

fn risks(progress: &Progress) -> Option<String> {
    let risks = progress.at_risk.iter().map(|risk| {
        let (is, limit) = (duration(risk.for_us), duration(risk.limit_us));
        match risk.for_us > risk.limit_us {
            true => format!("{} {is}, limit {limit} missed", risk.what),
            false => format!("{} {is} of {limit}", risk.what),
        }
    });
    let risks: Vec<String> = risks.collect();
    (!risks.is_empty()).then(|| risks.join("; "))
}

fn seconds(us: u64) -> String {
    format!("{}.{} s", us / 1_000_000, us / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::progress::Risk;
    use super::*;

    fn progress() -> Progress {
        Progress {
            at_us: 12_340_000,
            phase: Some(Phase::Chaos),
            leader: Some(("node-4".into(), 2)),
            per_second: 412,
            p99_us: Some(8_120),
            acked: 4_000,
            failed: 12,
            unknown: 3,
            faults: vec!["kill node-1".into()],
            alerts: vec!["queue slow".into()],
            at_risk: vec![Risk {
                what: "queue down".into(),
                for_us: 4_200_000,
                limit_us: 4_000_000,
            }],
        }
    }

    #[test]
    fn a_terminal_has_a_line_for_each_thing_to_say() {
        let expected = [
            "leader-kill seed 7: chaos, 12.3 s of 30.0 s",
            "  node-4 leads term 2 · 412/s · p99 8.12 ms · 4000 acknowledged, 12 failed, 3 unknown",
            "  faults  kill node-1",
            "  alerts  queue slow",
            "  at risk  queue down 4.200 s, limit 4.000 s missed",
        ];
        assert_eq!(
            lines("leader-kill seed 7", 30_000_000, &progress()),
            expected
        );
        let calm = Progress {
            faults: Vec::new(),
            alerts: Vec::new(),
            at_risk: Vec::new(),
            ..progress()
        };
        assert_eq!(lines("t", 1, &calm)[0], "t: chaos, 12.3 s");
        assert_eq!(lines("t", 1, &calm).len(), 2);
    }

    #[test]
    fn elsewhere_it_is_one_line() {
        let line = line("t", 30_000_000, &progress());
        assert!(
            line.starts_with("t: chaos, 12.3 s of 30.0 s · node-4 leads"),
            "{line}"
        );
        assert!(
            line.ends_with(" · kill node-1 · alert: queue slow · at risk: queue down 4.200 s, limit 4.000 s missed"),
            "{line}"
        );
    }
}
