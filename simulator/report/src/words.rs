//! Formats values for every form of a report.

use squall_measure::Loss;
use squall_objective::fixed::{Ms, Seconds};

/// Four significant digits or so: `412 µs`, `4.12 ms`, `412 ms`, `1.234 s`, `12.34 s`.
pub fn duration(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.2} ms", Ms::of(us)),
        10_000..100_000 => format!("{:.1} ms", Ms::of(us)),
        100_000..1_000_000 => format!("{:.0} ms", Ms::of(us)),
        1_000_000..10_000_000 => format!("{:.3} s", Seconds::of(us)),
        _ => format!("{:.2} s", Seconds::of(us)),
    }
}

/// With its digits in groups of three: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `lock acquire`.
pub(crate) fn operation(service: &str, operation: &str) -> String {
    format!("{service} {operation}")
}

/// With a capital at its beginning and a full stop at its end.
pub(crate) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}

/// `0 of 1,200 acknowledged writes lost, 0 duplicated, 0 phantom`.
pub(crate) fn data_loss(loss: &Loss) -> String {
    let mut line = format!(
        "{} of {} acknowledged writes lost",
        count(loss.lost),
        count(loss.acked)
    );
    if loss.lost > 0 {
        let window = duration(loss.window_ms.get());
        line += &format!(" ({} bytes, over {window})", count(loss.lost_bytes));
    }
    line += &format!(
        ", {} duplicated, {} phantom",
        count(loss.duplicated),
        count(loss.phantom)
    );
    if loss.unaudited > 0 {
        line += &format!(", {} not audited", count(loss.unaudited));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_or_four_digits() {
        let cases = [
            (0, "0"),
            (412, "412 µs"),
            (4_129, "4.12 ms"),
            (41_290, "41.2 ms"),
            (412_900, "412 ms"),
            (1_234_567, "1.234 s"),
            (12_345_678, "12.34 s"),
        ];
        for (us, text) in cases {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        let texts = [0, 999, 1_000, 12_345_678].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "12,345,678"]);
    }
}
