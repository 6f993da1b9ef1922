//! Numbers that name something and tell no order.
//!
//! Versions, tokens and receipts of Squall's own cluster are indexes of its log, so the larger
//! one is the later one. A system that has no such numbers has names made of what it does have:
//! a version of the value itself, which nobody writes twice. Checks that go by order must ask
//! [`is_ordered`] first.

/// Marks a name. No log is so long, and numbers below twice this are exact in every JSON.
const MARK: u64 = 1 << 52;

/// A name for what these bytes say: the same for the same bytes, and another for others as far
/// as 52 bits tell.
pub fn name_of(bytes: &[u8]) -> u64 {
    // FNV-1a, with its high bits folded in; good enough to keep a run's values apart.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    name_of_number(hash ^ (hash >> 52))
}

/// A name of which the lower 52 bits are those of a number.
pub fn name_of_number(number: u64) -> u64 {
    MARK | (number & (MARK - 1))
}

/// The lower 52 bits of the number that was made a name by [`name_of_number`].
pub fn number_of(name: u64) -> u64 {
    name & (MARK - 1)
}

/// Whether larger means later.
pub fn is_ordered(number: u64) -> bool {
    number < MARK
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_values_differ_and_are_no_indexes() {
        let names = (0..200_000).map(|n| name_of(format!("cache-{}.{n}", n % 7).as_bytes()));
        let names: BTreeSet<u64> = names.collect();
        assert_eq!(names.len(), 200_000);
        assert!(names.iter().all(|name| !is_ordered(*name)));
        assert_eq!(number_of(name_of_number(17)), 17);
        assert!(is_ordered(0) && is_ordered(u64::from(u32::MAX)));
    }
}
