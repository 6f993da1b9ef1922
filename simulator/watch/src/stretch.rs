//! A limit that is broken at a stretch: what alerts and objectives with a grace have in common.

/// From the first to the last of the looks in a row that found a limit broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stretch(Option<(u64, u64)>);

impl Stretch {
    /// Takes in what was found from one moment to another; a look at a single moment begins
    /// and ends there. `None` says nothing, and neither begins nor ends a stretch.
    pub fn look(&mut self, from_us: u64, to_us: u64, is_kept: Option<bool>) {
        match is_kept {
            None => {}
            Some(true) => self.end(),
            Some(false) => {
                let (since_us, _) = self.0.unwrap_or((from_us, from_us));
                self.0 = Some((since_us, to_us));
            }
        }
    }

    /// Whatever was broken no longer counts.
    pub fn end(&mut self) {
        self.0 = None;
    }

    /// When it began; `None`: the limit was kept at the last look.
    pub fn since_us(&self) -> Option<u64> {
        self.0.map(|(since_us, _)| since_us)
    }

    /// Microseconds.
    pub fn length_us(&self) -> u64 {
        self.0.map_or(0, |(from_us, to_us)| to_us - from_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_neither_begins_nor_ends_it() {
        let mut stretch = Stretch::default();
        stretch.look(0, 10, None);
        assert_eq!((stretch.since_us(), stretch.length_us()), (None, 0));
        stretch.look(10, 20, Some(false));
        stretch.look(20, 30, None);
        assert_eq!((stretch.since_us(), stretch.length_us()), (Some(10), 10));
        stretch.look(30, 40, Some(false));
        assert_eq!(stretch.length_us(), 30);
        stretch.look(40, 50, Some(true));
        assert_eq!(stretch.since_us(), None);
    }
}
