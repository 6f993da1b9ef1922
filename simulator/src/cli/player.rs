//! Collects the data for the player of a run's page, and replays the run for its messages.

use std::path::Path;
use std::str::FromStr;

use super::exit::Failure;
use super::replayed::StoredRun;
use super::tell;
use crate::backends::trace::Traced;
use crate::backends::{self, Logs, Options, TraceFilter};
use crate::explain;
use crate::history::History;
use crate::plan::Plan;
use crate::player::{MOST_BYTES, Recording, Shown, moments, player};
use crate::report::html::player::Player;
use crate::report::{Report, Verdict};
use crate::run::Judged;
use crate::run_dir::{Manifest, RunDir, shell_word};
use crate::trace::around::Around;
use crate::trace::{Trace, Window, end_us};

/// How much is shown before and after what was asked for, microseconds.
const MARGIN_US: i64 = 1_000_000;
/// How much before that is recorded where not everything can be, for the explanation.
const LEAD_US: i64 = 5_000_000;

/// Which messages the player shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// None: nothing is made again.
    None,
    /// Around what matters, as far as the page has room.
    Notable,
    /// All, however large the page gets.
    All,
    /// Around an operation, a time, or what broke.
    Around(Around),
}

impl FromStr for Messages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "none" => Self::None,
            "notable" => Self::Notable,
            "all" => Self::All,
            text => Self::Around(text.parse().map_err(|_| {
                "expected `none`, `notable`, `all`, `violation`, an operation by its number such \
                 as 812, or a time such as 12.3s"
                    .to_owned()
            })?),
        })
    }
}

/// A stored run, for its page.
pub(super) struct Stored<'a> {
    pub(super) path: &'a Path,
    pub(super) dir: &'a RunDir,
    pub(super) manifest: &'a Manifest,
    pub(super) report: &'a Report,
    pub(super) history: &'a History,
}

