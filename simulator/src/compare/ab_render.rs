//! Writes the comparison of two versions: for a terminal, as Markdown, and as a page.

use super::ab::{Ab, Count, Found, Row, Scenario, Standing, Verdict};
use super::render::head;
use crate::report::document::{Block, Document, Section, Severity, Table, Value, plain, strong};
use crate::report::html::document::{Header, document_page};
use crate::report::html::intervals::{Interval, intervals};
use crate::report::{Percent, SignedNumber, Style, columns, count, write};

impl Verdict {
    /// As on a terminal.
    pub fn label(self) -> &'static str {
        match self {
            Verdict::NoWorse => "NO WORSE",
            Verdict::Worse => "WORSE",
            Verdict::Broken => "BROKEN",
            Verdict::Inconclusive => "INCONCLUSIVE",
        }
    }

    fn severity(self) -> &'static str {
        match self {
            Verdict::NoWorse => "good",
            Verdict::Worse | Verdict::Broken => "bad",
            Verdict::Inconclusive => "doubtful",
        }
    }
}

impl Standing {
    fn label(self) -> &'static str {
        match self {
            Standing::Worse => "worse",
            Standing::WithinMargin => "within margin",
            Standing::Better => "better",
            Standing::NotShown => "none shown",
            Standing::TooFew => "too few runs",
        }
    }

    fn is_difference(self) -> bool {
        matches!(
            self,
            Standing::Worse | Standing::WithinMargin | Standing::Better
        )
    }
}

/// For a terminal: what differs, and how much was looked at.
pub fn text(ab: &Ab, style: Style) -> String {
    let mut out = String::new();
    for of_it in &ab.scenarios {
        let [a, b] = heads(of_it);
        out += &format!("{a}\n{b}\n\n");
        let shown = table(of_it, Standing::is_difference);
        if !shown.is_empty() {
            out += &write::text::table(&shown, style, "  ");
        }
        for count in of_it.counts.iter().filter(|count| count.is_different) {
            out += &format!("  {}\n", count.said());
        }
        for line in rest(of_it) {
            out += &format!("  {line}\n");
        }
        out.push('\n');
    }
    let code = match ab.verdict {
        Verdict::NoWorse => write::text::GREEN,
        Verdict::Worse | Verdict::Broken => write::text::RED,
        Verdict::Inconclusive => write::text::YELLOW,
    };
    out + &format!("{}: {}\n", style.paint(code, ab.verdict.label()), ab.reason)
}

/// For a file or a comment.
pub fn markdown(ab: &Ab) -> String {
    write::markdown::document(&document(ab))
}

/// One self-contained page.
pub fn html(ab: &Ab) -> String {
    let names: Vec<&str> = ab
        .scenarios
        .iter()
        .map(|of_it| of_it.b.scenario.as_str())
        .collect();
    let header = Header {
        eyebrow: format!("two versions · {}", names.join(", ")),
        verdict: Some((ab.verdict.severity(), ab.verdict.label(), ab.reason.clone())),
    };
    let footer = format!("Squall {}", env!("CARGO_PKG_VERSION"));
    document_page(&document(ab), &header, &[], &footer)
}

fn document(ab: &Ab) -> Document {
    let title = match ab.verdict {
        Verdict::NoWorse => "B is no worse, as far as these runs tell.",
        Verdict::Worse => "B is worse.",
        Verdict::Broken => "B breaks what A keeps.",
        Verdict::Inconclusive => "These runs cannot tell.",
    };
    let sections = ab.scenarios.iter().enumerate().map(|(number, of_it)| {
        let warnings = of_it.warnings.iter();
        let warnings = warnings.map(|why| vec![strong("Warning:"), plain(format!(" {why}."))]);
        let lines = heads(of_it).map(|line| vec![plain(line)]);
        let mut blocks = vec![
            Block::List(lines.into_iter().chain(warnings).collect()),
            drawn(ab, of_it),
            Block::table_or(table(of_it, |_| true), "No run shows any figure."),
        ];
        if !of_it.counts.is_empty() {
            blocks.push(Block::Heading("How often".into()));
            blocks.push(Block::Table(counts_table(of_it)));
        }
        Section::new(format!("scenario-{number}"), &of_it.b.scenario, blocks)
    });
    Document {
        title: title.into(),
        lead: vec![
            Block::Text(vec![
                strong(ab.verdict.label()),
                plain(format!(": {}.", ab.reason)),
            ]),
            Block::Note(how(ab)),
        ],
        sections: sections.collect(),
    }
}

