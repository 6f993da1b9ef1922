//! A sweep as a page: how its runs ended, and each duration as a distribution over all of
//! them with the seed that gave the worst.

use maud::{Markup, html as markup};

use super::render::{endings, headline, runs};
use super::result::Results;
use super::result::{Ending, Measure};
use super::summary::{ScenarioSummary, Summary};
use super::tables;
use crate::report::document::{Block, Section, known};
use crate::report::html::page::{Graphs, blocks, page, section};
use crate::report::html::plot::{Grid, Line, Plot};
use crate::report::html::scale::{Scale, Unit, round_duration};
use crate::report::{count, duration};

/// Durations drawn as distributions, and their classes in the style sheet.
static DRAWN: [(Measure, &str); 4] = [
    (Measure::Detection, "n1"),
    (Measure::Election, "n0"),
    (Measure::Downtime, "n4"),
    (Measure::Recovery, "n3"),
];
/// Places on the axis for each tenfold duration.
const STEPS: u32 = 80;

const MARKS: &str = "Situations that are hard to come by, and how many runs met them. One that no \
                     run met is a situation that these seeds say nothing about.";

/// The page as one HTML document.
pub fn html(summary: &Summary, results: &Results) -> String {
    let grid = grid(results);
    let plots: Vec<Plot> = summary
        .scenarios
        .iter()
        .enumerate()
        .filter_map(|(number, scenario)| plot(number, scenario, results, &grid))
        .collect();
    let graphs = [Graphs {
        grid: &grid,
        plots: &plots,
    }];
    let mut sections: Vec<Section> = summary
        .scenarios
        .iter()
        .enumerate()
        .map(|(number, of_it)| scenario(number, of_it, &plots, &grid))
        .collect();
    let faults = Block::Table(tables::faults(summary));
    let marks = vec![
        Block::Note(MARKS.into()),
        Block::Table(tables::marks(summary).without(&["mark"])),
    ];
    let checks = Block::Table(tables::checks(summary));
    sections.push(Section::new("faults", "Faults by kind", vec![faults]));
    sections.push(Section::new("checks", "Checks", vec![checks]));
    sections.push(Section::new("marks", "Marks", marks));
    sections.push(appendix(summary));
    let body = markup! {
        (head(summary))
        @if !summary.failures.is_empty() { (failures(summary)) }
        @for shown in &sections { (section(shown)) }
    };
    let title = format!("Sweep of seeds {}", summary.sweep.seeds);
    let footer = format!(
        "Squall {} · {}",
        summary.sweep.version, summary.wall.finished
    );
    page(&title, &body, &graphs, &footer)
}

fn scenario(number: usize, scenario: &ScenarioSummary, plots: &[Plot], grid: &Grid) -> Section {
    let plots = plots.iter().filter(|plot| plot.id == id(number));
    let figures = tables::figures([scenario]);
    let figures = (!figures.is_empty()).then(|| {
        Block::Drawn(markup! {
            details.plan {
                summary { "Latency, throughput and stages of all runs" }
                (blocks(&[Block::Table(figures)]))
            }
        })
    });
    let shown = [Block::Note(endings(scenario))].into_iter();
    let shown = shown.chain(plots.map(|plot| Block::Drawn(plot.markup(grid))));
    let measures = Block::Table(tables::measures([scenario], false));
    let id = format!("scenario-{number}");
    Section::new(
        id,
        &scenario.scenario,
        shown.chain([measures]).chain(figures).collect(),
    )
}

fn head(summary: &Summary) -> Markup {
    let passed = summary.ended(Ending::Pass);
    let done = summary.sweep.done;
    let lost = summary.totals.lost_writes;
    let title = match (done, passed == done) {
        (0, _) => "Nothing done.".to_owned(),
        (_, true) => format!("All {} passed.", runs(done)),
        (_, false) => format!("{} of {} passed.", count(passed), runs(done)),
    };
    let lost = match lost {
        0 => "Nothing lost.".to_owned(),
        1 => "1 acknowledged write lost.".to_owned(),
        more => format!("{} acknowledged writes lost.", count(more)),
    };
    let worst = |measure: Measure| {
        let of_scenarios = summary.scenarios.iter().filter_map(|scenario| {
            let found = scenario.measures.get(&measure)?;
            Some((found.max?, found.worst_seed?, &scenario.scenario))
        });
        of_scenarios.max_by_key(|(most, ..)| *most)
    };
    markup! {
        header {
            p.eyebrow { "sweep · seeds " (summary.sweep.seeds) " · " (scenarios(summary)) }
            h1 { (title) " " (lost) }
            p.verdict { (headline(summary)) "." }
            dl.figures {
                @for (ending, number) in &summary.endings {
                    div { dt { (ending.label()) } dd class=(severity(*ending)) { (count(*number)) } }
                }
                @for (measure, _) in DRAWN {
                    @if let Some((most, seed, scenario)) = worst(measure) {
                        div {
                            dt { "Worst " (measure.label()) }
                            dd { (duration(most)) small { (scenario) " seed " (seed) } }
                        }
                    }
                }
            }
        }
    }
}

fn scenarios(summary: &Summary) -> String {
    match summary.scenarios.as_slice() {
        [one] => one.scenario.clone(),
        more => format!("{} scenarios", more.len()),
    }
}

