//! A sequence diagram as SVG, for a browser: it carries its own style, in light and dark.
//!
//! Time goes downwards, a row for each moment at which something happens, so that an arrow
//! that was under way while others came and went is seen to be.

use maud::{Markup, PreEscaped, html};

use super::Trace;
use super::sequence::{End, Sequence, What};
use crate::backends::trace::time;

const MARGIN: i64 = 160;
const STEP: i64 = 160;
const TOP: i64 = 60;
const ROW: i64 = 18;
/// Room for labels behind the last lifeline.
const RIGHT: i64 = 420;

const STYLE: &str = "\
svg { background: #fff; font: 12px system-ui, sans-serif; color: #1b1f24 }
text { fill: currentColor; paint-order: stroke; stroke: #fff; stroke-width: 3px } .time { fill: #6a737d; text-anchor: end }
.party { font-weight: 600; text-anchor: middle } .life { stroke: #d0d7de }
.arrow { stroke: #0550ae; fill: none } .head { fill: #0550ae }
.held { stroke: #9a6700; stroke-dasharray: 5 3 } .lost { stroke: #cf222e; stroke-dasharray: 2 3 }
.cross { stroke: #cf222e } .rule { stroke: #bf8700; stroke-width: 2 } .event { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; color: #e6edf3 } text { stroke: #0d1117 } .life { stroke: #30363d } .time { fill: #8b949e }
.arrow { stroke: #79c0ff } .head { fill: #79c0ff } .held { stroke: #d29922 }
.lost, .cross { stroke: #ff7b72 } .event { fill: #56d364 } }";

/// # Errors
/// Too much happens to be drawn.
pub fn svg(trace: &Trace) -> Result<String, String> {
    let sequence = Sequence::of(trace)?;
    let rows = Rows::of(&sequence);
    let parties = sequence.parties.len() as i64;
    let width = MARGIN + parties * STEP + RIGHT;
    let height = TOP + ROW * (rows.times_us.len() as i64 + 3);
    let drawn = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(trace.title) {
            style { (PreEscaped(STYLE)) }
            text x="10" y="20" { (trace.title) }
            @for (place, party) in sequence.parties.iter().enumerate() {
                @let x = x(place);
                text.party x=(x) y=(TOP - 10) { (party) }
                line.life x1=(x) x2=(x) y1=(TOP) y2=(height - ROW) {}
            }
            @for (row, at_us) in rows.times_us.iter().enumerate() {
                @if row == 0 || rows.times_us[row - 1] != *at_us {
                    text.time x=(MARGIN - 50) y=(y(row) + 4) { (time(*at_us)) }
                }
            }
            @for (happening, (begin, end)) in sequence.happenings.iter().zip(&rows.of_each) {
                (drawn_of(&happening.what, y(*begin), y(*end), parties))
            }
        }
    };
    Ok(drawn.into_string() + "\n")
}

/// A row for every begin and every arrival, so that none covers another.
struct Rows {
    times_us: Vec<i64>,
    /// Of each happening, where it begins and where it ends.
    of_each: Vec<(usize, usize)>,
}

impl Rows {
    fn of(sequence: &Sequence) -> Self {
        let mut moments: Vec<(i64, usize, bool)> = Vec::new();
        for (place, happening) in sequence.happenings.iter().enumerate() {
            moments.push((happening.at_us, place, false));
            if let What::Arrow {
                end: End::Arrives { at_us, .. },
                ..
            } = &happening.what
            {
                moments.push((*at_us, place, true));
            }
        }
        moments.sort_unstable();
        let mut of_each = vec![(0, 0); sequence.happenings.len()];
        for (row, (_, place, is_end)) in moments.iter().enumerate() {
            match is_end {
                true => of_each[*place].1 = row,
                false => of_each[*place] = (row, row),
            }
        }
        Self {
            times_us: moments.iter().map(|(at_us, ..)| *at_us).collect(),
            of_each,
        }
    }
}

fn y(row: usize) -> i64 {
    TOP + ROW * (row as i64 + 1)
}

fn x(place: usize) -> i64 {
    MARGIN + place as i64 * STEP
}

fn drawn_of(what: &What, y: i64, end_y: i64, parties: i64) -> Markup {
    match what {
        What::Rule { label } => html! {
            line.rule x1=(MARGIN - 40) x2=(MARGIN + (parties - 1) * STEP + 40) y1=(y) y2=(y) {}
            text x=(MARGIN + (parties - 1) * STEP + 48) y=(y + 4) { (label) }
        },
        What::Event { at, label } => html! {
            circle.event cx=(x(*at)) cy=(y) r="4" {}
            text x=(x(*at) + 8) y=(y + 4) { (label) }
        },
        What::Arrow {
            from,
            to,
            label,
            end,
        } => arrow((x(*from), y), (x(*to), end_y), label, *end),
    }
}

fn arrow((from, y): (i64, i64), (to, end_y): (i64, i64), label: &str, end: End) -> Markup {
    // A lost one ends on its way.
    let (tip, end_y) = match end {
        End::Arrives { .. } => (to, end_y),
        End::Lost => (from + (to - from) * 3 / 4, y + ROW / 2),
    };
    let class = match end {
        End::Arrives { is_held: true, .. } => "arrow held",
        End::Arrives { .. } => "arrow",
        End::Lost => "arrow lost",
    };
    let back = if to > from { -7 } else { 7 };
    html! {
        g {
            title { (label) }
            line class=(class) x1=(from) y1=(y) x2=(tip) y2=(end_y) {}
            @if end == End::Lost {
                path.cross d=(format!("M{} {}l8 8m0 -8l-8 8", tip - 4, end_y - 4)) {}
            } @else {
                polygon.head points=(format!("{tip},{end_y} {0},{1} {0},{2}",
                    tip + back, end_y - 4, end_y + 4)) {}
            }
            text x=(from.min(to) + 8) y=(y - 3) { (label) }
        }
    }
}
