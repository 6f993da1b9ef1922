//! Fills the sections of a run's report, in the same words in every form. Which sections
//! there are, and in which order, is each form's own.

use crate::bottlenecks::Bottleneck;
use crate::document::{Block, Facts, Line, code, known, plain, strong};
use crate::report::Report;
use crate::tables;
use crate::words::{count, duration, sentence};
use squall_check::{CheckResult, Verdict};
use squall_objective::baseline::Comparison;
use squall_objective::fixed::Percent;

const NO_ERRORS: &str = "None: every operation was acknowledged.";
pub(crate) const NO_RESOURCES: &str = "Processor and memory of the nodes are not known on this \
                                       backend. Runs on containers sample every node each 100 ms.";
const NO_BASELINE: &str = "No baseline was named.";
pub(crate) const NO_REGRESSION: &str = "No regression.";
const NO_RECOMMENDATION: &str = "None: nothing measured calls for a change.";

pub(crate) fn summary(report: &Report) -> Vec<Block> {
    let operations = &report.operations;
    let success = (operations.acknowledged * 1_000_000)
        .checked_div(operations.invoked)
        .map(|ppm| format!("{:.3} %", Percent::of(ppm)));
    let facts = known(vec![
        ("verdict", report.verdict.to_string()),
        ("decision", report.decision.word().to_owned()),
        ("length of the run", duration(report.sim.seconds.get())),
        ("nodes", report.cluster.nodes.to_string()),
        ("operations", count(operations.invoked)),
        ("acknowledged", count(operations.acknowledged)),
        ("failed", count(operations.failed)),
        ("unknown", count(operations.unknown)),
        ("success rate", success.unwrap_or_default()),
    ]);
    let lines: Vec<&str> = evidence(report).collect();
    let reason = Block::text(&report.reason);
    let evidence = (!lines.is_empty()).then(|| Block::Code("text", lines.join("\n")));
    [Some(reason), evidence, Some(Block::Facts(facts))]
        .into_iter()
        .flatten()
        .collect()
}

/// Checks that do not hold.
pub(crate) fn broken(report: &Report) -> impl Iterator<Item = &CheckResult> {
    let checks = report.checks.iter();
    checks.filter(|check| check.verdict == Verdict::Fail)
}

/// One line an operation or event, of all checks that do not hold.
pub(crate) fn evidence(report: &Report) -> impl Iterator<Item = &str> {
    broken(report)
        .flat_map(|check| &check.evidence)
        .map(String::as_str)
}

/// Checks that are broken, and of which the system promises nothing.
pub(crate) fn unpromised(report: &Report) -> impl Iterator<Item = &CheckResult> {
    let checks = report.checks.iter();
    checks.filter(|check| check.verdict == Verdict::NotPromised)
}

/// What they found, with their evidence: no violation, and worth knowing.
pub(crate) fn findings_without_promise(report: &Report) -> Vec<Block> {
    let of_check = |check: &CheckResult| {
        let name = format!("{} {}", check.property, check.name);
        let lines = Block::Code("text", check.evidence.join("\n"));
        let lines = (!check.evidence.is_empty()).then_some(lines);
        let found = [Block::Heading(name), Block::text(&check.detail)];
        found.into_iter().chain(lines)
    };
    unpromised(report).flat_map(of_check).collect()
}

/// What the cluster ran on.
pub(crate) fn environment(report: &Report) -> Facts {
    let cluster = &report.cluster;
    let timeout = &cluster.election_timeout_ms;
    let [least, most] = [timeout.min, timeout.max].map(|ms| duration(ms.get()));
    known(vec![
        ("backend", report.backend_title().to_owned()),
        ("nodes", cluster.nodes.to_string()),
        ("heartbeat", duration(cluster.heartbeat_ms.get())),
        ("election timeout", format!("{least} to {most}")),
        ("seed", report.seed.to_string()),
    ])
}

/// What may differ between two runs of the seed.
pub(crate) fn execution(report: &Report) -> Facts {
    let sim = &report.sim;
    let took = match sim.wall_seconds.get() {
        0 => String::new(),
        us => duration(us),
    };
    let machine = sim.machine.as_ref().map(ToString::to_string);
    known(vec![
        ("date", sim.started.clone()),
        ("took", took),
        ("squall", sim.version.clone()),
        ("commit", sim.commit.clone().unwrap_or_default()),
        ("machine", machine.unwrap_or_default()),
    ])
}

/// What bounds throughput and latency.
pub(crate) fn bounded(report: &Report) -> Option<Block> {
    let bounded_by = report.bounded_by.as_ref();
    bounded_by.map(|text| Block::Note(sentence(text)))
}

/// What percentiles of closed loops leave out.
pub(crate) fn closed_loops(report: &Report) -> Option<String> {
    let workloads = report.closed_loops.join(", ");
    (!workloads.is_empty()).then(|| {
        format!(
            "closed loop ({workloads}): clients ask again only once they are answered, so \
             percentiles leave out what would have waited (coordinated omission); `rate` counts it"
        )
    })
}

pub(crate) fn errors(report: &Report) -> Vec<Block> {
    vec![Block::table_or(tables::errors(report), NO_ERRORS)]
}

pub(crate) fn slowest(report: &Report) -> Vec<Block> {
    let table = tables::slowest(report);
    if table.is_empty() {
        return Vec::new();
    }
    let where_to_look = format!(
        "Of seed {}. An operation is found in history.jsonl by its client and its time, which is \
         when it was meant to start, from the start of the run.",
        report.seed
    );
    vec![Block::Table(table), Block::Note(where_to_look)]
}

