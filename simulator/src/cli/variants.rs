//! `squall run` of a scenario with variants: one run after the other, and a comparison.

use std::fs;
use std::path::Path;

use super::args::{Format, RunArgs};
use super::exit::{Exit, Failure};
use super::one_run::{check_backend, differs, leave_page, out_dir, run_one, wants_page};
use super::watch::Dashboard;
use super::{print, style};
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
    let chosen: Result<Vec<Scenario>, _> = names.iter().map(|name| scenario.choose(name)).collect();
    let chosen = chosen?;
    (chosen.iter()).try_for_each(|scenario| check_backend(args, scenario))?;
    let out = out_dir(args, scenario);
    create(&out)?;
    let mut runs: Vec<(String, Report)> = Vec::new();
    let (mut suites, mut commands) = (Vec::new(), Vec::new());
    let mut pages = Vec::new();
    let mut is_repeatable = true;
    for (name, scenario) in names.iter().zip(&chosen) {
        let mut args = args.clone();
        args.out = Some(out.join(name));
        (args.scenario.set).push((VARIANT.to_owned(), name.clone()));
        let (judged, repeats) = run_one(&args, scenario, args.format == Format::Text, dashboard)?;
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