fn severity(ending: Ending) -> &'static str {
    match ending {
        Ending::Pass => "good",
        Ending::Inconclusive => "doubtful",
        _ => "bad",
    }
}

fn failures(summary: &Summary) -> Markup {
    let body = markup! {
        @for group in &summary.failures {
            h3 { (group.ending.label()) ", " (runs(group.count)) ": " (group.cause.to_string()) }
            p { (group.example.reason) }
            p.note { (group.first.join(", ")) }
            pre tabindex="0" { code { (group.example.reproduce) } }
        }
    };
    markup! { section.evidence id="failures" { h2 { "Failures" } (body) } }
}

fn id(number: usize) -> String {
    format!("distribution-{number}")
}

/// All scenarios share the axis, so that they compare. Places are powers of ten of
/// microseconds.
fn grid(results: &Results) -> Grid {
    let durations = || {
        let runs = results.values().filter_map(|result| result.run.as_ref());
        let sampled = runs.flat_map(|run| {
            DRAWN
                .iter()
                .filter_map(move |(measure, _)| run.measures.get(measure))
        });
        sampled.flat_map(|sampled| sampled.values.iter().copied())
    };
    let lowest = durations().filter(|us| *us > 0).min().unwrap_or(1_000);
    let from = lowest.ilog10();
    let to = durations().max().unwrap_or(1).max(1).ilog10().max(from) + 1;
    let places =
        (0..=(to - from) * STEPS).map(|i| f64::from(from) + f64::from(i) / f64::from(STEPS));
    Grid {
        name: "duration".into(),
        kind: "duration",
        places: places.collect(),
        from: from.into(),
        to: to.into(),
        labels: Vec::new(),
        ticks: (from..=to)
            .map(|power| {
                (
                    f64::from(power),
                    round_duration(10_u64.saturating_pow(power)),
                )
            })
            .collect(),
    }
}

/// `None` where nothing was measured.
fn plot(number: usize, scenario: &ScenarioSummary, results: &Results, grid: &Grid) -> Option<Plot> {
    let lines: Vec<Line> = DRAWN
        .iter()
        .filter_map(|(measure, class)| {
            let of_it = results.values().filter(|r| r.scenario == scenario.scenario);
            let runs = of_it.filter_map(|result| result.run.as_ref());
            let sampled = runs.filter_map(|run| run.measures.get(measure));
            let mut values: Vec<u64> = sampled.flat_map(|s| s.values.iter().copied()).collect();
            values.sort_unstable();
            (!values.is_empty()).then(|| line(*measure, class, &values, scenario, grid))
        })
        .collect();
    let note = "Detection and election: of each fault that cost the cluster its leader. \
                Downtime: the longest gap of each run. Recovery: of each new leader. The axis is \
                logarithmic.";
    let title = "Share of all at or below a duration";
    (!lines.is_empty()).then(|| Plot::new(id(number), title, note, Scale::whole(), lines))
}

fn line(
    measure: Measure,
    class: &str,
    sorted: &[u64],
    scenario: &ScenarioSummary,
    grid: &Grid,
) -> Line {
    let total = sorted.len() as u64;
    let share = |place: &f64| {
        let limit = 10_f64.powf(*place).round() as u64;
        let below = sorted.partition_point(|us| *us <= limit) as u64;
        Some(below * 1_000_000 / total)
    };
    let worst = scenario.measures.get(&measure);
    let worst = worst.and_then(|found| Some((found.max?, found.worst_seed?)));
    let rest = worst.map_or_else(String::new, |(most, seed)| {
        format!("worst {} (seed {seed})", Unit::Duration.text(most))
    });
    let values = grid.places.iter().map(share).collect();
    Line::new(measure.label(), class, values, rest)
}

/// What was swept and how, and where its data is.
fn appendix(summary: &Summary) -> Section {
    let sweep = &summary.sweep;
    let wall = &summary.wall;
    let settings = sweep.settings.iter();
    let settings: Vec<String> = settings
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let each = if sweep.verified {
        "twice, compared"
    } else {
        "once"
    };
    let facts = known(vec![
        ("seeds", sweep.seeds.clone()),
        (
            "runs",
            format!("{} of {}", count(sweep.done), count(sweep.planned)),
        ),
        ("settings", settings.join(", ")),
        ("planted bug", sweep.planted.clone().unwrap_or_default()),
        ("shard", sweep.shard.clone()),
        ("each run", each.to_owned()),
        ("processes at a time", count(wall.jobs)),
        ("took", duration(wall.seconds.get())),
        ("finished", wall.finished.clone()),
        ("squall", sweep.version.clone()),
    ]);
    let files = [
        (
            "results.jsonl",
            "every run, a line each, with its single durations",
        ),
        (
            "summary.json",
            "this summary, as docs/sweep.schema.json has it",
        ),
        (
            "failures/",
            "run directories of failures, the first few of every cause",
        ),
    ];
    let again = markup! {
        p.note {
            "Any run, the worst of a measure say, is made again with " code { "squall run SCENARIO --seed SEED" }
            ", and its page with " code { "squall report RUN_DIR --html" } "."
        }
    };
    let blocks = vec![
        Block::Facts(facts),
        Block::Heading("In the sweep's directory".into()),
        Block::Terms(files.map(|(file, what)| (file.into(), what.into())).into()),
        Block::Drawn(again),
    ];
    Section::new("again", "How it was made, raw data", blocks)
}
