//! Writes a trend: for a terminal, as Markdown, and as the document that its page is.

use std::collections::BTreeMap;

use super::{
    By, FigureTrend, Forecast, Group, LeftOut, LimitFrom, Point, Reached, Slope, Spread, Standing,
    Step, Trend,
};
use crate::report::document::{
    Block, Document, Line, Section, Severity, Table, Value, plain, strong,
};
use crate::report::{Style, columns, count, write};

/// Changes and slopes, the latest values, and what was left out.
pub fn text(trend: &Trend, style: Style) -> String {
    let mut out = String::new();
    for group in &trend.groups {
        out += &style.paint(write::text::BOLD, &head(group));
        out.push('\n');
        for warning in &group.warnings {
            out += &format!("  warning: {warning}\n");
        }
        for line in findings(group) {
            let text: String = line.iter().map(in_plain).collect();
            out += &format!("  {text}\n");
        }
        out += &format!("\n{}\n", write::text::table(&table(group), style, "  "));
    }
    for left in &trend.left_out {
        out += &format!("left out: {}: {}\n", left.path, left.why);
    }
    out + &format!("{}\n", headline(trend))
}

fn in_plain(span: &crate::report::document::Span) -> &str {
    use crate::report::document::Span;
    match span {
        Span::Plain(text) | Span::Strong(text) | Span::Code(text) => text,
    }
}

pub fn markdown(trend: &Trend) -> String {
    write::markdown::document(&document(trend, |_, _| None))
}

/// `drawn` adds the graphs of a group, by its number.
pub(super) fn document(trend: &Trend, drawn: impl Fn(usize, &Group) -> Option<Block>) -> Document {
    let sections = trend.groups.iter().enumerate().map(|(number, group)| {
        let warnings = group.warnings.iter();
        let warnings = warnings.map(|why| vec![strong("Warning:"), plain(format!(" {why}."))]);
        let mut list: Vec<Line> = warnings.collect();
        list.extend(findings(group));
        let mut blocks = vec![Block::Note(format!("{}.", head(group)))];
        if !list.is_empty() {
            blocks.push(Block::List(list));
        }
        blocks.extend(drawn(number, group));
        blocks.push(Block::Heading("Figures".into()));
        blocks.push(Block::Table(table(group)));
        let changed = steps_table(group);
        if !changed.is_empty() {
            blocks.push(Block::Heading("Change points".into()));
            blocks.push(Block::Table(changed));
        }
        let ahead = forecasts_table(group);
        if !ahead.is_empty() {
            blocks.push(Block::Heading("Forecasts".into()));
            blocks.push(Block::Table(ahead));
        }
        blocks.push(Block::Heading("Points".into()));
        blocks.push(Block::Table(points_table(group)));
        Section::new(format!("group-{number}"), &group.scenario, blocks)
    });
    let mut sections: Vec<Section> = sections.collect();
    if !trend.left_out.is_empty() {
        let columns = columns! { left: LeftOut;
            text "path" "path" &left.path;
            text "why" "why" &left.why;
        };
        let table = Table::of("left out", &columns, &trend.left_out);
        sections.push(Section::new(
            "left-out",
            "Left out",
            vec![Block::Table(table)],
        ));
    }
    Document {
        title: title(trend),
        lead: vec![Block::Note(how(trend))],
        sections,
    }
}

pub(super) fn title(trend: &Trend) -> String {
    let count = |standing| trend.standing(standing).count();
    match (count(Standing::Worse), count(Standing::Better)) {
        _ if trend.groups.is_empty() => "Nothing to look back on.".into(),
        (0, 0) if count(Standing::Steady) == 0 => "Too few points to tell a change.".into(),
        (0, 0) => "Nothing changed.".into(),
        (0, 1) => "One figure got better, none worse.".into(),
        (0, better) => format!("{better} figures got better, none worse."),
        (1, _) => "One figure got worse.".into(),
        (worse, _) => format!("{worse} figures got worse."),
    }
}

fn headline(trend: &Trend) -> String {
    let left = match trend.left_out.len() {
        0 => String::new(),
        left => format!(" {} left out.", count(left as u64)),
    };
    format!(
        "{} {} figures looked at, with a certainty of {:.1} %.{left}",
        title(trend),
        count(trend.figures),
        trend.certainty_percent
    )
}

