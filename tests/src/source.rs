//! Reads Rust source as far as an import rule needs it: which modules and crates a file
//! names, and in which line.
//!
//! Production code only: unit tests, and files that are tests by their name, are left out.
//! The arguments of macros are not looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, UseTree, Visibility};

/// A path in a source file that leads out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Relative to the directory that was read.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// The words of the path. The first is `crate` for this crate, also where the source says
    /// `super` or names a child of the file's module; else a crate or a type.
    pub path: Vec<String>,
    /// The name that a `use` gives it in the file's module.
    alias: Option<String>,
    /// Whether others may use it under that name.
    is_re_export: bool,
}

/// The production code of every file below `dir`, file by file: its imports.
///
/// # Panics
/// The directory cannot be read, or a file is no Rust.
pub fn imports(dir: &Path) -> Vec<Import> {
    let sources = sources(dir);
    let modules = sources.keys().map(|file| module_path(file)).collect();
    let imports = sources
        .iter()
        .map(|(file, text)| imports_of(file, text, &modules));
    imports.flatten().collect()
}

/// Groups of files of the crate below `dir` that import each other in a circle, by module.
///
/// A module's own file stands above those of its children: it declares and re-exports them,
/// so what it takes from them closes no circle. What is imported by way of a re-export counts
/// as imported from where it is defined.
///
/// # Panics
/// As [`imports`].
pub fn circles(dir: &Path) -> Vec<Vec<String>> {
    let modules: BTreeSet<Vec<String>> = sources(dir).keys().map(|f| module_path(f)).collect();
    let imports = imports(dir);
    let mut names = BTreeMap::new();
    for import in &imports {
        if let (Some(alias), "crate") = (&import.alias, &*import.path[0]) {
            let key = (module_path(&import.file), alias.clone());
            names.insert(key, import.path[1..].to_vec());
        }
    }
    let home = |path: &[String]| {
        let mut path = path.to_vec();
        // As many renamings as any chain of re-exports has, and no endless ring of them.
        for _ in 0..8 {
            let within = (0..=path.len())
                .rev()
                .find(|n| modules.contains(&path[..*n]));
            let Some(within) = within else { break };
            let word = path.get(within).cloned().unwrap_or_default();
            match names.get(&(path[..within].to_vec(), word)) {
                Some(target) => {
                    let rest = path.split_off(within + 1);
                    path = [target.clone(), rest].concat();
                }
                None => return Some(path[..within].to_vec()),
            }
        }
        None
    };
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for import in imports
        .iter()
        .filter(|i| i.path[0] == "crate" && !i.is_re_export)
    {
        let from = module_path(&import.file);
        let to = home(&import.path[1..]).filter(|to| !to.starts_with(&from));
        edges.entry(from).or_default().extend(to);
    }
    let reaches = |from: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            let more = edges.get(at).into_iter().flatten();
            next.extend(more.filter(|to| seen.insert((*to).clone())));
        }
        seen
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|from| (from, reaches(from))).collect();
    let mut groups = BTreeSet::new();
    for (from, seen) in reached.iter().filter(|(from, seen)| seen.contains(**from)) {
        let back = |other: &&Vec<String>| reached.get(other).is_some_and(|s| s.contains(*from));
        let group: Vec<String> = seen.iter().filter(back).map(|m| m.join("::")).collect();
        groups.insert(group);
    }
    groups.into_iter().collect()
}

/// Files below `dir` that hold production code, with their text.
fn sources(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = Vec::new();
    find(dir, &mut files);
    assert!(!files.is_empty(), "no source below {}", dir.display());
    let read = files.into_iter().map(|path| {
        let file = path.strip_prefix(dir).expect("found below it").to_owned();
        let text = std::fs::read_to_string(&path).expect("a source file is text");
        (file, text)
    });
    read.filter(|(file, _)| !is_test(file)).collect()
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

/// The module of a file: `a/b.rs` and `a/b/mod.rs` are both `a::b`.
fn module_path(file: &Path) -> Vec<String> {
    let parts = file.with_extension("");
    let mut parts: Vec<String> = (parts.iter())
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
        parts.pop();
    }
    parts
}

fn imports_of(file: &Path, text: &str, modules: &BTreeSet<Vec<String>>) -> Vec<Import> {
    let syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut reader = Reader {
        file,
        module: module_path(file),
        modules,
        found: Vec::new(),
    };
    reader.visit_file(&syntax);
    reader.found
}

struct Reader<'a> {
    file: &'a Path,
    module: Vec<String>,
    modules: &'a BTreeSet<Vec<String>>,
    found: Vec<Import>,
}

