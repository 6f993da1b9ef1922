//! The page around everything: one file that loads nothing from anywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::plot::{Grid, Plot, PlotData};
use crate::tables::{Table, Tone};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Graphs with the grid that they stand on.
pub struct Graphs<'a> {
    pub grid: &'a Grid,
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

pub fn section(id: &str, title: &str, body: &Markup) -> Markup {
    html! { section id=(id) { h2 { (title) } (body) } }
}

/// A table of the report, as on the terminal.
pub fn table(table: &Table) -> Markup {
    let is_number = |column: usize| table.columns[column].starts_with('>').then_some("number");
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr {
                    @for (column, name) in table.columns.iter().enumerate() {
                        th class=[is_number(column)] { (name.trim_start_matches('>')) }
                    }
                } }
                tbody {
                    @for (tone, cells) in &table.rows {
                        tr class=[tone_class(*tone)] {
                            @for (column, cell) in cells.iter().enumerate() {
                                td class=[is_number(column).or(is_long(cell))] { (cell) }
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

fn tone_class(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain => None,
        Tone::Bad => Some("bad"),
        Tone::Doubtful => Some("doubtful"),
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
