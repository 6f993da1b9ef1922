//! Has every service of a run audited after the faults.

use std::rc::Rc;
use std::time::Duration;

pub use super::audit::Unfinished;
use super::service::Services;
use super::{Audit, RunContext};
use squall_plan::plan::Plan;

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
    audit.end()
}
