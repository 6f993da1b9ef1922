//! Quantities as a reader likes them: `1.5s`, `80%`.
//!
//! The way back from what [`crate::unit`] reads; kept here because faults, plans
//! and scenarios all print, and faults import neither of the others.

/// A duration as a reader likes it: `1.5s`, `300ms`, `200us`.
pub fn duration_text(us: u64) -> String {
    match us {
        0 => "0s".to_owned(),
        1..1_000 => format!("{us}us"),
        1_000..1_000_000 => format!("{}ms", thousandths(us, 1_000)),
        _ => format!("{}s", thousandths(us, 1_000_000)),
    }
}

/// The same of nanoseconds: `1.25us`, `300ns`.
pub fn fine_duration_text(ns: u64) -> String {
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}us", thousandths(ns, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", thousandths(ns, 1_000_000)),
        _ => format!("{}s", thousandths(ns, 1_000_000_000)),
    }
}

/// How far a clock is off: `+1.5s`, `-300ms`.
pub fn offset_text(us: i64) -> String {
    let sign = if us < 0 { '-' } else { '+' };
    format!("{sign}{}", duration_text(us.unsigned_abs()))
}

/// A share as authors write it: `80%`, `0.01%`.
pub fn share_text(ppm: u32) -> String {
    format!("{}%", thousandths(ppm.into(), 10_000))
}

/// `value / one` in decimals, without trailing zeros; `one` is a power of ten.
fn thousandths(value: u64, one: u64) -> String {
    let places = one.ilog10() as usize;
    let text = format!("{}.{:0places$}", value / one, value % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
