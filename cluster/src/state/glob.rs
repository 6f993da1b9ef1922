//! Patterns of names, as in `KEYS` and `CONFIG GET`: `*`, `?`, `[a-c]`, `[^a]`, `\` before a
//! character that is meant as it stands.
//!
//! Source: `stringmatchlen` in Redis `util.c`, without its recursion: after a mismatch only the
//! last `*` takes one more byte, so the work is at most the product of the two lengths.

/// How much more work matching may be, in bytes of a pattern that are looked at.
///
/// A pattern may have to begin anew at every byte of a text: 64 KiB of each are four billion
/// steps.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    left: u64,
}

/// Some ten milliseconds.
const OF_ONE_READ: u64 = 1 << 24;
/// For each byte of a text, so that a long walk with a pattern of the usual kind never ends early.
const PER_BYTE: u64 = 8;

impl Effort {
    /// For one read of a client.
    pub fn of_one_read() -> Self {
        Self { left: OF_ONE_READ }
    }

    /// As much as it takes.
    pub fn any() -> Self {
        Self { left: u64::MAX }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(Exhausted)?;
        Ok(())
    }
}

/// Matching was more work than it may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_within(pattern, text, &mut Effort::any()).expect("it may take what it takes")
}

/// The same, if it is not too much work.
pub fn matches_within(pattern: &[u8], text: &[u8], effort: &mut Effort) -> Result<bool, Exhausted> {
    let usual = (text.len() as u64 + 1) * PER_BYTE;
    effort.left = effort.left.saturating_add(usual);
    let (mut at, mut seen) = (0, 0);
    // Where to go on after the last `*`: in the pattern, and in the text.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return Ok(true);
            }
            star = Some((at, seen));
            continue;
        }
        match text.get(seen) {
            None => return Ok(at == pattern.len()),
            Some(&byte) => {
                let (fits, used) = one(&pattern[at..], byte);
                effort.spend(used.max(1))?;
                if fits {
                    at += used;
                    seen += 1;
                    continue;
                }
            }
        }
        let Some((after, begun)) = star else {
            return Ok(false);
        };
        star = Some((after, begun + 1));
        (at, seen) = (after, begun + 1);
    }
}

/// Whether the first of the pattern, which does not start with `*`, matches this byte, and how
/// many bytes of the pattern that is.
fn one(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern {
        [] => (false, 0),
        [b'?', ..] => (true, 1),
        [b'\\', escaped, ..] => (*escaped == byte, 2),
        [b'[', rest @ ..] => {
            let (fits, used) = class(rest, byte);
            (fits, used + 1)
        }
        [plain, ..] => (*plain == byte, 1),
    }
}

/// A class of bytes after its `[`; one that is not closed ends with the pattern.
fn class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        let used = match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                2
            }
            [first, b'-', last, ..] => {
                found |= (*first.min(last)..=*first.max(last)).contains(&byte);
                3
            }
            [plain, ..] => {
                found |= *plain == byte;
                1
            }
        };
        at += used;
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::{Effort, Exhausted, matches, matches_within};

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hbllo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"[\]]", "]", true),
            ("[ab", "b", true),
            ("[", "a", false),
        ] {
            let matched = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(matched, expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn many_stars_against_a_long_text_take_no_exponential_time() {
        let pattern = b"*a".repeat(64);
        let text = b"a".repeat(63);
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn a_pattern_that_begins_anew_at_every_byte_ends_in_time() {
        let text = vec![b'a'; 64 * 1024];
        let pattern = |middle: &[u8]| [b"*", middle, b"b"].concat();
        for hostile in [vec![b'a'; 32 * 1024], b"[a-c]".repeat(6_000), {
            [b"[", &[b'a'; 60_000][..], b"]"].concat()
        }] {
            let mut effort = Effort::of_one_read();
            let matched = matches_within(&pattern(&hostile), &text, &mut effort);
            assert_eq!(matched, Err(Exhausted));
        }
        // Patterns as people write them may look at any number of names.
        let mut effort = Effort::of_one_read();
        for number in 0..100_000 {
            let name = format!("user:{number}:{}", "profile:picture:".repeat(20));
            for (pattern, expected) in [("*", true), ("*picture:", true), ("*[0-9]:x*", false)] {
                let matched = matches_within(pattern.as_bytes(), name.as_bytes(), &mut effort);
                assert_eq!(matched, Ok(expected), "{pattern} {name}");
            }
        }
    }
}
