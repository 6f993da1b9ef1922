//! Rust source as far as an import rule needs it: which modules and crates a file names,
//! and in which line.
//!
//! No parser: comments, strings and unit tests are blanked, and what is left is read as
//! words, `::` and braces. That sees `use crate::{a, b::c}`, `crate::a::f()` and chains of
//! `super::`, and deliberately not what a macro may write.

use std::path::{Path, PathBuf};

/// A path in a source file that leads out of its module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Relative to the directory that was read.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// First word of the path: `crate` for this crate (`super` chains are resolved), or the
    /// first word of a path that starts with no keyword: a crate, a local module or a type.
    pub root: String,
    /// The word after the root.
    pub module: String,
}

/// The production code of every file below `dir`, file by file: its imports.
///
/// # Panics
/// The directory cannot be read.
pub fn imports(dir: &Path) -> Vec<Import> {
    let mut files = Vec::new();
    find(dir, &mut files);
    assert!(!files.is_empty(), "no source below {}", dir.display());
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let file = path.strip_prefix(dir).expect("found below it").to_owned();
        if is_test(&file) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file is text");
        all.extend(imports_of(&file, &text));
    }
    all
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// By the convention of this repository.
fn is_test(file: &Path) -> bool {
    let stem = file.file_stem().expect("it has a name").to_string_lossy();
    let in_tests = file.iter().any(|part| part == "tests");
    in_tests || stem == "testing" || stem == "tests" || stem.ends_with("_tests")
}

/// The top-level module that a file belongs to.
pub fn module_of(file: &Path) -> String {
    let first = file.iter().next().expect("a relative path has a part");
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn imports_of(file: &Path, text: &str) -> Vec<Import> {
    let code = blank(text);
    let end = code.find("#[cfg(test)]\nmod tests {");
    let words = words(&code[..end.unwrap_or(code.len())]);
    let depth = depth(file);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let Some((root, next)) = root(&words, at, depth) else {
            at += 1;
            continue;
        };
        let (modules, end) = first_words(&words, next);
        found.extend(modules.into_iter().map(|module| Import {
            file: file.to_owned(),
            line: words[at].line,
            root: root.clone(),
            module,
        }));
        at = end;
    }
    found
}

struct Word<'a> {
    text: &'a str,
    line: usize,
}

/// How many modules deep the file is: `src/a/b.rs` and `src/a/b/mod.rs` are two deep.
fn depth(file: &Path) -> usize {
    let parts = file.iter().count();
    match file.file_stem().expect("it has a name").to_str() {
        Some("mod" | "lib" | "main") => parts - 1,
        _ => parts,
    }
}

/// If a path starts at `at`: its root, and where what follows the root begins.
fn root(words: &[Word], at: usize, depth: usize) -> Option<(String, usize)> {
    let is = |at: usize, text: &str| words.get(at).is_some_and(|word| word.text == text);
    let starts = at == 0 || !is(at - 1, "::");
    let is_name = words[at]
        .text
        .starts_with(|c: char| c.is_alphabetic() || c == '_');
    if !starts || !is_name || !is(at + 1, "::") {
        return None;
    }
    match words[at].text {
        "self" | "Self" => None,
        "super" => {
            let mut next = at;
            while is(next, "super") && is(next + 1, "::") {
                next += 2;
            }
            let climbed = (next - at) / 2;
            (climbed == depth).then(|| ("crate".to_owned(), next))
        }
        name => Some((name.to_owned(), at + 2)),
    }
}

/// The word at `at`, or, if a brace opens there, the first word of each of its entries; and
/// where to read on.
fn first_words(words: &[Word], at: usize) -> (Vec<String>, usize) {
    let Some(first) = words.get(at) else {
        return (Vec::new(), at);
    };
    if first.text != "{" {
        return (vec![first.text.to_owned()], at + 1);
    }
    let mut found = Vec::new();
    let mut depth = 0;
    for (index, word) in words.iter().enumerate().skip(at) {
        match word.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            text if depth == 1 && matches!(words[index - 1].text, "{" | ",") => {
                found.push(text.to_owned());
            }
            _ => {}
        }
        if depth == 0 {
            return (found, index + 1);
        }
    }
    (found, words.len())
}

/// Words, `::` and other signs, with their lines.
fn words(code: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if rest.starts_with("::") => 2,
                c if c.is_alphanumeric() || c == '_' => rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            let line = number + 1;
            let text = &rest[..length];
            words.push(Word { text, line });
            rest = rest[length..].trim_start();
        }
    }
    words
}

/// The text with comments and the insides of strings removed, line by line in place. Raw
/// strings and character literals of a quote are not known; production code here has the
/// one only where no path is, and the other nowhere.
fn blank(text: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    for line in text.lines() {
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if in_string => drop(chars.next()),
                '\'' if !in_string && chars.peek() == Some(&'"') => drop(chars.next()),
                '"' => in_string = !in_string,
                '/' if !in_string && chars.peek() == Some(&'/') => break,
                c if !in_string => code.push(c),
                _ => {}
            }
        }
        code.push('\n');
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<(usize, String)> {
        let imports = imports_of(Path::new(file), text);
        let short = |import: Import| (import.line, format!("{}::{}", import.root, import.module));
        imports.into_iter().map(short).collect()
    }

    #[test]
    fn paths_and_groups_are_seen_with_their_line() {
        let text =
            "use crate::{\n    a::b,\n    c::{d, e},\n    f,\n};\nfn g() { crate::h::i() }\n";
        let expected = [
            (1, "crate::a"),
            (1, "crate::c"),
            (1, "crate::f"),
            (6, "crate::h"),
        ];
        let expected: Vec<_> = expected.map(|(line, path)| (line, path.into())).into();
        assert_eq!(found("x.rs", text), expected);
    }

    #[test]
    fn climbing_to_the_root_is_naming_the_crate() {
        let text = "use super::super::other::Thing;\nuse super::near::Thing;\n";
        let other = vec![(1, "crate::other".to_owned())];
        assert_eq!(found("a/b.rs", text), other);
        assert_eq!(found("a/b/mod.rs", text), other);
        assert_eq!(found("a/b/c.rs", text), []);
    }

    #[test]
    fn crates_are_seen_wherever_a_path_names_them() {
        let text = "fn f(x: openraft::Raft) -> Vec<turmoil_net::HostId> {}\n";
        let names: Vec<String> = found("x.rs", text)
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        assert_eq!(names, ["openraft::Raft", "turmoil_net::HostId"]);
    }

    #[test]
    fn comments_strings_and_unit_tests_do_not_count() {
        let text = "//! [`crate::a`]\nlet s = \"crate::b \\\" crate::c\n crate::d\"; // crate::e\n\
                    #[cfg(test)]\nmod tests {\n    use crate::f::g;\n}\n";
        assert_eq!(found("x.rs", text), []);
    }

    #[test]
    fn test_files_are_known_by_name() {
        assert!(is_test(Path::new("state/tests/mod.rs")));
        assert!(is_test(Path::new("measure/loss_tests.rs")));
        assert!(is_test(Path::new("check/testing.rs")));
        assert!(!is_test(Path::new("check/latest.rs")));
    }
}
