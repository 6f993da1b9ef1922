//! What containers cannot do: found when the plan is made, and never skipped silently.

use squall_fault::FaultAction;
use squall_plan::plan::{ClockPlan, Plan};

/// Why the plan cannot be played on containers: the first thing that they cannot do.
pub fn refusal(plan: &Plan) -> Option<String> {
    if let Some(why) = machines(plan) {
        return Some(format!("the docker backend {why}, or run in simulation"));
    }
    let fault = plan
        .faults
        .iter()
        .find(|fault| !is_possible(&fault.action))?;
    let (id, kind) = (fault.id, fault.action.kind());
    let way_out = match fault.drawn {
        true => "name the kinds to draw from in [chaos], or run in simulation",
        false => "leave it out, or run in simulation",
    };
    Some(format!(
        "the docker backend cannot do fault {id} ({kind}): {}; {way_out}",
        reason(&fault.action)
    ))
}

/// What the plan wants machines to be, and these are not. Latency, bandwidth and syncs are
/// left as they are: nearly every scenario has them, to be what a machine is like.
fn machines(plan: &Plan) -> Option<&'static str> {
    let (network, disk) = (&plan.network, &plan.disk);
    if !plan.clocks.iter().all(ClockPlan::is_exact) {
        return Some(
            "cannot set clocks wrong ([clock]): containers share the machine's; leave it out",
        );
    }
    if plan.processors.is_some()
        || network.measured_latency.is_some()
        || disk.measured_sync.is_some()
    {
        return Some(
            "cannot be as fast as a profile says (--profile, [hardware]): containers are as fast \
             as this machine; leave it out",
        );
    }
    if network.regions.is_some() {
        return Some(
            "cannot put members far apart ([[region]]): containers are all on this machine; \
             leave the regions out",
        );
    }
    (network.loss_ppm > 0).then_some(
        "does not lose packets all the time (`loss` in [network]): write a fault with `link`",
    )
}

fn is_possible(action: &FaultAction) -> bool {
    !matches!(
        action,
        FaultAction::PowerLoss { .. } | FaultAction::Disk { .. } | FaultAction::Clock { .. }
    )
}

fn reason(action: &FaultAction) -> &'static str {
    match action {
        FaultAction::PowerLoss { .. } => "what was not synced outlives a process",
        FaultAction::Clock { .. } => "containers share the machine's clock",
        _ => "containers share the machine's disk",
    }
}

/// Whether the plan does anything to links.
pub(super) fn has_link_faults(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| {
        matches!(
            fault.action,
            FaultAction::Isolate { .. }
                | FaultAction::Partition { .. }
                | FaultAction::Bridge { .. }
                | FaultAction::Link { .. }
        )
    })
}
