//! What a page and a Markdown document say in the same words: facts, tables and sentences.

use super::tables::{Table, Tone, or_nothing};
use super::words::{count, duration};
use super::*;

/// Names and values. What is not known is left out.
pub(super) type Facts = Vec<(&'static str, String)>;

pub(super) const NO_ERRORS: &str = "None: every operation was acknowledged.";
pub(super) const NO_RESOURCES: &str = "Processor and memory of the nodes are not known on this \
                                       backend. Runs on containers sample every node each 100 ms.";
pub(super) const NO_BASELINE: &str = "No baseline was named.";
pub(super) const NO_REGRESSION: &str = "No regression.";
pub(super) const NO_RECOMMENDATION: &str = "None: nothing measured calls for a change.";

pub(super) fn summary(report: &Report) -> Facts {
    let operations = &report.operations;
    let success = (operations.acknowledged * 1_000_000)
        .checked_div(operations.invoked)
        .map(|ppm| format!("{:.3} %", Percent::of(ppm)));
    known(vec![
        ("verdict", report.verdict.to_string()),
        ("decision", decision(report).to_owned()),
        ("length of the run", duration(report.sim.seconds.get())),
        ("nodes", report.cluster.nodes.to_string()),
        ("operations", count(operations.invoked)),
        ("acknowledged", count(operations.acknowledged)),
        ("failed", count(operations.failed)),
        ("unknown", count(operations.unknown)),
        ("success rate", success.unwrap_or_default()),
    ])
}

pub(super) fn decision(report: &Report) -> &'static str {
    match report.decision.go {
        true => "go",
        false => "no-go",
    }
}

/// With a capital at its beginning and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}

/// What the cluster ran on.
pub(super) fn environment(report: &Report) -> Facts {
    let cluster = &report.cluster;
    let backend = match report.backend.as_str() {
        "sim" => "simulation in virtual time",
        "docker" => "containers",
        other => other,
    };
    let timeout = &cluster.election_timeout_ms;
    let [least, most] = [timeout.min, timeout.max].map(|ms| duration(ms.get()));
    known(vec![
        ("backend", backend.to_owned()),
        ("nodes", cluster.nodes.to_string()),
        ("heartbeat", duration(cluster.heartbeat_ms.get())),
        ("election timeout", format!("{least} to {most}")),
        ("seed", report.seed.to_string()),
    ])
}

/// What may differ between two runs of the seed.
pub(super) fn execution(report: &Report) -> Facts {
    let sim = &report.sim;
    let took = match sim.wall_seconds.get() {
        0 => String::new(),
        us => duration(us),
    };
    let machine = sim.machine.as_ref();
    known(vec![
        ("date", sim.started.clone()),
        ("took", took),
        ("squall", sim.version.clone()),
        ("commit", sim.commit.clone().unwrap_or_default()),
        (
            "machine",
            machine.map(ToString::to_string).unwrap_or_default(),
        ),
    ])
}

fn known(mut facts: Facts) -> Facts {
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

pub(super) fn resources(report: &Report) -> Table {
    let share = |share: Option<Percent>| or_nothing(share, |share| format!("{share:.1} %"));
    let row = |(node, used): (&String, &ResourceRow)| {
        let most = Unit::Bytes.text(Unit::Bytes.number(used.memory_max_bytes));
        let cells = vec![
            node.clone(),
            most,
            share(used.memory_growth),
            share(used.cpu),
        ];
        (Tone::Plain, cells)
    };
    Table {
        title: "resources",
        columns: vec!["node", ">memory at most", ">grown by", ">processor"],
        rows: report.resources.iter().map(row).collect(),
    }
}

pub(super) fn errors(report: &Report) -> Table {
    let row = |row: &ErrorRow| {
        let outcome = match row.outcome {
            Class::Failed => "failed",
            Class::Unknown => "unknown",
            Class::Ok => "ok",
        };
        let operation = format!("{} {}", row.service, row.operation);
        let cells = vec![
            operation,
            outcome.to_owned(),
            row.why.clone(),
            count(row.count),
        ];
        (Tone::Plain, cells)
    };
    Table {
        title: "errors",
        columns: vec!["operation", "outcome", "reason", ">count"],
        rows: report.errors.iter().map(row).collect(),
    }
}

/// Client and moment are those of the history, to the microsecond.
pub(super) fn slowest(report: &Report) -> Table {
    let row = |row: &SlowRow| {
        let cells = vec![
            format!("{} {}", row.service, row.operation),
            row.client.clone(),
            format!("{} s", Seconds::of(row.at_ms.get())),
            duration(row.latency_ms.get()),
        ];
        (Tone::Plain, cells)
    };
    Table {
        title: "slowest",
        columns: vec!["operation", "client", ">at", ">latency"],
        rows: report.slowest.iter().map(row).collect(),
    }
}

/// How to find one of [`slowest`] in the raw data.
pub(super) fn where_to_look(report: &Report) -> String {
    format!(
        "Of seed {}. An operation is found in history.jsonl by its client and its time, which is \
         when it was meant to start, from the start of the run.",
        report.seed
    )
}

/// Why no bottleneck is told; `None` if there is one.
pub(super) fn no_bottleneck(report: &Report) -> Option<&'static str> {
    match (report.bottlenecks.is_empty(), report.stages_us.is_empty()) {
        (false, _) => None,
        (true, true) => Some("Not known: nodes did not tell where their time went."),
        (true, false) => Some("None: no rule of docs/bottlenecks.md applies to what was measured."),
    }
}

/// What a run was compared with.
pub(super) fn baseline(comparison: &Comparison) -> String {
    let runs = match comparison.runs {
        1 => "1 run".to_owned(),
        more => format!("{} runs", count(more)),
    };
    format!(
        "Baseline {} of {runs}, version {}; {}.",
        comparison.baseline, comparison.version, comparison.tolerance
    )
}

/// Commands, and what they are good for.
pub(super) fn commands(report: &Report) -> Vec<(String, &'static str)> {
    let replay = (report.backend == "sim").then_some((
        "squall replay RUN_DIR",
        "runs it again and proves the history identical",
    ));
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
    let again = (report.reproduce.clone(), "runs it again");
    let others = replay.into_iter().chain(others);
    let others = others.map(|(command, what)| (command.to_owned(), what));
    [again].into_iter().chain(others).collect()
}

/// Files of the run directory, and what they hold.
pub(super) fn raw_data(report: &Report) -> Vec<(&'static str, String)> {
    let history = format!(
        "every event, a line each: {} of them, SHA-256 {}",
        count(report.sim.events),
        report.sim.history_sha256
    );
    let files = [
        ("history.jsonl", history),
        (
            "report.json",
            "this report, as docs/report.schema.json has it".to_owned(),
        ),
        (
            "scenario.toml, plan.txt",
            "what was asked for, and what was drawn from the seed".to_owned(),
        ),
        ("nodes/", "what each node said".to_owned()),
    ];
    let sampled = (!report.resources.is_empty()).then(|| {
        (
            "resources.csv",
            "what each node used, every 100 ms".to_owned(),
        )
    });
    files.into_iter().chain(sampled).collect()
}
