//! Describes a sample: mean, median, quantiles, ranks.

/// A range that holds the true value with a stated certainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Included.
    pub low: f64,
    /// Included.
    pub high: f64,
}

impl Interval {
    /// Whether the value is within.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Whether all values are numbers that can be reckoned with.
pub(crate) fn are_finite(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// `None` of no values, or of values that are not finite.
pub fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The quantile `share`, 0 to 1, on a line between the values around it: definition 7 of
/// Hyndman and Fan (1996), as R and NumPy have it.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    if values.is_empty() || !are_finite(values) || !(0.0..=1.0).contains(&share) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(quantile_of_sorted(&sorted, share))
}

/// The same of values in rising order, of which there is one at least.
pub(crate) fn quantile_of_sorted(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    // Equal values stay what they are, to the last bit.
    if below == above {
        return below;
    }
    below + (above - below) * place.fract()
}

/// Ranks from 1; equal values share the mean of theirs.
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = (2 * first + tied.len() + 1) as f64 / 2.0;
        for place in tied {
            ranks[*place] = rank;
        }
        first += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: `quantile(c(1, 2, 4, 8), c(0, .25, .5, 1))`.
    #[test]
    fn quantiles_are_those_of_r() {
        let values = [8.0, 1.0, 4.0, 2.0];
        let of = |share| quantile(&values, share);
        assert_eq!(
            [of(0.0), of(0.25), of(0.5), of(1.0)],
            [Some(1.0), Some(1.75), Some(3.0), Some(8.0)]
        );
    }

    #[test]
    fn what_is_no_number_has_no_quantile() {
        for values in [&[][..], &[1.0, f64::NAN], &[f64::INFINITY]] {
            assert_eq!((median(values), mean(values)), (None, None), "{values:?}");
        }
        assert_eq!(quantile(&[1.0], 1.5), None);
    }

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(midranks(&[]), []);
    }
}
