//! One graph: lines over a shared grid, drawn as SVG here and read off by the script.
//!
//! The drawing is stretched to whatever width the page has, while text stands beside it as
//! text, so that a graph is sharp on a phone, on a desk and on paper, and is there without
//! any script. The numbers that were drawn are handed to the script as they are.

use std::fmt::Write;

use maud::{Markup, html};
use serde::Serialize;

use super::scale::{Scale, Unit};

/// Height of the drawing in its own units; its width is that of the grid.
const HEIGHT: f64 = 1_000.0;
/// A phone has room for the text of so many ticks; of more it shows every other.
const FEW_TICKS: usize = 5;

/// The horizontal axis, which graphs of one name share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grid {
    /// Graphs of one name have one cursor.
    pub name: String,
    /// How the script writes a place: `time`, `percentile`, `duration`, `nodes` or
    /// `label`.
    pub kind: &'static str,
    /// Where each value stands, rising; what is drawn spans `from` to `to`.
    pub places: Vec<f64>,
    /// The left end.
    pub from: f64,
    /// The right end.
    pub to: f64,
    /// What is written at a place, where the kind does not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Places of lines across, and what is written beneath.
    pub ticks: Vec<(f64, String)>,
}

/// Values on a grid, drawn as one line. No value, no line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// As the legend has it.
    pub name: String,
    /// Class of the style sheet that gives the colour.
    pub class: String,
    /// One for each place of the grid.
    pub values: Vec<Option<u64>>,
    /// Lowest and highest within each window, drawn as a band.
    pub band: Option<Vec<(u64, u64)>>,
    /// Shown while nothing is pointed at.
    pub rest: String,
    /// Points are drawn, too.
    pub dotted: bool,
}

/// Something that lasts, shaded across a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Shade {
    /// Of the style sheet, which gives the colour.
    pub class: &'static str,
    /// On the grid.
    pub from: f64,
    /// On the grid.
    pub to: f64,
}

/// A graph.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Unique in the page.
    pub id: String,
    /// As it stands above it.
    pub title: String,
    /// What exactly is drawn, in a sentence.
    pub note: String,
    /// Of the values, from bottom to top.
    pub scale: Scale,
    /// The first is drawn below the others.
    pub lines: Vec<Line>,
    /// Drawn behind the lines.
    pub shades: Vec<Shade>,
    /// Graphs of one group are alternatives, of which one is shown: group and label.
    pub choice: Option<(&'static str, String)>,
}

/// The data of a graph for the script.
#[derive(Debug, Serialize)]
pub struct PlotData<'a> {
    id: &'a str,
    title: &'a str,
    grid: &'a str,
    unit: &'static str,
    lines: Vec<LineData<'a>>,
}

#[derive(Debug, Serialize)]
struct LineData<'a> {
    name: &'a str,
    values: &'a [Option<u64>],
    #[serde(skip_serializing_if = "Option::is_none")]
    band: Option<&'a [(u64, u64)]>,
}

impl Grid {
    /// To a ten-thousandth of the axis or finer, which no screen shows.
    fn round(&self, place: f64) -> f64 {
        let digits = 4.0 - (self.to - self.from).max(f64::MIN_POSITIVE).log10().floor();
        let scale = 10_f64.powf(digits.clamp(1.0, 9.0));
        (place * scale).round() / scale
    }
}

impl Line {
    /// Without a band.
    pub fn new(
        name: impl Into<String>,
        class: impl Into<String>,
        values: Vec<Option<u64>>,
        rest: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            class: class.into(),
            values,
            band: None,
            rest: rest.into(),
            dotted: false,
        }
    }
}

