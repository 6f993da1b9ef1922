//! The page around everything: one file that loads nothing from anywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::plot::{Grid, Plot, PlotData};
use crate::document::{Block, Facts, Section, Severity, Span, Table};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Graphs with the grid that they stand on.
pub struct Graphs<'a> {
    /// Common to all of them.
    pub grid: &'a Grid,
    /// In the order of the page.
    pub plots: &'a [Plot],
}

#[derive(Serialize)]
struct Data<'a> {
    grids: Vec<&'a Grid>,
    plots: Vec<PlotData<'a>>,
}

/// A whole document. `graphs` are those in `body`, for the script.
pub fn page(title: &str, body: &Markup, graphs: &[Graphs<'_>], footer: &str) -> String {
    let data = Data {
        grids: graphs.iter().map(|graphs| graphs.grid).collect(),
        plots: graphs
            .iter()
            .flat_map(|graphs| graphs.plots.iter().map(|plot| plot.data(graphs.grid)))
            .collect(),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                // An empty icon, or a browser asks the server for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
                footer { (footer) }
                script type="application/json" id="data" { (PreEscaped(json(&data))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// No text in it can end the element that it stands in.
fn json(data: &Data<'_>) -> String {
    let json = serde_json::to_string(data).expect("graphs are plain data");
    json.replace('<', "\\u003c")
}

/// Graphs one beneath the other.
pub fn graphs(graphs: &Graphs<'_>) -> Markup {
    html! { @for plot in graphs.plots { (plot.markup(graphs.grid)) } }
}

/// Graphs in as many columns as there is room for.
pub fn side_by_side(shown: &Graphs<'_>) -> Markup {
    html! { div.grid { (graphs(shown)) } }
}

/// Nothing where there are no blocks.
pub fn section(section: &Section) -> Markup {
    html! {
        @if !section.blocks.is_empty() {
            section id=(section.id) { h2 { (section.title) } (blocks(&section.blocks)) }
        }
    }
}

/// Blocks, one below the other.
pub fn blocks(blocks: &[Block]) -> Markup {
    html! { @for shown in blocks { (block(shown)) } }
}

fn block(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(title) => { h3 { (title) } }
            Block::Text(line) => { p { (spans(line)) } }
            Block::Note(text) => { p.note { (text) } }
            Block::List(lines) => { ul { @for line in lines { li { (spans(line)) } } } }
            Block::Code(language, text) => {
                pre tabindex="0" {
                    @if *language == "text" { (text.trim_end()) } @else { code { (text) } }
                }
            }
            Block::Facts(shown) => { (facts(shown)) }
            Block::Terms(terms) => {
                dl.facts.commands { @for (term, what) in terms { dt { code { (term) } } dd { (what) } } }
            }
            Block::Table(shown) => { (table(shown)) }
            Block::Drawn(markup) => { (markup) }
        }
    }
}

fn spans(spans: &[Span]) -> Markup {
    html! {
        @for span in spans {
            @match span {
                Span::Plain(text) => { (text) }
                Span::Strong(text) => { strong { (text) } }
                Span::Code(text) => { code { (text) } }
            }
        }
    }
}

/// Names and what they are, side by side.
pub fn facts(facts: &Facts) -> Markup {
    html! { dl.facts { @for (name, value) in facts { dt { (name) } dd { (value) } } } }
}

/// A table of the report, as on the terminal.
fn table(table: &Table) -> Markup {
    let columns = table.for_readers();
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr {
                    @for (_, head) in &columns {
                        th class=[head.is_number.then_some("number")] { (head.title) }
                    }
                } }
                tbody {
                    @for row in &table.rows {
                        tr class=[severity_class(row.severity)] {
                            @for (place, head) in &columns {
                                @let cell = row.cells[*place].shown();
                                td class=[head.is_number.then_some("number").or(is_long(&cell))] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Words that need room beside other columns.
fn is_long(cell: &str) -> Option<&'static str> {
    const LONG: usize = 24;
    (cell.chars().count() > LONG).then_some("long")
}

fn severity_class(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Plain => None,
        Severity::Bad => Some("bad"),
        Severity::Warning => Some("doubtful"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_the_script() {
        let grid = Grid {
            name: "</script><b>".into(),
            kind: "label",
            places: vec![0.0],
            from: 0.0,
            to: 1.0,
            labels: Vec::new(),
            ticks: Vec::new(),
        };
        let graphs = [Graphs {
            grid: &grid,
            plots: &[],
        }];
        let page = page("<t>", &html! {}, &graphs, "");
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("<title>&lt;t&gt;</title>"));
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        for text in [STYLE, SCRIPT] {
            for word in ["http:", "https:", "url(", "@import", "import(", "fetch("] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}
