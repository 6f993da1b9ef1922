//! Has every service of a run audited after the faults.

use std::rc::Rc;
use std::time::Duration;

use super::service::Services;
use super::{Audit, RunContext};
use squall_plan::plan::Plan;

/// What an audit could not finish in time.
pub struct Unfinished {
    /// In words.
    pub why: String,
    /// All was answered, and there was more than the time was enough for.
    pub in_progress: bool,
}

/// Audits everything within `limit`.
///
/// # Errors
/// What could not be finished in time.
pub async fn run(
    context: &Rc<RunContext>,
    services: &Services,
    plan: &Plan,
    limit: Duration,
) -> Result<(), Unfinished> {
    let mut audit = Audit::new(context, plan, limit);
    for service in services {
        // What cannot be finished of one service must not keep the others from being audited.
        audit.client.service = service.name();
        service.audit(&mut audit).await;
    }
    match audit.unfinished() {
        None => Ok(()),
        Some((why, in_progress)) => Err(Unfinished { why, in_progress }),
    }
}
