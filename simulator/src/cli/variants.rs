//! `squall run` of a scenario with variants: one run after the other, and a comparison.

use std::fs;
use std::path::Path;

use super::args::{Format, RunArgs};
use super::exit::{Exit, Failure};
use super::one_run::{check_backend, differs, leave_page, out_dir, run_one, wants_page};
use super::system::{self, Chosen};
use super::watch::Dashboard;
use super::{print, style, tell};
use crate::ci::Heading;
use crate::report::{Report, Variants, cases::Suite, html};
use crate::scenario::Scenario;
use crate::scenario::variant::VARIANT;

const DATA: &str = "variants.json";

pub(super) fn run(
    args: &RunArgs,
    scenario: &Scenario,
    dashboard: Option<&Dashboard>,
) -> Result<u8, Failure> {
    // All are read before the first one runs: a mistake in the last must not cost the others.
    let names = scenario.variants();
    let chosen: Result<Vec<Chosen>, _> = names.iter().map(|name| choose(args, name)).collect();
    let chosen = chosen?;
    for (name, chosen) in names.iter().zip(&chosen) {
        let notes = chosen.notes.iter();
        notes.for_each(|note| tell(&format!("{name}: {note}")));
        check_backend(args, &chosen.scenario)?;
    }
    let out = out_dir(args, scenario);
    create(&out)?;
    let mut runs: Vec<(String, Report)> = Vec::new();
    let (mut suites, mut commands) = (Vec::new(), Vec::new());
    let mut pages = Vec::new();
    let mut is_repeatable = true;
    for (name, chosen) in names.iter().zip(chosen) {
        let mut args = args.clone();
        args.out = Some(out.join(name));
        args.scenario = chosen.args;
        let shows = args.format == Format::Text;
        let (judged, repeats) = run_one(&args, &chosen.scenario, shows, dashboard)?;
        is_repeatable &= repeats;
        let report = &judged.report;
        suites.push(Suite::of_run(name, report, differs(&args, repeats)));
        commands.push(report.reproduce.clone());
        if wants_page(&args, report, repeats) {
            pages.push(out.join(name));
        }
        runs.push((name.clone(), judged.report));
    }
    let variants = Variants::of(&runs);
    write(&out, DATA, &variants.to_json())?;
    write(&out, "variants.md", &variants.to_markdown())?;
    let heading = Heading {
        title: format!(
            "{} seed {}: {}",
            scenario.name.get_ref(),
            args.seed,
            variants.verdict
        ),
        lead: format!("{} variants, one after the other.", names.len()),
        commands,
    };
    args.machines.write(&heading, &suites)?;
    print(&match args.format {
        Format::Text => variants.to_text(style()),
        Format::Json => variants.to_json(),
    });
    pages.iter().for_each(|dir| leave_page(dir));
    if let Some(dashboard) = dashboard {
        dashboard.end(|| Ok(html::scalability_page(scenario.name.get_ref(), &runs)));
    }
    match is_repeatable {
        true => Ok(variants.verdict.exit_code()),
        false => Ok(Exit::Violation as u8),
    }
}

/// One variant, fitted to the system by itself: it may ask for what the others do not.
fn choose(args: &RunArgs, variant: &str) -> Result<Chosen, Failure> {
    let mut of = args.scenario.clone();
    of.set.push((VARIANT.to_owned(), variant.to_owned()));
    system::choose(&of, args.system.as_deref())
}

/// The directory of all, unless something else is there.
fn create(out: &Path) -> Result<(), Failure> {
    let at = |e| Failure::at(out, &e);
    fs::create_dir_all(out).map_err(at)?;
    let is_empty = fs::read_dir(out).map_err(at)?.next().is_none();
    if !is_empty && !out.join(DATA).is_file() {
        let message = format!(
            "{}: holds something else than variants; name another directory with --out",
            out.display()
        );
        return Err(Failure::usage(message));
    }
    // What is written last would be missing after an interruption.
    write(out, DATA, "{}\n")
}

fn write(out: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = out.join(name);
    fs::write(&path, text).map_err(|e| Failure::harness(format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::commands::{Args, Command};
    use super::*;

    #[test]
    fn each_variant_is_fitted_to_the_system() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("t.toml");
        let text = "name = \"t\"\n[[workload]]\nservice = \"lock\"\n\
                    [[variant]]\nname = \"plain\"\nset = { cluster.nodes = 3 }\n\
                    [[variant]]\nname = \"shared\"\nset = { workload.0.shared = \"25%\" }\n";
        std::fs::write(&path, text).expect("the directory is ours");
        let path = path.to_str().expect("a plain path");
        let args = Args::try_parse_from(["squall", "run", path, "--system", "etcd"]);
        let args = args.unwrap_or_else(|why| panic!("{why}"));
        let Command::Run(args) = args.command else {
            panic!("it is a run");
        };
        let chosen = |name| choose(&args, name).unwrap_or_else(|why| panic!("{}", why.message));
        let plain = chosen("plain");
        assert!(plain.notes.is_empty(), "{:?}", plain.notes);
        let shared = chosen("shared");
        assert!(shared.notes[0].contains("`shared`"), "{:?}", shared.notes);
        let settings = shared.scenario.settings();
        let of = |key: &str| settings.iter().filter(|(k, _)| k == key).count();
        assert_eq!(
            (of(VARIANT), of("workload.0.shared")),
            (1, 1),
            "{settings:?}"
        );
    }
}