/// What the figures of the table are.
fn how(ab: &Ab) -> String {
    let certainty = percent(ab.certainty_percent);
    let margin = match ab.margin_percent.get() {
        0 => String::new(),
        _ => format!(
            " What is worse by no more than {} of A's median is not counted as worse.",
            percent(ab.margin_percent)
        ),
    };
    format!(
        "{} figures were looked at, a value a run. The difference is that of the medians, its \
         interval holds the true one with a certainty of about {certainty}, with less where runs \
         are few, and p is the chance of ranks at least as far apart if there is no difference; \
         corrected, it takes into account how many figures were looked at, and how many counts of \
         endings and of runs that show a figure, and what counts as different is so by that.{margin} That no \
         difference is shown does not say that there is none: the interval says how large it may \
         be.",
        count(ab.figures)
    )
}

fn heads(of_it: &Scenario) -> [String; 2] {
    let endings = |endings: &std::collections::BTreeMap<crate::sweep::Ending, u64>| {
        let endings = endings.iter();
        let endings: Vec<String> = endings
            .map(|(ending, runs)| format!("{runs} {}", ending.label()))
            .collect();
        endings.join(", ")
    };
    let [a, b] = [
        (("A", &of_it.a), endings(&of_it.endings_a)),
        (("B", &of_it.b), endings(&of_it.endings_b)),
    ]
    .map(|((letter, of), endings)| format!("{}; {endings}", head(letter, of)));
    [a, b]
}

/// What is not shown on a terminal.
fn rest(of_it: &Scenario) -> Vec<String> {
    let count_of = |standing| {
        let rows = of_it.rows.iter();
        rows.filter(|row| row.standing == standing).count()
    };
    let lines = [
        (
            count_of(Standing::NotShown),
            "without a difference that shows",
        ),
        (
            count_of(Standing::TooFew),
            "in fewer than three runs of a side",
        ),
    ];
    let lines = lines.into_iter().filter(|(number, _)| *number > 0);
    let line = |(number, what)| match number {
        1 => format!("1 figure {what}"),
        more => format!("{} figures {what}", count(more as u64)),
    };
    lines.map(line).collect()
}

fn table(of_it: &Scenario, is_shown: fn(Standing) -> bool) -> Table {
    let columns = columns! { row: Row;
        text "figure" "" &row.figure;
        number "A: n" "" row.runs_a;
        number "median" "" row.median_a.map(|median| Value::Measured(row.unit, median));
        number "B: n" "" row.runs_b;
        number "median" "" row.median_b.map(|median| Value::Measured(row.unit, median));
        number "difference" "" of(row, |found| found.difference);
        number "from" "" of(row, |found| found.low);
        number "to" "" of(row, |found| found.high);
        number "change" "" row.found.as_ref().and_then(|found| found.change_percent);
        number "p" "" row.found.as_ref().map(|found| Value::Chance(found.p));
        number "corrected" "" row.found.as_ref().map(|found| Value::Chance(found.adjusted_p));
        text "standing" "" row.standing.label();
    };
    let rows = of_it.rows.iter().filter(|row| is_shown(row.standing));
    Table::with_severity("two versions", &columns, rows, |row| match row.standing {
        Standing::Worse => Severity::Bad,
        Standing::WithinMargin => Severity::Warning,
        _ => Severity::Plain,
    })
}

/// Endings, and figures that not every run shows.
fn counts_table(of_it: &Scenario) -> Table {
    let columns = columns! { row: Count;
        text "what" "" row.what.label();
        number "A: runs" "" row.a;
        number "of" "" row.of_a;
        number "B: runs" "" row.b;
        number "of" "" row.of_b;
        number "p" "" Value::Chance(row.p);
        number "corrected" "" Value::Chance(row.adjusted_p);
        text "differs" "" if row.is_different { "yes" } else { "none shown" };
    };
    Table::with_severity("how often", &columns, &of_it.counts, |row| {
        match row.is_different {
            true => Severity::Warning,
            false => Severity::Plain,
        }
    })
}

fn of(row: &Row, pick: fn(&Found) -> SignedNumber) -> Option<String> {
    let found = row.found.as_ref()?;
    Some(row.unit.signed_text(pick(found)))
}

fn percent(percent: Percent) -> String {
    format!("{percent:.1} %")
}

/// Every interval as a share of A's median.
fn drawn(ab: &Ab, of_it: &Scenario) -> Block {
    let shown = of_it.rows.iter().filter_map(|row| {
        let (found, median) = (row.found.as_ref()?, row.median_a?);
        let share = |difference: SignedNumber| {
            (median.get() > 0).then(|| difference.0 as f64 / median.get() as f64 * 100.0)
        };
        Some(Interval {
            label: row.figure.clone(),
            low: share(found.low)?,
            middle: share(found.difference)?,
            high: share(found.high)?,
            class: match row.standing {
                Standing::Worse => "worse",
                Standing::Better => "better",
                _ => "same",
            },
            text: found
                .change_percent
                .map(|change| change.to_string())
                .unwrap_or_default(),
        })
    });
    let note = format!(
        "Change from A to B with its interval of about {}, as a share of A's median.",
        percent(ab.certainty_percent)
    );
    Block::Drawn(intervals(&shown.collect::<Vec<_>>(), &note))
}
