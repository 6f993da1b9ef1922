//! Tables and lists for a terminal.

use anstyle::AnsiColor;

use crate::document::{Head, Severity, Table};

/// What is wrong.
pub const RED: anstyle::Style = AnsiColor::Red.on_default();
/// What is right.
pub const GREEN: anstyle::Style = AnsiColor::Green.on_default();
/// What is to be looked at.
pub const YELLOW: anstyle::Style = AnsiColor::Yellow.on_default();
/// What stands out.
pub const BOLD: anstyle::Style = anstyle::Style::new().bold();
/// What a reader may skip.
pub const DIM: anstyle::Style = anstyle::Style::new().dimmed();

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// With ANSI escapes.
    pub color: bool,
}

impl Style {
    /// In this colour, if colours are wanted and there is a text.
    pub fn paint(self, code: anstyle::Style, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("{code}{text}{code:#}")
        } else {
            text.to_owned()
        }
    }
}

/// Columns as wide as their widest cell, two spaces apart; lines begin with `margin`.
pub fn table(table: &Table, style: Style, margin: &str) -> String {
    let columns = table.for_readers();
    let row = |cell: &dyn Fn(usize, &Head) -> String| -> Vec<String> {
        let cells = columns.iter().map(|(place, head)| cell(*place, head));
        cells.collect()
    };
    let titles = row(&|_, head| head.title.to_owned());
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|shown| row(&|place, _| shown.cells[place].shown()))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&titles]);
        let widths = cells.map(|cells| cells[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&columns).zip(&widths);
        let padded = padded.map(|((cell, (_, head)), width)| {
            if head.is_number {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        let line = margin.to_owned() + &padded.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    let mut out = style.paint(BOLD, &line(&titles)) + "\n";
    for (cells, row) in rows.iter().zip(&table.rows) {
        out += &match row.severity {
            Severity::Plain => line(cells),
            Severity::Bad => style.paint(RED, &line(cells)),
            Severity::Warning => style.paint(YELLOW, &line(cells)),
        };
        out.push('\n');
    }
    out
}

/// A label and a list, broken into lines.
pub fn wrapped(label: &str, items: &[String]) -> String {
    const WIDTH: usize = 96;
    if items.is_empty() {
        return String::new();
    }
    let mut out = format!("{label}: ");
    let mut used = out.len();
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { ", " } else { "" };
        if used + item.len() > WIDTH && index > 0 {
            out.truncate(out.trim_end().len());
            out += "\n  ";
            used = 2;
        }
        out += &format!("{item}{comma}");
        used += item.len() + comma.len();
    }
    out + "\n"
}