fn how(trend: &Trend) -> String {
    let by = match trend.by {
        By::Time => "when they were made",
        By::Commit => "the commits of the program",
        By::Given => "the command line",
    };
    format!(
        "Points are in the order of {by}. Change points and slopes are named where chance would \
         show any, over all {} figures, in at most one of {:.0} such tables; intervals hold the \
         true value with a certainty of {:.1} %. docs/trends.md has the methods.",
        count(trend.figures),
        1e6 / (1_000_000 - trend.certainty_percent.get()).max(1) as f64,
        trend.certainty_percent
    )
}

fn head(group: &Group) -> String {
    let points = group.points.len() as u64;
    let runs: u64 = group.points.iter().map(|point| point.runs).sum();
    let ends = match group.points.as_slice() {
        [] => String::new(),
        [one] => format!(", {}", one.label),
        [first, .., last] => format!(", {} to {}", first.label, last.label),
    };
    let plural = |number, word: &str| match number {
        1 => format!("1 {word}"),
        more => format!("{} {word}s", count(more)),
    };
    format!(
        "{} on {}: {} of {}{ends}",
        group.scenario,
        group.backend,
        plural(points, "point"),
        plural(runs, "run")
    )
}

/// A line for each step and slope that was shown, and for each limit that they lead to.
fn findings(group: &Group) -> Vec<Line> {
    group
        .figures
        .iter()
        .flat_map(|figure| said(group, figure))
        .collect()
}

fn said(group: &Group, figure: &FigureTrend) -> Vec<Line> {
    let line = |text: String| vec![strong(figure.figure.clone()), plain(format!(" {text}"))];
    let steps = figure
        .steps
        .iter()
        .map(|step| line(step_text(figure, step)));
    let slope = figure.slope.as_ref().filter(|slope| slope.is_shown);
    let slope = slope.map(|slope| line(slope_text(group, figure, slope)));
    steps
        .chain(slope)
        .chain(reached_text(group, figure).map(line))
        .collect()
}

fn step_text(figure: &FigureTrend, step: &Step) -> String {
    let way = if step.is_worse { "worse" } else { "better" };
    format!(
        "steps by {} (from {} to {}) at {}: {way}",
        figure.unit.signed_text(step.size),
        figure.unit.signed_text(step.low),
        figure.unit.signed_text(step.high),
        step.label
    )
}

fn slope_text(group: &Group, figure: &FigureTrend, slope: &Slope) -> String {
    let is_worse = (slope.size.0 > 0) == (figure.bound == crate::report::Bound::AtMost);
    let way = if is_worse { "worse" } else { "better" };
    let over_all = slope.over_all_percent;
    let over_all = over_all.map_or(String::new(), |change| format!(", {change} in all"));
    format!(
        "moves by {} a {} (from {} to {}){over_all}: {way}",
        figure.unit.signed_text(slope.size),
        group.per.word(),
        figure.unit.signed_text(slope.low),
        figure.unit.signed_text(slope.high),
    )
}

fn reached_text(group: &Group, figure: &FigureTrend) -> Option<String> {
    let forecast = figure.forecast.as_ref()?;
    let line = forecast.linear.reached.as_ref()?;
    let smoothing = forecast.smoothing.as_ref();
    let smoothing = smoothing.and_then(|by| by.reached.as_ref());
    let smoothing = smoothing.map(|by| format!("; by smoothing {}", when(group, by)));
    let limit = figure.limit.as_ref()?;
    let from = match limit.from {
        LimitFrom::Given => "given",
        LimitFrom::Objective => "an objective",
        LimitFrom::Baseline => "from the baseline",
    };
    Some(format!(
        "reaches {} ({from}): by the line {}{}",
        figure.unit.text(limit.value),
        when(group, line),
        smoothing.unwrap_or_default()
    ))
}

/// `in 12.3 days (9.8 to 20.1), 2026-02-03`.
fn when(group: &Group, reached: &Reached) -> String {
    let word = group.per.word();
    let number = |number: crate::report::Number| format!("{number:.1}");
    let Some(expected) = reached.expected else {
        return format!("not within ten times as many {word}s as there are");
    };
    if expected.get() == 0 {
        return "it has".into();
    }
    let date = reached
        .date
        .as_ref()
        .map_or(String::new(), |date| format!(", {date}"));
    let earliest = reached.earliest.map_or("now".to_owned(), number);
    let latest = reached.latest.map_or("never".to_owned(), number);
    format!(
        "in {} {word}s ({earliest} to {latest}){date}",
        number(expected)
    )
}

