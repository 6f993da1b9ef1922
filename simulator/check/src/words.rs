//! Operations and events in plain words, for evidence.
//!
//! One line each, with times in seconds, client and outcome, so that a reader needs
//! neither the history file nor the code to follow what went wrong.

use squall_history::{Delivered, Holder, Operation, Outcome};

/// `3.201000 s lock-1: acquire a for session 5 -> granted token 17 (at 3.204000 s)`.
pub fn operation(operation: &Operation) -> String {
    let asked = format!(
        "{} {}: {}",
        seconds(operation.invoked_us),
        operation.client,
        operation.action
    );
    match (operation.outcome, operation.returned_us) {
        (Some(answer), Some(at_us)) => {
            format!("{asked} -> {} (at {})", outcome(answer), seconds(at_us))
        }
        _ => format!("{asked} -> no answer before the end of the history"),
    }
}

/// What was asked and answered, without client and times.
pub(super) fn short(operation: &Operation) -> String {
    let asked = operation.action;
    match operation.outcome {
        Some(answer) => format!("{asked} → {}", outcome(answer)),
        None => format!("{asked} ?"),
    }
}

/// Microseconds as seconds, all digits.
pub(super) fn seconds(us: u64) -> String {
    format!("{}.{:06} s", us / 1_000_000, us % 1_000_000)
}

fn line(holders: &[Holder], waiters: &[u64]) -> String {
    let held = holders.iter().map(|holder| {
        let how = if holder.shared { " shared" } else { "" };
        format!(
            "session {} with token {}{how}",
            holder.session, holder.token
        )
    });
    let held: Vec<String> = held.collect();
    let held = match held.is_empty() {
        true => "nobody".to_owned(),
        false => held.join(", "),
    };
    format!("held by {held}; waiting: {waiters:?}")
}

/// What was answered.
pub fn outcome(outcome: &Outcome) -> String {
    use Outcome::*;
    match outcome {
        Granted { token } => format!("granted token {token}"),
        NotGranted => "not granted".into(),
        Released => "released".into(),
        Line {
            holders, waiters, ..
        } => line(holders, waiters),
        PublishedBatch { ids } => format!("published as ids {ids:?}"),
        Configured => "done".into(),
        Depth {
            ready,
            in_flight,
            delayed,
        } => format!("{ready} ready, {in_flight} in flight, {delayed} delayed"),
        Size { entries } => format!("{entries} keys"),
        NotHeld => "not held".into(),
        Checked { accepted: true } => "accepted".into(),
        Checked { accepted: false } => "refused".into(),
        Session { session } => format!("session {session}"),
        Alive => "alive".into(),
        Closed => "closed".into(),
        Published { id } => format!("published as id {id}"),
        Received { messages } => received(messages),
        Settled { valid: true } => "settled".into(),
        Settled { valid: false } => "receipt no longer valid".into(),
        Value {
            value: Some(value),
            version,
        } => format!("{value} at version {version}"),
        Value { value: None, .. } => "absent".into(),
        Values { values } => {
            let values = values.iter().map(|found| match &found.value {
                Some(value) => format!("{value} at version {}", found.version),
                None => "absent".to_owned(),
            });
            values.collect::<Vec<_>>().join(", ")
        }
        Stored { version: 0 } => "done".into(),
        Stored { version } => format!("stored as version {version}"),
        Mismatch => "version did not match".into(),
        Counted { value, version } => format!("{value} at version {version}"),
        Length { values } => format!("{values} values"),
        Popped { value: Some(value) } => value.clone(),
        Popped { value: None } => "nothing there".into(),
        Elements { values } if values.is_empty() => "nothing there".into(),
        Elements { values } => elements(values),
        Answered { value } => value.to_string(),
        Failed { why } => format!("failed, no effect ({why})"),
        Unknown { why } => format!("unknown ({why})"),
    }
}

/// Names a few messages; a prefetch of hundreds would make no readable line.
fn received(messages: &[Delivered]) -> String {
    const NAMED: usize = 4;
    if messages.is_empty() {
        return "nothing there".into();
    }
    let one = |m: &Delivered| format!("{} (id {}, delivery {})", m.value, m.id, m.deliveries);
    let named: Vec<String> = messages.iter().take(NAMED).map(one).collect();
    match messages.len().saturating_sub(NAMED) {
        0 => format!("received {}", named.join(", ")),
        more => format!("received {} and {more} more", named.join(", ")),
    }
}

/// Names both ends of a list.
fn elements(values: &[String]) -> String {
    const NAMED: usize = 8;
    if values.len() <= 2 * NAMED {
        return values.join(", ");
    }
    let (left, right) = (&values[..NAMED], &values[values.len() - NAMED..]);
    let between = values.len() - 2 * NAMED;
    let (left, right) = (left.join(", "), right.join(", "));
    format!("{left}, {between} more, {right}")
}

#[cfg(test)]
mod tests {
    use crate::testing::{Run, acquire, get};
    use squall_history::{Outcome, operations};

    #[test]
    fn an_operation_reads_as_a_sentence() {
        let mut run = Run::new();
        run.at(3201)
            .call("lock-1", acquire("a", 5), Outcome::Granted { token: 17 });
        run.invoke("cache-1", get("k"));
        let history = run.cut();
        let lines: Vec<String> = operations(&history).iter().map(super::operation).collect();
        assert_eq!(
            lines,
            [
                "3.201000 s lock-1: acquire a for session 5 -> granted token 17 (at 3.202000 s)",
                "3.202000 s cache-1: get k -> no answer before the end of the history",
            ]
        );
    }
}
