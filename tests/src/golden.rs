//! Golden files: behaviour as text, where the diff is the review.

use std::path::Path;

/// Set to rewrite golden files instead of comparing with them.
const UPDATE: &str = "UPDATE_GOLDEN";
/// Lines shown before the first that differs.
const CONTEXT: usize = 5;

/// Compares `text` with the file, or writes it there when `UPDATE_GOLDEN` is set.
///
/// # Panics
/// They differ, or the file cannot be read or written.
pub fn assert_matches(text: &str, file: &Path) {
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        return;
    }
    let golden = std::fs::read_to_string(file)
        .unwrap_or_else(|e| panic!("{}: {e}; {UPDATE}=1 writes it", file.display()));
    if let Some(difference) = difference(&golden, text) {
        panic!(
            "the text is not that of {}\n{difference}\nif it should have changed, run again with {UPDATE}=1 and review the diff",
            file.display()
        );
    }
}

/// Where two texts first differ, with the lines before.
fn difference(golden: &str, text: &str) -> Option<String> {
    let (golden, text): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), text.lines().collect());
    let same = golden.iter().zip(&text).take_while(|(a, b)| a == b).count();
    if same == golden.len() && same == text.len() {
        return None;
    }
    let mut shown = format!("first difference in line {}:\n", same + 1);
    for line in &golden[same.saturating_sub(CONTEXT)..same] {
        shown += &format!("    {line}\n");
    }
    let end = &"(the end)";
    shown += &format!("  - {}\n", golden.get(same).unwrap_or(end));
    shown += &format!("  + {}", text.get(same).unwrap_or(end));
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn the_first_difference_is_shown() {
        let shown = difference("a\nb\n", "a\nc\n").expect("they differ");
        assert_eq!(shown, "first difference in line 2:\n    a\n  - b\n  + c");
    }

    #[test]
    fn a_missing_end_is_shown() {
        let shown = difference("a\nb\n", "a\n").expect("they differ");
        assert!(shown.ends_with("  - b\n  + (the end)"), "{shown}");
    }
}
