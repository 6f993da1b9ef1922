//! Proving that a seed has one history: the same run in fresh processes, byte for byte.
//!
//! Fresh processes, because two runs in one process share whatever state a dependency keeps,
//! and because the addresses and hash seeds of a process are its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::again::Scratch;
use super::args::RunArgs;
use super::exit::Failure;
use super::{progress, steps, tell};
use crate::history::Event;
use crate::run_dir::HISTORY;

/// Lines shown before the first that differs.
const CONTEXT: usize = 3;
/// Fresh processes that must agree with the first run.
const RUNS: usize = 2;

/// Repeats the run that `original` holds; whether all histories are identical. Tells on
/// standard error.
pub(super) fn verify(args: &RunArgs, original: &Path) -> Result<bool, Failure> {
    for run in 1..=RUNS {
        progress(&format!(
            "verifying: run {run} of {RUNS} in a fresh process …"
        ));
        let again = Scratch::beside(original)?;
        repeat(args, again.path())?;
        let difference = first_difference(original, again.path())?;
        if let Some(text) = difference {
            tell(&format!(
                "not deterministic: two runs of seed {} differ\n{text}",
                args.seed
            ));
            if let Some(text) = steps::first_difference(original)? {
                tell(&text);
            }
            return Ok(false);
        }
    }
    tell(&format!(
        "verified: {RUNS} more runs in fresh processes, histories identical to the byte"
    ));
    Ok(true)
}

fn repeat(args: &RunArgs, out: &Path) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(Failure::harness)?;
    let mut command = Command::new(program);
    (command.arg("run").arg(&args.scenario.scenario))
        .args(["--seed", &args.seed.to_string(), "--format", "json"])
        .args(["--backend", args.backend.info.name])
        .arg("--no-page")
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null());
    for (key, value) in &args.scenario.set {
        command.args(["--set", &format!("{key}={value}")]);
    }
    if let Some(path) = &args.scenario.profile {
        command.arg("--profile").arg(path);
    }
    if let Some(id) = &args.planted {
        command.args(["--planted", id]);
    }
    let status = command.status().map_err(Failure::harness)?;
    match status.code() {
        // Any verdict will do; what counts is the history.
        Some(0..=3) => Ok(()),
        _ => Err(Failure::harness(format!(
            "the repeated run failed: {status}"
        ))),
    }
}

/// The first difference between the histories of two run directories, with what came before
/// it, or `None` if they are identical.
pub(super) fn first_difference(a: &Path, b: &Path) -> Result<Option<String>, Failure> {
    let open = |dir: &Path| -> Result<_, Failure> {
        let path = dir.join(HISTORY);
        let file = File::open(&path).map_err(|e| Failure::at(&path, &e))?;
        Ok(BufReader::new(file))
    };
    compare(open(a)?, open(b)?).map_err(Failure::harness)
}

fn compare(a: impl BufRead, b: impl BufRead) -> std::io::Result<Option<String>> {
    let mut context: Vec<String> = Vec::new();
    let (mut a, mut b) = (a.split(b'\n'), b.split(b'\n'));
    for line in 1.. {
        let (in_a, in_b) = (a.next().transpose()?, b.next().transpose()?);
        if in_a == in_b {
            let Some(same) = in_a else {
                return Ok(None);
            };
            if context.len() == CONTEXT {
                context.remove(0);
            }
            context.push(describe(Some(same)));
            continue;
        }
        let mut text = format!("first diverging event, line {line} of {HISTORY}:\n");
        for same in &context {
            text += &format!("    both   {same}\n");
        }
        text += &format!("  > first  {}\n", describe(in_a));
        text += &format!("  > again  {}", describe(in_b));
        return Ok(Some(text));
    }
    unreachable!("lines are numbered without end")
}

/// The event's time in front of its line.
fn describe(line: Option<Vec<u8>>) -> String {
    let Some(line) = line else {
        return "(the history ends here)".into();
    };
    let text = String::from_utf8_lossy(&line);
    match serde_json::from_str::<Event>(&text) {
        Ok(event) => format!("{:>10.6} s  {text}", event.at_us as f64 / 1e6),
        Err(_) => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn equal_histories_have_no_difference() {
        assert_eq!(compare(&b"a\nb\n"[..], &b"a\nb\n"[..]).unwrap(), None);
    }

    #[test]
    fn the_first_difference_is_named_with_its_surroundings() {
        let text = compare(&b"a\nb\nc\n"[..], &b"a\nb\nd\n"[..]).unwrap();
        let text = text.expect("they differ");
        assert!(text.starts_with("first diverging event, line 3"), "{text}");
        assert!(text.contains("both   b"), "{text}");
        assert!(text.contains("> first  c"), "{text}");
        assert!(text.contains("> again  d"), "{text}");
    }

    #[test]
    fn a_history_that_ends_early_differs() {
        let text = compare(&b"a\nb\n"[..], &b"a\n"[..]).unwrap();
        assert!(text.expect("they differ").contains("ends here"));
    }
}
