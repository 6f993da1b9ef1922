//! Delta debugging: a part of a list that still does it, of which no element can be left out.
//!
//! Algorithm ddmin of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
//! input", IEEE Transactions on Software Engineering 28 (2002). The test may say yes to a
//! list without being monotonic; the result is then only as small as what was tried.

/// Shrinks `items`, for which `fails` holds, and asks it about smaller lists.
///
/// # Errors
/// Those of `fails`.
pub(super) fn ddmin<T: Clone, E>(
    mut items: Vec<T>,
    mut fails: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut parts = 2;
    'smaller: while items.len() > 1 {
        let size = items.len().div_ceil(parts);
        let starts = || (0..items.len()).step_by(size);
        for start in starts() {
            let part = items[start..(start + size).min(items.len())].to_vec();
            if part.len() < items.len() && fails(&part)? {
                items = part;
                parts = 2;
                continue 'smaller;
            }
        }
        for start in starts() {
            let mut rest = items.clone();
            rest.drain(start..(start + size).min(items.len()));
            if !rest.is_empty() && parts > 2 && fails(&rest)? {
                items = rest;
                parts = (parts - 1).max(2);
                continue 'smaller;
            }
        }
        if size == 1 {
            break;
        }
        parts = (2 * parts).min(items.len());
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest list that holds all of `needed`, and how many were tried.
    fn shrunk(count: u32, needed: &[u32]) -> (Vec<u32>, u32) {
        let mut tried = 0;
        let fails = |list: &[u32]| {
            tried += 1;
            Ok::<bool, ()>(needed.iter().all(|item| list.contains(item)))
        };
        let items = ddmin((0..count).collect(), fails).expect("the test never fails");
        (items, tried)
    }

    #[test]
    fn what_is_needed_is_what_is_left() {
        for needed in [&[3][..], &[0, 99], &[17, 18, 50], &[1, 33, 66, 98]] {
            let (left, tried) = shrunk(100, needed);
            assert_eq!(left, needed);
            assert!(tried < 400, "{tried} tries for {needed:?}");
        }
        assert_eq!(shrunk(1, &[0]).0, [0]);
    }

    #[test]
    fn when_all_are_needed_all_are_left() {
        assert_eq!(shrunk(5, &[0, 1, 2, 3, 4]).0, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn an_end_is_passed_on() {
        assert_eq!(ddmin(vec![1, 2, 3], |_| Err("over")), Err("over"));
    }
}
