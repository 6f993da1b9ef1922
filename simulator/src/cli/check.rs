//! `squall check`: a run directory by all checks, or a history file on one model.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::args::{CheckArgs, CheckFormat, Fail, Model};
use super::exit::{Exit, Failure};
use super::{print, style, tell};
use crate::check::Verdict;
use crate::check::external::{self, Format, Judgement, Limits, Violation};
use crate::history::History;
use crate::plan::Plan;
use crate::report;
use crate::run;
use crate::run_dir::{HISTORY, RunDir, shell_word};
use crate::stopwatch::Stopwatch;

/// Larger files are refused; they would not fit into memory anyhow.
const MAX_FILE_BYTES: u64 = 4 << 30;

pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    match args.model {
        Some(model) => history(args, model),
        None if args.path.is_file() => Err(Failure::usage(format!(
            "{}: a file; to judge it, say what it is a history of: \
             --model register|kv|lock|queue|counter|set",
            args.path.display()
        ))),
        None => run_directory(args),
    }
}

/// Judges the stored history by today's checks.
fn run_directory(args: &CheckArgs) -> Result<u8, Failure> {
    let as_json = match args.format {
        None | Some(CheckFormat::Text) => false,
        Some(CheckFormat::Json) => true,
        Some(_) => {
            return Err(Failure::usage(
                "--format squall, jepsen and edn are for history files, with --model",
            ));
        }
    };
    let (dir, manifest) = RunDir::open(&args.path)?;
    let scenario = dir.scenario(&manifest)?;
    let plan = Plan::resolve(&scenario, manifest.seed)?;
    let (header, history) = dir.history()?;
    if header != run::header(&plan) {
        return Err(Failure::usage(format!(
            "{}: the history is not of this scenario and seed",
            args.path.display()
        )));
    }
    let reproduce = match manifest.is_repeatable() {
        true => format!(
            "squall replay {}",
            shell_word(&args.path.display().to_string())
        ),
        false => manifest.reproduce(),
    };
    let context = dir.context()?;
    let judged = super::judge(&dir, &manifest, &plan, &history, &context, &reproduce)?;
    if let Some(file) = &args.picture {
        match first_violation(&history, args.timeout) {
            Some(violation) => draw(&violation, file)?,
            None => tell("no picture: nothing that is not linearizable"),
        }
    }
    match as_json {
        false => print(&report::text(&judged, style(), None)),
        true => print(&judged.to_json()),
    }
    Ok(judged.verdict.exit_code())
}

/// What is not linearizable in one of our own runs.
fn first_violation(history: &History, timeout: u64) -> Option<Violation> {
    use external::Model::{Lock, Queue, Register};
    let watch = Stopwatch::start();
    let limits = Limits {
        interrupted: &|| watch.elapsed() > Duration::from_secs(timeout),
        ..Limits::default()
    };
    [Register, Lock, Queue].into_iter().find_map(|model| {
        let judged = external::judge_history(history, model, &limits);
        // A run without that service, or a malformed one, has nothing to draw.
        judged.ok()?.violation
    })
}

/// Judges a history file on one model.
fn history(args: &CheckArgs, model: Model) -> Result<u8, Failure> {
    let format = match args.format {
        None => None,
        Some(CheckFormat::Squall) => Some(Format::Squall),
        Some(CheckFormat::Jepsen) => Some(Format::Jepsen),
        Some(CheckFormat::Edn) => Some(Format::Edn),
        Some(CheckFormat::Json) => Some(Format::Json),
        Some(CheckFormat::Text) => {
            return Err(Failure::usage(
                "--format text is for run directories, without --model",
            ));
        }
    };
    let model = match model {
        Model::Register => external::Model::Register,
        Model::Kv => external::Model::Kv,
        Model::Lock => external::Model::Lock,
        Model::Queue => external::Model::Queue,
        Model::Counter => external::Model::Counter,
        Model::Set => external::Model::Set,
        Model::TotalQueue => external::Model::TotalQueue,
    };
    let path = match args.path.is_dir() {
        true => {
            // Any directory with a history will do, but a run may say why it has none.
            if RunDir::is_at(&args.path) {
                RunDir::open(&args.path)?.0.must_have_verdict()?;
            }
            args.path.join(HISTORY)
        }
        false => args.path.clone(),
    };
    let at = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", path.display()));
    let input = read(&path).map_err(|e| at(&e))?;
    let watch = Stopwatch::start();
    let timeout = Duration::from_secs(args.timeout);
    let limits = Limits {
        interrupted: &|| watch.elapsed() > timeout,
        ..limits(args)
    };
    let judged = external::judge(&input, model, format, &limits).map_err(|e| at(&e))?;
    print(&summary(&judged, &path, watch.elapsed()));
    if let Some(file) = &args.picture {
        match &judged.violation {
            Some(violation) => draw(violation, file)?,
            None => tell("no picture: no violation"),
        }
    }
    Ok(match judged.verdict {
        Verdict::Pass => Exit::Pass as u8,
        Verdict::Fail => Exit::Violation as u8,
        Verdict::Unknown
        | Verdict::NotJudged
        | Verdict::NotPromised
        | Verdict::UnknownNotPromised => Exit::Inconclusive as u8,
    })
}

