//! Formats values for every form of a report.

use squall_measure::{Loss, ServiceDowntime};
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

/// `Down for 1.310 s at most, for 5 of 6 clients at some time.`
pub(crate) fn down(any: Option<ServiceDowntime>) -> String {
    let Some(any) = any else {
        return "Availability not measured.".to_owned();
    };
    let (without, asked) = (count(any.clients.without), count(any.clients.asked));
    match any.clients.max.get() {
        0 => "Never down.".to_owned(),
        us => {
            let us = duration(us);
            format!("Down for {us} at most, for {without} of {asked} clients at some time.")
        }
    }
}

/// `5 of 6 clients were without a service, one answered nobody for 1.310 s`.
pub(crate) fn affected(down: &ServiceDowntime) -> String {
    let clients = down.clients;
    let (without, asked) = (count(clients.without), count(clients.asked));
    let were = if clients.without == 1 { "was" } else { "were" };
    let plural = if clients.asked == 1 { "" } else { "s" };
    let at_once = match down.max.get() {
        0 => "each always answered somebody".to_owned(),
        us => format!("one answered nobody for {}", duration(us)),
    };
    format!("{without} of {asked} client{plural} {were} without a service, {at_once}")
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
