//! Tells the program which commit was checked out when it was built, for its reports.
//!
//! Whoever packages it may say so himself, in the variable `SQUALL_COMMIT`. Without git, or
//! outside of this repository, nothing is said.
//!
//! git is asked when a source has changed, and the crate is compiled anew anyway; not whenever
//! `HEAD` moves, which would cost minutes at every commit. So what is built before it is
//! committed names the commit that it was built upon.

use std::path::{Path, PathBuf};
use std::process::Command;

const VARIABLE: &str = "SQUALL_COMMIT";

/// The crates that the program is made of, beside this one.
const CRATES: [&str; 12] = [
    "../cluster/src",
    "../cluster/world",
    "backend",
    "check",
    "fault",
    "history",
    "measure",
    "objective",
    "plan",
    "report",
    "statistics",
    "workload",
];

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    for path in ["build.rs", "Cargo.toml", "src"].into_iter().chain(CRATES) {
        watch(Path::new(path));
    }
    let given = std::env::var(VARIABLE).ok();
    if let Some(commit) = given.or_else(checked_out) {
        println!("cargo::rustc-env={VARIABLE}={commit}");
    }
}

/// Has cargo look at the Rust files there: style sheets and golden files say nothing about
/// commits. What is not there, in a package say, would have this run at every build.
fn watch(path: &Path) {
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| watch(path));
    } else if path.extension().is_some_and(|e| e == "rs" || e == "toml") && path.is_file() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// The commit, if this directory is where it belongs in a repository: the one around a copy of
/// this package would be another's.
fn checked_out() -> Option<String> {
    let arguments = ["rev-parse", "--show-prefix", "--short=12", "HEAD"];
    let git = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(git.stdout).ok()?;
    let mut lines = text.lines();
    let (prefix, commit) = (lines.next()?, lines.next()?);
    let is_commit = commit.len() >= 12 && commit.bytes().all(|b| b.is_ascii_hexdigit());
    (git.status.success() && prefix == "simulator/" && is_commit).then(|| commit.to_owned())
}
