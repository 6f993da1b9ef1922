//! Shows the progress of a run: some lines on a terminal, a line now and then elsewhere.
//!
//! It is told every event as it is recorded and tells nobody anything back, so that a run
//! that is looked at is, to the byte, the run that is not. It belongs to standard error.

mod levels;
mod state;

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::Rc;
use std::time::Duration;

use super::progress_bar::WorkBar;
use super::tell;
use crate::history::{Observed, Phase};
use crate::objective::{Metric, Quantile};
use crate::plan::Plan;
use crate::report::duration;
use crate::stopwatch::Stopwatch;
use levels::Levels;
use state::{Limits, Progress, State};

/// Events between two looks at the clock, which costs more than most events do.
const EVENTS_A_LOOK: u64 = 64;
const REDRAW: Duration = Duration::from_millis(100);
/// Where nobody sees a line change.
const LINE: Duration = Duration::from_secs(10);

/// Shows the run of this thread for as long as it lives.
pub(super) struct Live {
    display: Rc<RefCell<Display>>,
    _observed: Observed,
}

impl Live {
    pub(super) fn begin(plan: &Plan) -> Self {
        let limit = |wanted: Metric| {
            let asked = plan.objectives.iter();
            let mut asked = asked.filter(|objective| objective.figure == wanted);
            asked.next().map(|objective| objective.limit)
        };
        let election = |quantile| limit(Metric::Election { quantile });
        let limits = Limits {
            downtime_us: limit(Metric::DowntimeMax),
            election_us: election(Quantile::Max).or_else(|| election(Quantile::P99)),
        };
        let phases = &plan.phases;
        let display = Display {
            title: format!("{} seed {}", plan.scenario, plan.seed),
            planned_us: phases.warmup_us + phases.chaos_us + phases.serve_us,
            state: State::new(limits, Levels::of(&plan.objectives)),
            watch: Stopwatch::start(),
            shown: Duration::ZERO,
            events: 0,
            progress_bar: std::io::stderr().is_terminal().then(WorkBar::of_run),
        };
        let display = Rc::new(RefCell::new(display));
        let observer = display.clone();
        Self {
            display,
            _observed: Observed::by(Rc::new(move |event| observer.borrow_mut().take_in(event))),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(progress_bar) = &self.display.borrow().progress_bar {
            progress_bar.finish();
        }
    }
}

struct Display {
    title: String,
    planned_us: u64,
    state: State,
    watch: Stopwatch,
    /// When the last lines were drawn.
    shown: Duration,
    events: u64,
    /// `None` where standard error is no terminal.
    progress_bar: Option<WorkBar>,
}

impl Display {
    fn take_in(&mut self, event: &crate::history::Event) {
        self.state.take_in(event);
        self.events += 1;
        if !self.events.is_multiple_of(EVENTS_A_LOOK) {
            return;
        }
        let elapsed = self.watch.elapsed();
        let every = match self.progress_bar {
            Some(_) => REDRAW,
            None => LINE,
        };
        if elapsed - self.shown < every {
            return;
        }
        self.shown = elapsed;
        let progress = self.state.progress();
        match &self.progress_bar {
            Some(progress_bar) => {
                progress_bar.message(&lines(&self.title, self.planned_us, &progress).join("\n"));
                progress_bar.tick();
            }
            None => tell(&line(&self.title, self.planned_us, &progress)),
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
    if let Some(risks) = risks(progress) {
        lines.push(format!("  at risk  {risks}"));
    }
    lines
}

/// The same in one line.
fn line(title: &str, planned_us: u64, progress: &Progress) -> String {
    let mut parts = vec![position(planned_us, progress), figures(progress)];
    parts.extend(progress.faults.iter().cloned());
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
    use super::levels::Risk;
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
            "  at risk  queue down 4.200 s, limit 4.000 s missed",
        ];
        assert_eq!(
            lines("leader-kill seed 7", 30_000_000, &progress()),
            expected
        );
        let calm = Progress {
            faults: Vec::new(),
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
            line.ends_with(" · kill node-1 · at risk: queue down 4.200 s, limit 4.000 s missed"),
            "{line}"
        );
    }
}
