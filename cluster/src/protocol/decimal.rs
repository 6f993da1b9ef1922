//! Decimal integers as Redis reads and writes them.
//!
//! `str::parse` is not used because it takes what Redis refuses (`+1`, `007`, `-0`),
//! and writing goes through a stack buffer because a reply often is one integer.
//!
//! Source: `string2ll` in Redis `util.c`.

/// Digits of `u64::MAX`.
const MAX_DIGITS: usize = 20;

/// Reads `0..=u64::MAX`: digits only, no leading zero.
pub(super) fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= MAX_DIGITS => {
            text.iter().try_fold(0_u64, |value, byte| {
                let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
                value.checked_mul(10)?.checked_add(digit)
            })
        }
        _ => None,
    }
}

/// Reads an `i64`: as [`parse_u64`], with `-` before anything but zero.
pub(super) fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => match parse_u64(digits)? {
            0 => None,
            magnitude => 0_i64.checked_sub_unsigned(magnitude),
        },
        digits => i64::try_from(parse_u64(digits)?).ok(),
    }
}

/// An unsigned integer as decimal digits.
pub(super) struct Decimal {
    digits: [u8; MAX_DIGITS],
    start: usize,
}

impl Decimal {
    pub(super) fn new(mut value: u64) -> Self {
        let mut digits = [b'0'; MAX_DIGITS];
        let mut start = MAX_DIGITS;
        loop {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return Self { digits, start };
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_read() {
        for refused in ["", "-", "+1", "007", "00", "-0", "1 ", " 1", "1a", "0x1"] {
            assert_eq!(parse_i64(refused.as_bytes()), None, "{refused:?}");
        }
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"100000000000000000000"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn the_extremes_are_read_back_as_written() {
        for value in [0, 1, 9, 10, 99, 100, i64::MAX as u64, u64::MAX] {
            assert_eq!(Decimal::new(value).as_bytes(), value.to_string().as_bytes());
            assert_eq!(parse_u64(Decimal::new(value).as_bytes()), Some(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
        }
    }
}
