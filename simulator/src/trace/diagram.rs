//! A sequence diagram in text: a lifeline for the clients and for each node, time downwards.
//! An arrow stands where its message was sent; `~` is one that was held up, `x` one that nobody
//! took.

use super::Trace;
use super::sequence::{End, Sequence, What};
use crate::backends::trace::time;
use crate::report;

/// Columns between two lifelines.
const STEP: usize = 10;
/// Columns in front of the first.
const MARGIN: usize = 16;

/// # Errors
/// Too much happens to be drawn.
pub fn diagram(trace: &Trace) -> Result<String, String> {
    let sequence = Sequence::of(trace)?;
    let mut text = heading(&sequence.parties);
    for happening in &sequence.happenings {
        let stamp = format!("{:>13}", time(happening.at_us));
        let line = match &happening.what {
            What::Arrow {
                from,
                to,
                label,
                end,
            } => {
                let late = match end {
                    End::Arrives { at_us, .. } => {
                        let after_us = (at_us - happening.at_us).max(0) as u64;
                        format!("(+{})", report::duration(after_us))
                    }
                    End::Lost => "(lost)".into(),
                };
                let drawn = arrow(sequence.parties.len(), *from, *to, *end);
                format!("{drawn}  {label} {late}")
            }
            What::Event { at, label } => {
                let mut drawn = lifelines(sequence.parties.len());
                drawn[at * STEP] = '*';
                let drawn: String = drawn.into_iter().collect();
                format!("{drawn}  {} {label}", sequence.parties[*at])
            }
            What::Rule { label } => {
                let width = (sequence.parties.len() - 1) * STEP + 1;
                format!("{}  {label}", "=".repeat(width))
            }
        };
        text += &format!("{stamp}   {}\n", line.trim_end());
    }
    Ok(text)
}

fn heading(parties: &[String]) -> String {
    let mut line = " ".repeat(MARGIN);
    for (place, party) in parties.iter().enumerate() {
        let half = party.chars().count() / 2;
        let begin = (MARGIN + place * STEP).saturating_sub(half);
        let length = line.chars().count();
        line += &" ".repeat(begin.saturating_sub(length));
        // Cut at the left where the margin is too small for it.
        line.truncate(line.len().min(begin));
        line += party;
    }
    line + "\n"
}

fn lifelines(parties: usize) -> Vec<char> {
    let width = (parties - 1) * STEP + 1;
    let is_line = |column: usize| column.is_multiple_of(STEP);
    (0..width)
        .map(|column| if is_line(column) { '|' } else { ' ' })
        .collect()
}

fn arrow(parties: usize, from: usize, to: usize, end: End) -> String {
    let mut drawn = lifelines(parties);
    let (begin, tip) = (from * STEP, to * STEP);
    let (left, right) = (begin.min(tip), begin.max(tip));
    let stroke = match end {
        End::Arrives { is_held: true, .. } => '~',
        _ => '-',
    };
    for column in &mut drawn[left + 1..right] {
        *column = stroke;
    }
    drawn[begin] = 'o';
    // Beside the lifeline, which stays.
    let beside = if tip > begin { tip - 1 } else { tip + 1 };
    if left != right {
        drawn[beside] = match (end, tip > begin) {
            (End::Lost, _) => 'x',
            (_, true) => '>',
            (_, false) => '<',
        };
    }
    drawn.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_lead_from_lifeline_to_lifeline() {
        let arrives = End::Arrives {
            at_us: 1,
            is_held: false,
        };
        assert_eq!(arrow(3, 0, 1, arrives), "o-------->|         |");
        assert_eq!(arrow(3, 2, 0, arrives), "|<------------------o");
        assert_eq!(arrow(3, 1, 2, End::Lost), "|         o--------x|");
        let held = End::Arrives {
            at_us: 1,
            is_held: true,
        };
        assert_eq!(arrow(2, 1, 0, held), "|<~~~~~~~~o");
    }
}
