//! `squall state`.

use super::exit::{Exit, Failure};
use super::replayed::StoredRun;
use super::trace_args::StateArgs;
use super::{print, style};
use crate::backends::trace::NodeState;
use crate::backends::{Options, TraceFilter};
use crate::trace::{contents, inventory, states};

/// More moments than this make no table that anybody reads.
const MOST_MOMENTS: u64 = 10_000;

pub(super) fn state(args: &StateArgs) -> Result<u8, Failure> {
    let stored = StoredRun::open(&args.run_dir)?;
    let mut named = args.node.iter().chain(&args.diff);
    named.try_for_each(|node| stored.must_have(node))?;
    let moments = moments(args, &stored)?;
    let options = Options {
        trace: Some(TraceFilter {
            messages: false,
            applied: false,
            contents: args.at.is_some() && args.node.is_some() || !args.diff.is_empty(),
            states_at_us: moments,
            ..TraceFilter::default()
        }),
        ..Options::default()
    };
    let judged = stored.run_alike(&args.run_dir, options)?;
    let states = judged.traced.states.into_iter();
    let wanted = |state: &NodeState| args.node.as_ref().is_none_or(|node| state.node == *node);
    let states: Vec<NodeState> = states.filter(wanted).collect();
    if states.is_empty() {
        return Err(Failure::usage(format!(
            "the run had ended by then; it took {} s",
            judged.report.sim.seconds
        )));
    }
    if let [one, other] = args.diff.as_slice() {
        print(&differing(&states, [one, other])?);
        return Ok(Exit::Pass as u8);
    }
    print(&match args.watch.as_slice() {
        [] => states::at_once(&states, style()),
        watched => states::over_time(&states, watched, style()),
    });
    for held in states.iter().filter_map(|state| state.held.as_ref()) {
        print(&inventory::tables(held, style()));
    }
    Ok(Exit::Pass as u8)
}

/// Where two nodes stand, and the fields that they do not have alike.
fn differing(states: &[NodeState], nodes: [&str; 2]) -> Result<String, Failure> {
    let of = |node: &str| -> Result<&NodeState, Failure> {
        let state = states.iter().find(|state| state.node == node);
        state.ok_or_else(|| Failure::usage(format!("{node} is not in the run by then")))
    };
    let pair = [of(nodes[0])?.clone(), of(nodes[1])?.clone()];
    let table = states::at_once(&pair, style());
    let held = |state: &NodeState| {
        let held = state.held.as_ref().map(contents::fields);
        held.ok_or_else(|| {
            let process = state.process.name();
            Failure::usage(format!("{} holds nothing: it is {process}", state.node))
        })
    };
    let differences = contents::differences(&held(&pair[0])?, &held(&pair[1])?);
    Ok(match differences.len() {
        0 => format!("{table}\nno field differs\n"),
        count => format!(
            "{table}\n{count} field{} differ{}\n{}",
            if count == 1 { "" } else { "s" },
            if count == 1 { "s" } else { "" },
            contents::lines(&differences, nodes)
        ),
    })
}

/// When to look.
fn moments(args: &StateArgs, stored: &StoredRun) -> Result<Vec<i64>, Failure> {
    if let Some(at) = args.at {
        return Ok(vec![at.us() as i64]);
    }
    let end_us = match args.to {
        Some(to) => to.us(),
        None => {
            let (_, history) = stored.dir.history()?;
            crate::trace::end_us(&history) as u64
        }
    };
    let from_us = args.from.map_or(0, |from| from.us());
    let every_us = args.every.us();
    if every_us == 0 || end_us < from_us {
        return Err(Failure::usage(
            "there is no moment to look at: --every is 0, or --to lies before --from",
        ));
    }
    let count = (end_us - from_us) / every_us + 1;
    if count > MOST_MOMENTS {
        return Err(Failure::usage(format!(
            "{count} moments, and at most {MOST_MOMENTS} are shown: narrow --from and --to, or \
             widen --every"
        )));
    }
    Ok((0..count)
        .map(|step| (from_us + step * every_us) as i64)
        .collect())
}
