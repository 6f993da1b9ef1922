//! The answer first: how long clients were down and what they lost, in one sentence; then
//! the figures behind it.

use maud::{Markup, html};

use crate::report::Report;
use crate::verdict::RunVerdict;
use crate::words::{affected, count, down, duration};
use squall_history::Phase;
use squall_objective::fixed::{Ms, Percent};

use super::findings;

pub(super) fn summary(report: &Report) -> Markup {
    html! {
        header {
            p.eyebrow { (report.scenario) " · seed " (report.seed) " · " (report.backend_title()) }
            h1 { (headline(report)) }
            p.verdict {
                strong class=(severity(report.verdict)) { (report.verdict.to_string()) ", " (report.decision.word()) }
                @if !findings::are_all_reported(report) { " " (report.reason) }
            }
            (findings::reasons(report))
            dl.figures {
                @for (name, value, more) in figures(report) {
                    div { dt { (name) } dd { (value) @if !more.is_empty() { small { (more) } } } }
                }
            }
        }
    }
}

/// Of the style sheet.
pub(super) fn severity(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Pass => "good",
        RunVerdict::Inconclusive => "doubtful",
        RunVerdict::Violation | RunVerdict::ObjectiveMissed => "bad",
    }
}

/// `Down for 1.32 s at most, for 5 of 6 clients at some time. Nothing lost.`
pub fn headline(report: &Report) -> String {
    let down = down(report.downtime_ms.any);
    let loss = &report.data_loss;
    let lost = match (loss.lost, loss.acked) {
        (0, 0) => "Nothing written.".to_owned(),
        (0, _) => "Nothing lost.".to_owned(),
        (1, _) => "1 acknowledged write lost.".to_owned(),
        (lost, _) => format!("{} acknowledged writes lost.", count(lost)),
    };
    let broken = match report.verdict {
        RunVerdict::Violation if loss.lost == 0 => " A promise broken.",
        _ => "",
    };
    format!("{down} {lost}{broken}")
}

/// Name, figure, and what goes with it.
fn figures(report: &Report) -> Vec<(&'static str, String, String)> {
    const NONE: &str = "–";
    let or_none = |value: Option<u64>| value.map_or_else(|| NONE.to_owned(), duration);
    let operations = &report.operations;
    let ppm = (operations.acknowledged * 1_000_000).checked_div(operations.invoked);
    let success = ppm.map(|ppm| format!("{:.2} % acknowledged", Percent::of(ppm)));
    let rate = |phase| {
        let rates = report.throughput.get("all")?;
        Some(rates.get(&phase)?.per_second.get() / 1_000)
    };
    let chaos = rate(Phase::Chaos);
    let warmup = rate(Phase::Warmup);
    let election = &report.election_ms;
    let recovery = &report.recovery_ms.throughput;
    vec![
        (
            "Longest downtime",
            match report.downtime_ms.any {
                None => NONE.to_owned(),
                Some(any) => duration(any.clients.max.get()),
            },
            match report.downtime_ms.any {
                Some(any) if any.clients.without > 0 => affected(&any),
                _ => "of any client".to_owned(),
            },
        ),
        (
            "Availability",
            report
                .availability
                .map_or_else(|| NONE.to_owned(), |a| format!("{a:.3} %")),
            "chaos to serve".to_owned(),
        ),
        (
            "Leader election",
            or_none(election.max.map(Ms::get)),
            match election.count {
                0 => "no leader was lost".to_owned(),
                1 => "once".to_owned(),
                more => format!("longest of {}", count(more)),
            },
        ),
        (
            "Recovery",
            or_none(recovery.times.max.map(Ms::get)),
            match (recovery.times.count, recovery.unseen) {
                (0, 0) => "nothing to recover from".to_owned(),
                (_, 0) => "to the warm-up's service".to_owned(),
                (_, unseen) => format!("{} not seen", count(unseen)),
            },
        ),
        (
            "Writes lost",
            count(report.data_loss.lost),
            format!("of {} acknowledged", count(report.data_loss.acked)),
        ),
        (
            "Throughput in chaos",
            chaos.map_or_else(|| NONE.to_owned(), |rate| format!("{}/s", count(rate))),
            warmup.map_or_else(String::new, |rate| format!("warm-up {}/s", count(rate))),
        ),
        (
            "Operations",
            count(operations.invoked),
            success.unwrap_or_default(),
        ),
    ]
}
