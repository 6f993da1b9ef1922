//! Intervals beneath each other on one axis around zero.

use maud::{Markup, html};

/// Beyond a doubling, how much more says the text.
const MOST: f64 = 100.0;
const LEAST: f64 = 1.0;

/// In percent; `class` is `worse`, `better` or `same`.
#[derive(Debug, Clone)]
pub struct Interval {
    /// What it is of.
    pub label: String,
    /// Left end.
    pub low: f64,
    /// What is most likely.
    pub middle: f64,
    /// Right end.
    pub high: f64,
    /// Of the style sheet.
    pub class: &'static str,
    /// The figures, for a reader.
    pub text: String,
}

/// A row for each; nothing where there is none.
pub fn intervals(rows: &[Interval], note: &str) -> Markup {
    let ends = rows.iter().flat_map(|row| [row.low.abs(), row.high.abs()]);
    let reach = ends.fold(LEAST, f64::max).min(MOST).ceil();
    let within = |value: f64| (value.clamp(-reach, reach) * 100.0).round() / 100.0;
    html! {
        @if !rows.is_empty() {
            div.forest style=(format!("--t0:{};--dt:{}", -reach, 2.0 * reach)) {
                @for row in rows {
                    div.lane {
                        span.label { (row.label) " " span.soft { (row.text) } }
                        div.track aria-hidden="true" {
                            i.bar.zero style="--a:0;--b:0" {}
                            i class=(format!("bar {}", row.class))
                                style=(format!("--a:{};--b:{}", within(row.low), within(row.high))) {}
                            i.bar.middle style=(format!("--a:{0};--b:{0}", within(row.middle))) {}
                        }
                    }
                }
                div.lane.scale aria-hidden="true" {
                    span.label {}
                    div.ends { span { "-" (reach) " %" } span { "0" } span { "+" (reach) " %" } }
                }
                p.note { (note) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_the_axis_ends_at_it_and_names_are_escaped() {
        let row = Interval {
            label: "a <b>".into(),
            low: -3.0,
            middle: 20.0,
            high: 512.0,
            class: "worse",
            text: "+20.0 %".into(),
        };
        let drawn = intervals(&[row], "note").into_string();
        assert!(drawn.contains("--t0:-100;--dt:200"), "{drawn}");
        assert!(drawn.contains("--a:-3;--b:100"), "{drawn}");
        assert!(drawn.contains("a &lt;b&gt;"), "{drawn}");
        assert_eq!(intervals(&[], "note").into_string(), "");
    }
}