impl Plot {
    /// Without shades, and no alternative to another.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        note: impl Into<String>,
        scale: Scale,
        lines: Vec<Line>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            note: note.into(),
            scale,
            lines,
            shades: Vec::new(),
            choice: None,
        }
    }

    /// What the script of a page needs of it.
    pub fn data<'a>(&'a self, grid: &'a Grid) -> PlotData<'a> {
        let lines = self.lines.iter().map(|line| LineData {
            name: &line.name,
            values: &line.values,
            band: line.band.as_deref(),
        });
        PlotData {
            id: &self.id,
            title: &self.title,
            grid: &grid.name,
            unit: self.scale.unit().name(),
            lines: lines.collect(),
        }
    }

    /// As HTML, with its key and its scale.
    pub fn markup(&self, grid: &Grid) -> Markup {
        let group = self.choice.as_ref().map(|(group, _)| *group);
        let label = self.choice.as_ref().map(|(_, label)| label.as_str());
        html! {
            figure.plot id=(self.id) data-group=[group] data-choice=[label] {
                figcaption {
                    h3 { (self.title) }
                    ul.key {
                        @for line in &self.lines {
                            li class=(line.class) {
                                i {}
                                span.name { (line.name) }
                                output { (line.rest) }
                            }
                        }
                    }
                }
                div.frame style=(view(grid)) {
                    div.y aria-hidden="true" {
                        @for (height, text) in self.scale.ticks() {
                            span style=(format!("bottom:{:.2}%", height * 100.0)) { (text) }
                        }
                    }
                    div.area tabindex="0" role="slider" aria-label=(self.spoken(grid))
                        aria-valuemin="0" aria-valuemax=(grid.places.len().saturating_sub(1))
                        aria-valuenow="0" aria-valuetext="nothing is pointed at" {
                        (ticks(grid))
                        (self.svg(grid))
                        div.cursor hidden {}
                    }
                }
                p.note { (self.note) }
            }
        }
    }

    fn spoken(&self, grid: &Grid) -> String {
        let over = match grid.kind {
            "time" => "over time",
            "percentile" => "by percentile",
            "duration" => "by duration",
            "nodes" => "by number of nodes",
            _ => "by variant",
        };
        format!("{} {over}; arrow keys read it off", self.title)
    }

    fn svg(&self, grid: &Grid) -> Markup {
        let view = format!("{} 0 {} {HEIGHT}", grid.from, grid.to - grid.from);
        html! {
            svg viewBox=(view) preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                @for shade in &self.shades {
                    rect class=(shade.class) x=(grid.round(shade.from)) y="0"
                        width=(grid.round((shade.to - shade.from).max(0.0))) height=(HEIGHT) {}
                }
                @for (height, _) in self.scale.ticks() {
                    @let y = round(HEIGHT * (1.0 - height));
                    path.rule d=(format!("M{} {y}H{}", grid.from, grid.to)) {}
                }
                @for line in &self.lines {
                    @if let Some(band) = &line.band {
                        path class=(format!("band {}", line.class)) d=(self.band(grid, band)) {}
                    }
                    path class=(format!("line {}", line.class)) d=(self.path(grid, line)) {}
                    @if line.dotted {
                        path class=(format!("dots {}", line.class)) d=(self.dots(grid, line)) {}
                    }
                }
            }
        }
    }

    fn y(&self, value: u64) -> f64 {
        round(HEIGHT * (1.0 - self.scale.height(value)))
    }

    /// A value whose neighbours are missing is a short stroke, or it would not be seen.
    fn path(&self, grid: &Grid, line: &Line) -> String {
        let mut path = String::new();
        let value = |index: usize| line.values.get(index).copied().flatten();
        for (index, x) in grid.places.iter().enumerate() {
            let Some(here) = value(index) else { continue };
            let (x, y) = (grid.round(*x), self.y(here));
            let begins = index == 0 || value(index - 1).is_none();
            let is_alone = begins && value(index + 1).is_none();
            let _ = match (begins, is_alone) {
                (_, true) => write!(path, "M{x} {y}h{}", grid.round(self.stroke(grid))),
                (true, _) => write!(path, "M{x} {y}"),
                (false, _) => write!(path, "L{x} {y}"),
            };
        }
        path
    }

    fn stroke(&self, grid: &Grid) -> f64 {
        (grid.to - grid.from) / 400.0
    }

    fn dots(&self, grid: &Grid, line: &Line) -> String {
        let values = grid.places.iter().zip(&line.values);
        let values = values.filter_map(|(x, value)| Some((*x, (*value)?)));
        values
            .map(|(x, value)| format!("M{} {}h0", grid.round(x), self.y(value)))
            .collect()
    }

    fn band(&self, grid: &Grid, band: &[(u64, u64)]) -> String {
        let points = || grid.places.iter().zip(band);
        let mut path = String::new();
        for (index, (x, (_, highest))) in points().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{} {}", grid.round(*x), self.y(*highest));
        }
        for (x, (lowest, _)) in points().rev() {
            let _ = write!(path, "L{} {}", grid.round(*x), self.y(*lowest));
        }
        path + "Z"
    }
}

