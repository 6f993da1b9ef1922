//! Tests whether something happens more often in one sample than in another.

use std::cmp::Ordering;

use statrs::function::factorial::ln_binomial;

/// How often something happened, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// In how many cases it did.
    pub of_it: u64,
    /// At least as many.
    pub all: u64,
}

/// What is said of two shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// How the second share compares with the first.
    pub leans: Ordering,
    /// Chance of shares at least as far apart if both are drawn from one.
    pub p: f64,
    /// The least that it could have been, had as many happened in all.
    pub least_p: f64,
}

/// The exact test of Fisher (1935), two-sided: what is no likelier than what was observed
/// counts as at least as far apart.
///
/// `None` of an empty sample, or if more happened than could.
pub fn fisher_exact(a: Share, b: Share) -> Option<Shares> {
    if a.all == 0 || b.all == 0 || a.of_it > a.all || b.of_it > b.all {
        return None;
    }
    let happened = a.of_it + b.of_it;
    let whole = ln_binomial(a.all + b.all, happened);
    let chance =
        |in_a: u64| (ln_binomial(a.all, in_a) + ln_binomial(b.all, happened - in_a) - whole).exp();
    let possible = happened.saturating_sub(b.all)..=happened.min(a.all);
    let chances: Vec<f64> = possible.clone().map(chance).collect();
    // Rounding must not make equally likely ones differ.
    let up_to = |most: f64| -> f64 {
        let rare = chances.iter().filter(|p| **p <= most * (1.0 + 1e-9));
        rare.sum::<f64>().min(1.0)
    };
    let rarest = chances.iter().copied().fold(1.0, f64::min);
    let (in_a, in_b) = (
        u128::from(a.of_it) * u128::from(b.all),
        u128::from(b.of_it) * u128::from(a.all),
    );
    Some(Shares {
        leans: in_b.cmp(&in_a),
        p: up_to(chance(a.of_it)),
        least_p: up_to(rarest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: (u64, u64), b: (u64, u64)) -> Option<Shares> {
        let share = |(of_it, all)| Share { of_it, all };
        fisher_exact(share(a), share(b))
    }

    /// The lady tasting tea, the example of R's `fisher.test`: 3 and 1 of four each,
    /// two-sided p = 34 / 70. All right would have been 2 / 70.
    #[test]
    fn the_chance_is_that_of_the_lady_tasting_tea() {
        let found = of((3, 4), (1, 4)).expect("shares");
        assert!((found.p - 34.0 / 70.0).abs() < 1e-9, "{found:?}");
        assert!((found.least_p - 2.0 / 70.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.leans, Ordering::Less);
    }

    /// By hand: one split of C(20, 10), and the other way round.
    #[test]
    fn always_and_never_are_distinguished() {
        let found = of((0, 10), (10, 10)).expect("shares");
        assert!((found.p - 2.0 / 184_756.0).abs() < 1e-12, "{found:?}");
        assert_eq!((found.leans, found.least_p), (Ordering::Greater, found.p));
        let same = of((4, 10), (4, 10)).expect("shares");
        assert_eq!(same.leans, Ordering::Equal);
        assert!((same.p - 1.0).abs() < 1e-9, "{same:?}");
        let always = of((10, 10), (7, 7)).expect("shares");
        assert!((always.least_p - 1.0).abs() < 1e-9, "{always:?}");
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(of((0, 0), (1, 1)), None);
        assert_eq!(of((2, 1), (1, 1)), None);
    }
}
