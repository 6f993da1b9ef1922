//! What containers cannot do: found when the plan is made, and never skipped silently.

use crate::fault::FaultAction;
use crate::plan::Plan;

/// Why the plan cannot be played on containers: the first fault that they cannot do.
pub fn refusal(plan: &Plan) -> Option<String> {
    if plan
        .clocks
        .iter()
        .any(|clock| clock.offset_us != 0 || clock.drift_ppm != 0)
    {
        return Some(
            "the docker backend cannot set clocks wrong ([clock]): containers share the \
             machine's; leave it out, or run in simulation"
                .into(),
        );
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