fn table(group: &Group) -> Table {
    let columns = columns! { row: (&Group, &FigureTrend);
        text "figure" "figure" &row.1.figure;
        number "n" "values" row.1.values.iter().flatten().count() as u64;
        number "first" "" first(row.1).map(|spread| Value::Measured(row.1.unit, spread.median));
        number "last" "" last(row.1).map(|spread| Value::Measured(row.1.unit, spread.median));
        number "spread from" "" last(row.1).map(|spread| Value::Measured(row.1.unit, spread.low));
        number "to" "" last(row.1).map(|spread| Value::Measured(row.1.unit, spread.high));
        number "steps" "steps" row.1.steps.len() as u64;
        number "slope" "" row.1.slope.as_ref().map(|slope| format!("{}/{}", row.1.unit.signed_text(slope.size), row.0.per.word()));
        number "p" "" row.1.slope.as_ref().map(|slope| Value::Chance(slope.p));
        number "limit" "" row.1.limit.as_ref().map(|limit| Value::Measured(row.1.unit, limit.value));
        text "standing" "standing" row.1.standing.label();
    };
    let rows: Vec<(&Group, &FigureTrend)> =
        group.figures.iter().map(|figure| (group, figure)).collect();
    Table::with_severity("figures", &columns, &rows, |row| match row.1.standing {
        Standing::Worse => Severity::Bad,
        _ => Severity::Plain,
    })
}

fn first(figure: &FigureTrend) -> Option<Spread> {
    figure.values.iter().flatten().next().copied()
}

fn last(figure: &FigureTrend) -> Option<Spread> {
    figure.values.iter().flatten().next_back().copied()
}

fn steps_table(group: &Group) -> Table {
    let columns = columns! { row: (&FigureTrend, &Step);
        text "figure" "figure" &row.0.figure;
        text "at" "at" &row.1.label;
        number "size" "" row.0.unit.signed_text(row.1.size);
        number "from" "" row.0.unit.signed_text(row.1.low);
        number "to" "" row.0.unit.signed_text(row.1.high);
        number "p" "" Value::Chance(row.1.p);
    };
    let figures = group.figures.iter();
    let rows: Vec<(&FigureTrend, &Step)> = figures
        .flat_map(|figure| figure.steps.iter().map(move |step| (figure, step)))
        .collect();
    Table::with_severity("steps", &columns, &rows, |row| match row.1.is_worse {
        true => Severity::Bad,
        false => Severity::Plain,
    })
}

fn forecasts_table(group: &Group) -> Table {
    let columns = columns! { row: (&Group, &FigureTrend, &str, &Forecast);
        text "figure" "figure" &row.1.figure;
        text "by" "by" row.2;
        number "next" "" Value::Measured(row.1.unit, shown(row.3.next));
        number "from" "" Value::Measured(row.1.unit, shown(row.3.low));
        number "to" "" Value::Measured(row.1.unit, shown(row.3.high));
        number "off by, so far" "" row.3.error.map(|error| Value::Measured(row.1.unit, error));
        text "limit reached" "" row.3.reached.as_ref().map(|reached| when(row.0, reached));
    };
    let rows: Vec<_> = group
        .figures
        .iter()
        .filter_map(|figure| Some((figure, figure.forecast.as_ref()?)))
        .flat_map(|(figure, forecast)| {
            let smoothing = forecast.smoothing.as_ref();
            let smoothing = smoothing.map(|by| (group, figure, "smoothing", by));
            [(group, figure, "line", &forecast.linear)]
                .into_iter()
                .chain(smoothing)
        })
        .collect();
    Table::of("forecasts", &columns, &rows)
}

/// No figure is below nothing, whatever a line says.
pub(super) fn shown(number: crate::report::SignedNumber) -> crate::report::Number {
    crate::report::Number::of(number.0.max(0).unsigned_abs())
}

fn points_table(group: &Group) -> Table {
    let columns = columns! { row: Point;
        text "point" "point" &row.label;
        text "made" "made" row.at.as_deref().filter(|at| *at != row.label);
        number "runs" "runs" row.runs;
        text "from" "from" row.paths.join(", ");
    };
    let table = Table::of("points", &columns, &group.points);
    // Where the label is the date, nothing is left of the column.
    let is_said: BTreeMap<bool, ()> = group
        .points
        .iter()
        .map(|point| (point.at.as_deref().is_some_and(|at| at != point.label), ()))
        .collect();
    match is_said.contains_key(&true) {
        true => table,
        false => table.without(&["made"]),
    }
}

impl Standing {
    fn label(self) -> &'static str {
        match self {
            Standing::Worse => "worse",
            Standing::Better => "better",
            Standing::Steady => "none shown",
            Standing::TooFew => "too few",
        }
    }
}