/// Lines across and what is written beneath, placed by the style sheet.
pub fn ticks(grid: &Grid) -> Markup {
    html! {
        div.x.many[grid.ticks.len() > FEW_TICKS] aria-hidden="true" {
            @for (place, text) in &grid.ticks {
                span.end[*place > NEAR_THE_END] style=(format!("--a:{place}")) { (text) }
            }
        }
    }
}

/// Share of the axis behind which the text of a tick ends at its line, so that it stays on the
/// page of a phone.
const NEAR_THE_END: f64 = 0.9;

/// The stretch of the axis that is shown, for the style sheet.
pub fn view(grid: &Grid) -> String {
    format!("--t0:{};--dt:{}", grid.from, grid.to - grid.from)
}

/// Tenths of [`HEIGHT`] units are finer than any screen.
fn round(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

/// Largest value of a line, as text; what a key shows at rest.
pub fn peak(unit: Unit, values: &[Option<u64>]) -> String {
    match values.iter().flatten().max() {
        Some(most) => format!("peak {}", unit.text(*most)),
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid {
            name: "t".into(),
            kind: "time",
            places: vec![50.0, 150.0, 250.0, 350.0],
            from: 0.0,
            to: 400.0,
            labels: Vec::new(),
            ticks: vec![(0.0, "0".into())],
        }
    }

    fn plot(values: Vec<Option<u64>>) -> Plot {
        let line = Line {
            name: "a <b>".into(),
            class: "lock".into(),
            values,
            band: Some(vec![(0, 10), (0, 10), (5, 10), (0, 0)]),
            rest: String::new(),
            dotted: false,
        };
        Plot {
            id: "p".into(),
            title: "Title".into(),
            note: String::new(),
            scale: Scale::linear(Unit::Count, 10),
            lines: vec![line],
            shades: Vec::new(),
            choice: None,
        }
    }

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let plot = plot(vec![Some(0), Some(15), None, Some(10)]);
        // The scale ends at 15.
        let plot = Plot {
            scale: Scale::linear(Unit::Count, 15),
            ..plot
        };
        assert_eq!(
            plot.path(&grid(), &plot.lines[0]),
            "M50 1000L150 0M350 333.3h1"
        );
    }

    #[test]
    fn places_are_as_fine_as_the_axis_asks() {
        let decades = Grid {
            from: 3.0,
            to: 5.0,
            ..grid()
        };
        assert_eq!(decades.round(3.012_54), 3.012_5);
        assert_eq!(grid().round(50.126), 50.13);
        let hour = Grid {
            to: 3_600_000.0,
            ..grid()
        };
        assert_eq!(hour.round(1_234.567), 1_234.6);
    }

    #[test]
    fn a_band_goes_there_and_back() {
        let plot = plot(vec![None; 4]);
        assert_eq!(plot.path(&grid(), &plot.lines[0]), "");
        let band = plot.lines[0].band.as_deref().expect("a band");
        let expected = "M50 0L150 0L250 0L350 1000L350 1000L250 500L150 1000L50 1000Z";
        let plot = Plot {
            scale: Scale::linear(Unit::Count, 10),
            ..plot.clone()
        };
        let top = plot.y(10);
        assert_eq!(
            plot.band(&grid(), band).replace(&format!(" {top}L"), " 0L"),
            expected
        );
    }

    #[test]
    fn names_are_escaped() {
        let markup = plot(vec![Some(1); 4]).markup(&grid()).into_string();
        assert!(markup.contains("a &lt;b&gt;"), "{markup}");
    }
}
