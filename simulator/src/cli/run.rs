//! `squall run`.

use super::args::RunArgs;
use super::exit::{Exit, Failure};
use super::one_run::{check_backend, differs, leave_page, out_dir, page, run_one, wants_page};
use super::plant::plant;
use super::{system, tell, variants};
use crate::ci::Heading;
use crate::report::cases::Suite;

pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    let chosen = system::choose(&args.scenario, args.system.as_deref())?;
    let scenario = chosen.scenario;
    // As it is from now on: a scenario may name its system itself.
    let args = &RunArgs {
        scenario: chosen.args,
        system: chosen.name,
        ..args.clone()
    };
    let has_variants = scenario.variant().is_none() && !scenario.variants().is_empty();
    if !has_variants {
        chosen.notes.iter().for_each(|note| tell(note));
    }
    check_backend(args, &scenario)?;
    plant(args.planted.as_deref())?;
    let dashboard = args.watch.open()?;
    if has_variants {
        return variants::run(args, &scenario, dashboard.as_ref());
    }
    let (judged, is_repeatable) = run_one(args, &scenario, true, dashboard.as_ref())?;
    let report = &judged.report;
    let suite = Suite::of_run(&report.scenario, report, differs(args, is_repeatable));
    let heading = Heading {
        title: format!(
            "{} seed {}: {}",
            report.scenario, report.seed, report.verdict
        ),
        lead: report.reason.clone(),
        commands: vec![report.reproduce.clone()],
    };
    args.machines.write(&heading, &[suite])?;
    if wants_page(args, report, is_repeatable) {
        leave_page(&out_dir(args, &scenario));
    }
    if let Some(dashboard) = &dashboard {
        dashboard.end(|| page(&judged));
    }
    match is_repeatable {
        true => Ok(judged.report.verdict.exit_code()),
        false => Ok(Exit::Violation as u8),
    }
}