impl Stored<'_> {
    /// What its player plays. Where nothing is said, the messages of a run that broke a check
    /// are recorded, if that can be done: otherwise the page says why it was not.
    ///
    /// # Errors
    /// What was asked for cannot be had.
    pub(super) fn player(&self, messages: Option<Messages>) -> Result<Player, Failure> {
        // Before anything is made again: it may be a mistake.
        let shown = match messages {
            Some(Messages::All) => Shown::All,
            Some(Messages::Around(around)) => Shown::Window(self.window(around)?),
            Some(Messages::None | Messages::Notable) | None => Shown::Notable,
        };
        let is_wanted = match messages {
            Some(messages) => messages != Messages::None,
            None => is_broken(self.report) && self.can_record(),
        };
        let recorded = is_wanted.then(|| self.recorded(shown)).transpose();
        let (recorded, note) = match (recorded, messages) {
            (Ok(recorded), _) => (recorded, None),
            (Err(failure), Some(_)) => return Err(failure),
            (Err(failure), None) => {
                let note = format!("no messages could be recorded: {}", failure.message);
                tell(&format!("warning: {note}"));
                (None, Some(format!("Of this run {note}.")))
            }
        };
        let plan = self.plan();
        let (report, history) = (self.report, self.history);
        let mut player = played(report, history, plan.as_ref(), recorded.as_ref(), shown);
        let note = note.or_else(|| self.note(&player, recorded.as_ref()));
        player.notes.extend(note);
        Ok(player)
    }

    fn window(&self, around: Around) -> Result<Window, Failure> {
        let window = around.window(self.history, &self.report.checks, MARGIN_US);
        window.map_err(Failure::usage)
    }

    /// Makes the run again, and records its messages; also of which stretch. Of a run that has
    /// more of them than are kept, those of what is to be shown, or from shortly before what
    /// broke, if they are not among the first ones.
    fn recorded(&self, shown: Shown) -> Result<(Judged, Window), Failure> {
        let whole = Window {
            from_us: 0,
            to_us: end_us(self.history),
        };
        let judged = self.record(None)?;
        let Some(kept_until_us) = judged.traced.kept_until_us() else {
            return Ok((judged, whole));
        };
        // What is looked at, and until when messages are wanted.
        let wanted = match shown {
            Shown::All => None,
            Shown::Window(window) => Some((window, window.to_us.min(whole.to_us))),
            Shown::Notable => {
                let broken = self.window(Around::Violation).ok();
                broken.map(|broken| (broken, whole.to_us))
            }
        };
        let wanted = wanted.filter(|(wanted, _)| {
            let is_missed = wanted.to_us.min(whole.to_us) > kept_until_us;
            is_missed && wanted.from_us > LEAD_US
        });
        let Some((wanted, to_us)) = wanted else {
            return Ok((judged, whole));
        };
        drop(judged);
        let window = Window {
            from_us: (wanted.from_us - LEAD_US).max(0),
            to_us,
        };
        Ok((self.record(Some(window))?, window))
    }

    /// Makes the run again, and records its messages, or those of a stretch.
    fn record(&self, window: Option<Window>) -> Result<Judged, Failure> {
        let stored = StoredRun::open(self.path)?;
        stored.dir.must_have_verdict()?;
        let options = Options {
            trace: Some(TraceFilter {
                // Only an explanation asks what entries did.
                applied: is_broken(self.report),
                states_at_us: moments(end_us(self.history), self.report.cluster.nodes),
                from_us: window.map(|window| window.from_us),
                to_us: window.map(|window| window.to_us),
                ..TraceFilter::default()
            }),
            ..Options::default()
        };
        stored.run_alike(self.path, options)
    }

    /// Whether its backend can record messages when it makes the run again.
    fn can_record(&self) -> bool {
        let backend = backends::named(&self.manifest.backend);
        backend.is_some_and(|backend| backend.records_messages)
    }

    /// `None` if the scenario cannot be read any more: then some links are not known to be cut.
    fn plan(&self) -> Option<Plan> {
        let seed = self.manifest.seed;
        let scenario = self.dir.scenario(self.manifest).ok()?.draw(seed).ok()?;
        Plan::resolve(&scenario, seed).ok()
    }

    /// How there would be more.
    fn note(&self, player: &Player, recorded: Option<&(Judged, Window)>) -> Option<String> {
        let path = self.path.display().to_string();
        let command = format!("squall report {} --html --messages", shell_word(&path));
        let Some((judged, window)) = recorded else {
            return Some(match self.can_record() {
                true => format!(
                    "Messages are not shown, since a run records none: `{command} notable` makes \
                     it again with them."
                ),
                false => format!(
                    "Messages are not shown: on {} none are recorded.",
                    self.manifest.backend
                ),
            });
        };
        if judged.traced.dropped > 0 || window.from_us > 0 {
            return Some(format!(
                "The run has more messages than are recorded at once: `{command} 12.3s` shows \
                 those around that time."
            ));
        }
        let is_whole = player.windows.as_slice() == [(0, player.end)];
        (!is_whole).then(|| format!("`{command} all` shows everything."))
    }
}

/// What the player of a run plays that has just ended, which recorded no messages.
pub(super) fn without_messages(judged: &Judged) -> Player {
    let plan = Some(&judged.plan);
    played(&judged.report, &judged.history, plan, None, Shown::Notable)
}

/// What the player of a run plays; `recorded` is the run made again with its messages, and of
/// which stretch they are.
fn played(
    report: &Report,
    history: &History,
    plan: Option<&Plan>,
    recorded: Option<&(Judged, Window)>,
    shown: Shown,
) -> Player {
    let judged = recorded.map(|(judged, _)| judged);
    let (none, no_logs) = (Traced::default(), Logs::default());
    let traced = judged.map_or(&none, |judged| &judged.traced);
    let title = format!("{} seed {}", report.scenario, report.seed);
    let trace = Trace::new(title, history, &no_logs, traced, None, None);
    let story = judged.filter(|judged| is_broken(&judged.report));
    let story = story.map(explain::story);
    let recording = Recording {
        trace: &trace,
        report,
        plan,
        messages: recorded.map(|(_, window)| *window),
        story: story.as_ref(),
    };
    player(&recording, shown, MOST_BYTES)
}

/// Whether a check is broken, so that messages are worth another run.
pub(super) fn is_broken(report: &Report) -> bool {
    let mut checks = report.checks.iter();
    checks.any(|check| check.verdict == Verdict::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_asked_for_by_word_operation_or_time() {
        for (text, expected) in [
            ("none", Messages::None),
            ("notable", Messages::Notable),
            ("all", Messages::All),
            ("violation", Messages::Around(Around::Violation)),
            ("812", Messages::Around(Around::Operation(812))),
            ("2.5s", Messages::Around(Around::Time(2_500_000))),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        let error = "some".parse::<Messages>().expect_err("no such word");
        assert!(error.contains("`notable`"), "{error}");
    }
}
