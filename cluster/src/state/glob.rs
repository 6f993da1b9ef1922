//! Patterns of names, as in `KEYS` and `CONFIG GET`: `*`, `?`, `[a-c]`, `[^a]`, `\` before a
//! character that is meant as it stands.
//!
//! Source: `stringmatchlen` in Redis `util.c`, without its recursion: after a mismatch only the
//! last `*` takes one more byte, so the work is at most the product of the two lengths.

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on after the last `*`: in the pattern, and in the text.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, seen));
            at += 1;
            continue;
        }
        match text.get(seen) {
            None if at == pattern.len() => return true,
            None => return false,
            Some(&byte) => {
                if let Some(used) = one(&pattern[at..], byte) {
                    at += used;
                    seen += 1;
                    continue;
                }
            }
        }
        let Some((after, begun)) = star else {
            return false;
        };
        star = Some((after, begun + 1));
        (at, seen) = (after, begun + 1);
    }
}

/// How many bytes of the pattern, which does not start with `*`, match this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => class(rest, byte).map(|used| used + 1),
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

/// A class of bytes after its `[`; one that is not closed ends with the pattern.
fn class(class: &[u8], byte: u8) -> Option<usize> {
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
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

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
}
