//! What containers cannot do: found when the plan is made, and never skipped silently.

use squall_fault::Capability;
use squall_plan::plan::{ClockPlan, Plan};

/// Why the plan cannot be played on containers: the first thing that they cannot do.
pub fn refusal(plan: &Plan) -> Option<String> {
    if let Some(why) = machines(plan) {
        return Some(format!("the docker backend {why}, or run in simulation"));
    }
    let (fault, why) = plan.faults.iter().find_map(|fault| {
        let why = lacks(fault.action.kind().info().needs)?;
        Some((fault, why))
    })?;
    let (id, kind) = (fault.id, fault.action.kind());
    let way_out = match fault.drawn {
        true => "name the kinds to draw from in [chaos], or run in simulation",
        false => "leave it out, or run in simulation",
    };
    Some(format!(
        "the docker backend cannot do fault {id} ({kind}): {why}; {way_out}"
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

/// Why containers cannot do what a fault needs; `None` if they can.
fn lacks(capability: Capability) -> Option<&'static str> {
    match capability {
        Capability::Processes
        | Capability::Links
        | Capability::Membership
        | Capability::Clients => None,
        Capability::Power => Some("what was not synced outlives a process"),
        Capability::Disks => Some("containers share the machine's disk"),
        Capability::Clocks => Some("containers share the machine's clock"),
    }
}

/// Whether the plan does anything to links.
pub(super) fn has_link_faults(plan: &Plan) -> bool {
    let mut kinds = plan.faults.iter().map(|fault| fault.action.kind());
    kinds.any(|kind| kind.info().needs == Capability::Links)
}