impl Reader<'_> {
    fn add(&mut self, line: usize, path: &[String], alias: Option<&String>, is_re_export: bool) {
        let Some(path) = self.resolved(path) else {
            return;
        };
        self.found.push(Import {
            file: self.file.to_owned(),
            line,
            path,
            alias: alias.cloned(),
            is_re_export,
        });
    }

    /// `None` for a path that stays in the file.
    fn resolved(&self, path: &[String]) -> Option<Vec<String>> {
        let up = path.iter().take_while(|word| *word == "super").count();
        let child = [&self.module[..], &path[..1]].concat();
        let base = match &*path[0] {
            "self" | "Self" => return None,
            "super" => &self.module[..self.module.len().checked_sub(up)?],
            _ if self.modules.contains(&child) => &self.module[..],
            _ => return (path.len() > 1).then(|| path.to_vec()),
        };
        Some([&["crate".to_owned()], base, &path[up..]].concat())
    }

    fn tree(&mut self, before: &[String], tree: &UseTree, is_re_export: bool) {
        match tree {
            UseTree::Path(part) => {
                let path = [before, &[part.ident.to_string()]].concat();
                self.tree(&path, &part.tree, is_re_export);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                trees.for_each(|tree| self.tree(before, tree, is_re_export));
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.add(line, before, None, is_re_export);
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.leaf(&name.ident, before, before.last(), is_re_export);
            }
            UseTree::Name(name) => {
                let alias = name.ident.to_string();
                let path = [before, std::slice::from_ref(&alias)].concat();
                self.leaf(&name.ident, &path, Some(&alias), is_re_export);
            }
            UseTree::Rename(name) => {
                let path = [before, &[name.ident.to_string()]].concat();
                self.leaf(
                    &name.ident,
                    &path,
                    Some(&name.rename.to_string()),
                    is_re_export,
                );
            }
        }
    }

    fn leaf(
        &mut self,
        at: &syn::Ident,
        path: &[String],
        alias: Option<&String>,
        is_re_export: bool,
    ) {
        self.add(at.span().start().line, path, alias, is_re_export);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_re_export = !matches!(item.vis, Visibility::Inherited);
        self.tree(&[], &item.tree, is_re_export);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() && !item.attrs.iter().any(is_for_tests) {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = (path.segments.iter())
            .map(|segment| segment.ident.to_string())
            .collect();
        if words.len() > 1 {
            self.add(
                path.segments[0].ident.span().start().line,
                &words,
                None,
                false,
            );
        }
        visit::visit_path(self, path);
    }

    /// Attributes name macros, not modules.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && (attribute.parse_args::<syn::Ident>()).is_ok_and(|condition| condition == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<(usize, String)> {
        let imports = imports_of(Path::new(file), text, &BTreeSet::new());
        let short = |import: Import| (import.line, import.path.join("::"));
        imports.into_iter().map(short).collect()
    }

    #[test]
    fn paths_and_groups_are_seen_with_their_line() {
        let text =
            "use crate::{\n    a::b,\n    c::{d, e},\n    f,\n};\nfn g() { crate::h::i() }\n";
        let expected = [
            (2, "crate::a::b"),
            (3, "crate::c::d"),
            (3, "crate::c::e"),
            (4, "crate::f"),
            (6, "crate::h::i"),
        ];
        let expected: Vec<_> = expected.map(|(line, path)| (line, path.into())).into();
        assert_eq!(found("x.rs", text), expected);
    }

    #[test]
    fn climbing_names_the_crate() {
        let text = "use super::super::other::Thing;\nuse super::near::Thing;\n";
        let expected = [(1, "crate::other::Thing"), (2, "crate::a::near::Thing")];
        let expected: Vec<_> = expected.map(|(line, path)| (line, path.into())).into();
        assert_eq!(found("a/b.rs", text), expected);
        assert_eq!(found("a/b/mod.rs", text), expected);
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
        let text = "//! [`crate::a`]\nconst S: &str = \"crate::b \\\" crate::c\n crate::d\"; // crate::e\n\
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

    /// Files of a crate as the table says, and the circles among them.
    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let dir = tempfile::tempdir().expect("a directory");
        for (file, text) in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("below it")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        circles(dir.path())
    }

    #[test]
    fn a_circle_is_found_through_re_exports_and_parents() {
        let lib = ("lib.rs", "mod a;\nmod b;\nmod c;\npub use b::Thing;\n");
        let direct = [
            lib,
            ("a.rs", "use super::b::f;"),
            ("b.rs", "fn f() { crate::a::g() }"),
        ];
        assert_eq!(circles_of(&direct), [["a", "b"]]);
        let re_exported = [
            lib,
            ("a.rs", "use crate::Thing;"),
            ("b.rs", "use super::a::g;"),
        ];
        assert_eq!(circles_of(&re_exported), [["a", "b"]]);
        let three = [
            lib,
            ("a.rs", "use super::b::f;"),
            ("b.rs", "use super::c::h;"),
            ("c.rs", "fn f(x: crate::a::T) {}"),
        ];
        assert_eq!(circles_of(&three), [["a", "b", "c"]]);
    }

    #[test]
    fn a_module_may_use_its_children_and_they_it() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nuse a::f;\npub struct Own;\n"),
            ("a.rs", "use super::Own;\nuse super::b::g;"),
            ("b.rs", "use crate::Own;"),
        ];
        assert_eq!(circles_of(&files), Vec::<Vec<String>>::new());
    }
}
