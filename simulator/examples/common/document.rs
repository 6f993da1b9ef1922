//! Documents of which a program writes a part.

use std::path::Path;

/// Replaces what lies between the lines `<!-- NAME: begin -->` and `<!-- NAME: end -->` of a
/// document.
///
/// # Errors
/// The document cannot be read or written, or has no such lines, in words.
pub fn write_between(document: &Path, name: &str, section: &str) -> Result<(), String> {
    let say = |why: &dyn std::fmt::Display| format!("{}: {why}", document.display());
    let text = std::fs::read_to_string(document).map_err(|e| say(&e))?;
    let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {name}: {side} -->"));
    let missing = || say(&format!("has no `{begin}` before `{end}`"));
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    let text = format!("{before}{begin}\n{section}{end}{after}");
    std::fs::write(document, text).map_err(|e| say(&e))
}
