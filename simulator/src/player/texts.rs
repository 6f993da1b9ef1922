//! Texts that many rows share, each kept once: numbers are taken out of them.

use std::collections::BTreeMap;

/// Stands for a number.
const NUMBER: char = '\u{1}';
/// Numbers of more digits are not exact in a script.
const MOST_DIGITS: usize = 15;

#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    places: BTreeMap<String, usize>,
    pub(super) all: Vec<String>,
}

impl Texts {
    /// With texts that are kept already.
    pub(super) fn of(all: &[String]) -> Self {
        Self {
            places: all.iter().cloned().zip(0..).collect(),
            all: all.to_vec(),
        }
    }

    /// The place of a text as it stands.
    pub(super) fn whole(&mut self, text: &str) -> usize {
        self.keep(text.replace(NUMBER, "?"))
    }

    /// The place of the text without its numbers, and those.
    pub(super) fn numbered(&mut self, text: &str) -> (usize, Vec<i64>) {
        let mut kept = String::with_capacity(text.len());
        let mut numbers = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let run = &rest[..digits];
            // What begins with 0 would not come back as it was.
            let is_exact = digits <= MOST_DIGITS && (digits == 1 || !run.starts_with('0'));
            match run.parse::<i64>() {
                Ok(number) if is_exact => {
                    kept.push(NUMBER);
                    numbers.push(number);
                }
                _ if digits > 0 => kept.push_str(run),
                _ => kept.push(if first == NUMBER { '?' } else { first }),
            }
            let taken = if digits > 0 { digits } else { first.len_utf8() };
            rest = &rest[taken..];
        }
        (self.keep(kept), numbers)
    }

    fn keep(&mut self, text: String) -> usize {
        if let Some(place) = self.places.get(&text) {
            return *place;
        }
        let place = self.all.len();
        self.all.push(text.clone());
        self.places.insert(text, place);
        place
    }

    /// What a text reads as with its numbers.
    #[cfg(test)]
    pub(super) fn read(texts: &[String], place: i64, numbers: &[i64]) -> String {
        let mut numbers = numbers.iter();
        let letters = texts[place as usize].chars();
        let parts = letters.map(|letter| match letter {
            NUMBER => numbers.next().expect("as many as there were").to_string(),
            letter => letter.to_string(),
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_and_share_what_is_no_number() {
        let mut texts = Texts::default();
        let all = [
            "append term 3, 2 entries 51..52, commit 50",
            "append term 12, 7 entries 0..9, commit 7",
            "2.5 at 007 of 12345678901234567890, µs 4",
            "",
            "9",
        ];
        for text in all {
            let (place, numbers) = texts.numbered(text);
            assert_eq!(Texts::read(&texts.all, place as i64, &numbers), text);
        }
        assert_eq!(texts.all.len(), 4, "{:?}", texts.all);
        let (place, numbers) = texts.numbered("a\u{1}b 1");
        assert_eq!(Texts::read(&texts.all, place as i64, &numbers), "a?b 1");
        assert_eq!(texts.whole("7 left"), texts.whole("7 left"));
    }
}
