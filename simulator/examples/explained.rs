//! Writes what `squall explain` says of every planted bug into `docs/explained.md`:
//!
//! ```sh
//! cargo run --release -p squall --features planted --example explained > docs/explained.md
//! ```

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use squall::backends::{DEFAULT, Options, TraceFilter};
use squall::explain::{self, Explanation};
use squall::report::RunVerdict;
use squall::run::{self, Context, Judged};
use squall::scenario::Scenario;
use squall_cluster::planted::{self, Bug};

/// How runs end that break a promise: those of recovery are objectives.
const FAILURES: [RunVerdict; 2] = [RunVerdict::Violation, RunVerdict::ObjectiveMissed];
/// Seeds that are tried for one that fails.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

const HEAD: &str = "\
# What `squall explain` says of planted bugs

Of each bug of [track-record.md](track-record.md), in its scenario and with the first seed that
breaks a promise: the sentences, without the evidence that stands beneath each of them when the
command is given. Written by `simulator/examples/explained.rs`.
";

fn main() -> std::io::Result<()> {
    let mut text = HEAD.to_owned();
    for bug in Bug::ALL {
        let name = format!("scenarios/planted/{}.toml", bug.id().to_lowercase());
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&name);
        let Ok(scenario) = Scenario::load(&file) else {
            continue;
        };
        planted::activate(Some(*bug));
        let mut runs = SEEDS.map(|seed| (seed, traced(&scenario, seed)));
        let failed = runs.find(|(_, run)| FAILURES.contains(&run.report.verdict));
        planted::activate(None);
        let (id, mistake) = (bug.id(), bug.mistake());
        let _ = write!(text, "\n## {id}: {mistake}\n\n");
        match failed {
            Some((seed, run)) => {
                let _ = write!(
                    text,
                    "`squall run {name} --planted {id} --seed {seed}`\n\n{}",
                    section(&explain::of_run(&run))
                );
            }
            None => text += "No seed of those that were tried breaks a promise.\n",
        }
    }
    std::io::stdout().write_all(text.as_bytes())
}

fn traced(scenario: &Scenario, seed: u64) -> Judged {
    let options = Options {
        trace: Some(TraceFilter::default()),
        ..Options::default()
    };
    let backend = DEFAULT.open(options).expect("it can be traced");
    let run = run::run_on(&*backend, scenario, seed, "", Context::default());
    run.expect("the simulation works")
}

fn section(explanation: &Explanation) -> String {
    let mut text = String::new();
    for chapter in &explanation.chapters {
        let _ = write!(text, "**{}**\n\n", chapter.heading);
        for sentence in &chapter.sentences {
            let _ = writeln!(text, "- {}", sentence.text);
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}