/// Why there is no bottleneck; `None` if there is one.
pub(crate) fn no_bottleneck(report: &Report) -> Option<Block> {
    let why = if report.stages_us.is_empty() {
        "Not known: nodes did not tell where their time went."
    } else {
        "None: no rule of docs/bottlenecks.md applies to what was measured."
    };
    report
        .bottlenecks
        .is_empty()
        .then(|| Block::Note(why.to_owned()))
}

pub(crate) fn bottlenecks(report: &Report) -> Vec<Block> {
    let found = |found: &Bottleneck| {
        let priority = found.priority.label();
        let title = format!(
            "{}: {} ({priority} priority)",
            found.subject,
            found.rule.title()
        );
        let evidence = found
            .evidence
            .iter()
            .map(|line| format!("Evidence: {line}"));
        let rest = [
            format!("Impact: {}", found.impact),
            format!("Cause: {}", found.cause),
        ];
        [Block::Heading(title), list(evidence.chain(rest))]
    };
    let found = report.bottlenecks.iter().flat_map(found);
    no_bottleneck(report).into_iter().chain(found).collect()
}

pub(crate) fn recommendations(report: &Report) -> Vec<Block> {
    if report.bottlenecks.is_empty() {
        return vec![Block::Note(NO_RECOMMENDATION.to_owned())];
    }
    let lines = report.bottlenecks.iter().map(|found| {
        let (of, what) = (&found.subject, found.rule.title());
        let text = format!(" ({of}, {what}): {}", found.recommendation);
        vec![strong(found.priority.label()), plain(text)]
    });
    vec![Block::List(lines.collect())]
}

/// What load and resources say; nothing where they say nothing.
pub(crate) fn analysis(report: &Report) -> Vec<Block> {
    let lines = analysis_lines(report);
    let lines = (!lines.is_empty()).then(|| list(lines.into_iter().map(|line| format!("{line}."))));
    let curve = report.analysis.capacity.as_ref().map(tables::curve);
    lines.into_iter().chain(curve.map(Block::Table)).collect()
}

/// A line a finding.
pub(crate) fn analysis_lines(report: &Report) -> Vec<String> {
    let found = &report.analysis;
    let capacity = found.capacity.iter().map(|capacity| &capacity.summary);
    let headroom = found.headroom.iter().map(|headroom| &headroom.evidence);
    let correlated = found.correlations.iter().map(|found| &found.evidence);
    let leaks = found.leaks.iter().map(|leak| &leak.evidence);
    let all = capacity.chain(headroom).chain(correlated).chain(leaks);
    all.cloned().collect()
}

fn list(lines: impl Iterator<Item = String>) -> Block {
    Block::List(lines.map(|line| vec![plain(line)]).collect())
}

/// What a run was compared with.
pub(crate) fn baseline(comparison: &Comparison) -> Block {
    let runs = match comparison.runs {
        1 => "1 run".to_owned(),
        more => format!("{} runs", count(more)),
    };
    Block::text(format!(
        "Baseline {} of {runs}, version {}; {}.",
        comparison.baseline, comparison.version, comparison.tolerance
    ))
}

pub(crate) fn comparison(report: &Report) -> Vec<Block> {
    let Some(comparison) = &report.comparison else {
        return vec![Block::Note(NO_BASELINE.to_owned())];
    };
    let worse = comparison.regressions();
    let worse: Vec<Line> = worse
        .map(|row| vec![strong("Regression"), plain(format!(": {row}"))])
        .collect();
    let worse = if worse.is_empty() {
        Block::Note(NO_REGRESSION.to_owned())
    } else {
        Block::List(worse)
    };
    let table = Block::Table(tables::comparison(report, true));
    vec![baseline(comparison), worse, table]
}

pub(crate) fn conclusion(report: &Report) -> Vec<Block> {
    let go = if report.decision.go { "Go." } else { "No-go." };
    let reasons = report.decision.reasons.iter().cloned();
    vec![Block::Text(vec![strong(go)]), list(reasons)]
}

/// Commands, and what they are good for; the first runs it again.
pub(crate) fn commands(report: &Report) -> Vec<(String, String)> {
    let replay = (
        "squall replay RUN_DIR",
        "runs it again and proves the history identical",
    );
    let replay = report.is_simulated().then_some(replay);
    let others = [
        ("squall check RUN_DIR", "judges the stored history again"),
        (
            "squall report RUN_DIR --html",
            "makes a page with graphs of it",
        ),
        (
            "squall report RUN_DIR --csv DIR",
            "writes every table and series as a CSV file",
        ),
    ];
    let again = (report.reproduce.as_str(), "runs it again");
    let all = [again].into_iter().chain(replay).chain(others);
    all.map(|(command, what)| (command.to_owned(), what.to_owned()))
        .collect()
}

/// Files of the run directory, and what they hold.
pub(crate) fn raw_data(report: &Report) -> Block {
    let history = format!(
        "every event, a line each: {} of them, SHA-256 {}",
        count(report.sim.events),
        report.sim.history_sha256
    );
    let files = [
        ("history.jsonl", history.as_str()),
        (
            "report.json",
            "this report, as docs/report.schema.json has it",
        ),
        (
            "scenario.toml, plan.txt",
            "what was asked for, and what was drawn from the seed",
        ),
        ("nodes/", "what each node said"),
    ];
    let sampled = ("resources.csv", "what each node used, every 100 ms");
    let sampled = (!report.resources.is_empty()).then_some(sampled);
    let files = files.into_iter().chain(sampled);
    Block::Terms(
        files
            .map(|(file, what)| (file.to_owned(), what.to_owned()))
            .collect(),
    )
}

/// A command with what it does, as lines of a list.
pub(crate) fn command_list(report: &Report) -> Block {
    let commands = commands(report).into_iter();
    let line = |(command, what)| vec![code(command), plain(format!(" {what}"))];
    Block::List(commands.map(line).collect())
}
