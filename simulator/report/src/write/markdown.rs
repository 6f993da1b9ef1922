//! Documents as Markdown.

use std::fmt::Write;

use crate::document::{Block, Document, Severity, Span, Table};

/// A whole document, with a line break at the end.
pub fn document(document: &Document) -> String {
    let mut out = format!("# {}\n\n", escaped(&document.title));
    out += &blocks(&document.lead);
    for section in &document.sections {
        let text = blocks(&section.blocks);
        if !text.is_empty() {
            let _ = write!(out, "## {}\n\n{}\n\n", section.title, text.trim_end());
        }
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// Each with an empty line behind it.
pub fn blocks(blocks: &[Block]) -> String {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> String {
    let list = |lines: Vec<String>| -> String {
        let lines = lines.iter().map(|line| format!("- {line}\n"));
        lines.collect()
    };
    let text = match block {
        Block::Heading(title) => format!("### {}\n", escaped(title)),
        Block::Text(line) => spans(line) + "\n",
        Block::Note(text) => escaped(text) + "\n",
        Block::List(lines) => list(lines.iter().map(|line| spans(line)).collect()),
        Block::Code(language, text) => format!("```{language}\n{}\n```\n", text.trim_end()),
        Block::Facts(facts) => {
            let rows = facts.iter();
            let rows = rows.map(|(name, value)| format!("| {name} | {} |\n", escaped(value)));
            format!("| | |\n| --- | --- |\n{}", rows.collect::<String>())
        }
        Block::Terms(terms) => {
            let terms = terms.iter();
            list(
                terms
                    .map(|(term, what)| format!("`{term}`: {}", escaped(what)))
                    .collect(),
            )
        }
        Block::Table(shown) => table(shown),
        Block::Drawn(_) => return String::new(),
    };
    text + "\n"
}

fn spans(spans: &[Span]) -> String {
    let spans = spans.iter().map(|span| match span {
        Span::Plain(text) => escaped(text),
        Span::Strong(text) => format!("**{}**", escaped(text)),
        Span::Code(text) => format!("`{text}`"),
    });
    spans.collect()
}

fn table(table: &Table) -> String {
    let columns = table.for_readers();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let heads = columns.iter().map(|(_, head)| head.title.to_owned());
    let rules = columns
        .iter()
        .map(|(_, head)| if head.is_number { "---:" } else { "---" }.to_owned());
    let mut out = line(heads.collect()) + &line(rules.collect());
    for row in &table.rows {
        let cells = columns.iter().enumerate().map(|(index, (place, _))| {
            let cell = escaped(&row.cells[*place].shown());
            let is_marked = index == 0 && row.severity != Severity::Plain;
            if is_marked {
                format!("**{cell}**")
            } else {
                cell
            }
        });
        out += &line(cells.collect());
    }
    out
}

/// Keeps what clients wrote from being read as Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if matches!(char, '\\' | '|' | '*' | '_' | '`' | '<' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(if char == '\n' { ' ' } else { char });
    }
    escaped
}