/// How to read a history, and the bounds of a search, as the command line has them.
fn limits(args: &CheckArgs) -> Limits<'static> {
    let usual = Limits::default();
    Limits {
        steps: args.steps.unwrap_or(usual.steps),
        steps_per_operation: args.steps.map_or(usual.steps_per_operation, |_| 0),
        bytes: args.memory.map_or(usual.bytes, |mib| (mib as usize) << 20),
        fail: args.fail.map(|fail| match fail {
            Fail::Dropped => external::Fail::Dropped,
            Fail::Compared => external::Fail::Compared,
        }),
        ..usual
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut input = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut input)?;
    match input.len() as u64 > MAX_FILE_BYTES {
        true => Err(std::io::Error::other(format!(
            "larger than {MAX_FILE_BYTES} bytes"
        ))),
        false => Ok(input),
    }
}

fn summary(judged: &Judgement, path: &Path, took: Duration) -> String {
    let Judgement {
        format,
        operations,
        objects,
        ..
    } = judged;
    let format = match format {
        Format::Squall => "squall history",
        Format::Jepsen => "jepsen log",
        Format::Edn => "edn maps",
        Format::Json => "json objects",
    };
    let plural = if *objects == 1 { "object" } else { "objects" };
    let mut text = format!(
        "{}: {format}, {operations} operations on {objects} {plural}, judged in {:.1} ms\n",
        path.display(),
        took.as_secs_f64() * 1_000.0,
    );
    if let Some(fail) = judged.fail {
        let (meaning, name) = match fail {
            external::Fail::Dropped => ("did not happen", "dropped"),
            external::Fail::Compared => ("was answered no", "compared"),
        };
        text += &format!("a compare-and-set that failed {meaning} (--fail {name})\n");
    }
    if !judged.counts.is_empty() {
        let counts = judged.counts.iter();
        let counts: Vec<String> = counts
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        text += &format!("counts: {}\n", counts.join(", "));
    }
    for left_out in &judged.left_out {
        text += &format!("left out: {left_out}\n");
    }
    if let Some(violation) = &judged.violation {
        let story = violation.story.join("\n");
        // A file from elsewhere must not steer the terminal.
        let steers = |c: char| c.is_control() && c != '\n';
        text += &format!("\n{}\n", story.replace(steers, "\u{fffd}"));
    }
    let (verdict, more) = match (judged.verdict, &judged.violation) {
        (Verdict::Pass, _) => ("PASS", String::new()),
        (
            Verdict::Unknown
            | Verdict::NotJudged
            | Verdict::NotPromised
            | Verdict::UnknownNotPromised,
            _,
        ) => ("INCONCLUSIVE", String::new()),
        (Verdict::Fail, None) => ("VIOLATION", String::new()),
        (Verdict::Fail, Some(violation)) => {
            let shorter = match violation.is_shortest {
                true => "no shorter prefix is",
                false => "a shorter prefix may be, too",
            };
            let Violation { prefix, line, .. } = violation;
            let more = format!("; wrong from event {prefix} on (line {line}), {shorter}");
            ("VIOLATION", more)
        }
    };
    text + &format!("\n{verdict}  {}{more}\n", judged.detail)
}

fn draw(violation: &Violation, file: &Path) -> Result<(), Failure> {
    let page = violation.scene.to_html();
    std::fs::write(file, page).map_err(|e| Failure::at(file, &e))?;
    tell(&format!("picture: {}", file.display()));
    Ok(())
}
