//! Durations as people write them on a command line: `100ms`, `2s`, `1m`.

/// Milliseconds of `text`: a whole number and a unit, of `ms`, `s` and `m`; at least 1 ms.
///
/// # Errors
/// Says what was expected, in words for the user.
pub fn parse_ms(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "" => return Err("a unit is missing: ms, s or m".into()),
        _ => return Err("expected a whole number and a unit (ms, s, m), as in 100ms".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a whole number and a unit (ms, s, m), as in 100ms")?;
    match number.checked_mul(ms_per_unit) {
        Some(ms @ 1..=LONGEST_MS) => Ok(ms),
        _ => Err("a duration lies between 1ms and 60m".into()),
    }
}

/// One hour: longer heartbeats and timeouts are mistakes.
const LONGEST_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(parse_ms("100ms"), Ok(100));
        assert_eq!(parse_ms("2s"), Ok(2_000));
        assert_eq!(parse_ms("60m"), Ok(3_600_000));
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for text in [
            "",
            "ms",
            "1.5s",
            "-1s",
            "1h",
            "10 ms",
            "99999999999999999999s",
        ] {
            let why = parse_ms(text).expect_err(text);
            assert!(why.contains("unit"), "{text}: {why}");
        }
        for text in ["0ms", "61m", "18446744073709551615s"] {
            let why = parse_ms(text).expect_err(text);
            assert!(why.contains("between"), "{text}: {why}");
        }
    }
}
