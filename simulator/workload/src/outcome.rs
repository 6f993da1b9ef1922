//! What a client learnt, and how values travel.

use squall_cluster::client::CallError;
use squall_cluster::state::command::{Refusal, Reply};

use super::{cache, lock, queue};
use squall_history::{Action, Outcome};

/// What the client learnt, in the terms of the history.
pub(super) fn outcome_of(action: &Action, result: Result<Reply, CallError>) -> Outcome {
    let reply = match result {
        Ok(reply) => reply,
        Err(CallError::Refused(Refusal::NotHeld | Refusal::NoSession)) if is_hold(action) => {
            return Outcome::NotHeld;
        }
        Err(CallError::Refused(refusal)) => {
            return Outcome::Failed {
                why: format!("{refusal:?}"),
            };
        }
        Err(CallError::Definite(why) | CallError::Rejected(why)) => {
            return Outcome::Failed { why };
        }
        Err(CallError::Indefinite(why)) => return Outcome::Unknown { why },
    };
    match reply {
        Reply::Granted { token } => Outcome::Granted { token },
        Reply::NotGranted => Outcome::NotGranted,
        Reply::Released => Outcome::Released,
        Reply::LockInfo(info) => lock::line(info),
        Reply::TokenAccepted(accepted) => Outcome::Checked { accepted },
        Reply::SessionOpened { session, .. } => Outcome::Session { session },
        Reply::SessionAlive { .. } => Outcome::Alive,
        Reply::SessionClosed => Outcome::Closed,
        Reply::Published { ids } => match (action, ids.as_slice()) {
            (Action::PublishBatch { values, .. }, _) if values.len() == ids.len() => {
                Outcome::PublishedBatch { ids }
            }
            (Action::Publish { .. }, [id]) => Outcome::Published { id: *id },
            _ => unexpected("a publish was answered with another number of ids"),
        },
        Reply::Done if matches!(action, Action::Cancel { .. }) => Outcome::NotGranted,
        Reply::Done if matches!(action, Action::Configure { .. }) => Outcome::Configured,
        Reply::QueueInfo(info) => queue::depth_of(info),
        Reply::Size(entries) => Outcome::Size { entries },
        Reply::Messages(messages) => Outcome::Received {
            messages: messages.iter().map(queue::delivered).collect(),
        },
        Reply::Settled(count) => Outcome::Settled { valid: count > 0 },
        Reply::Values(values) if matches!(action, Action::GetMany { .. }) => Outcome::Values {
            values: values
                .iter()
                .map(|found| cache::found(found.as_ref()))
                .collect(),
        },
        Reply::Values(values) => match values.into_iter().next().flatten() {
            Some(found) => Outcome::Value {
                value: Some(value_of(&found.value)),
                version: found.version,
            },
            None => Outcome::Value {
                value: None,
                version: 0,
            },
        },
        Reply::Stored {
            version: Some(version),
        } => Outcome::Stored { version },
        Reply::Stored { version: None } => Outcome::Mismatch,
        Reply::Deleted(_) => Outcome::Stored { version: 0 },
        Reply::Integer { value, version } => Outcome::Counted { value, version },
        other => unexpected(&format!("unexpected reply {other:?}")),
    }
}

fn is_hold(action: &Action) -> bool {
    use Action::*;
    matches!(
        action,
        Acquire { .. } | Release { .. } | KeepAlive { .. } | CloseSession { .. }
    )
}

/// The node answered something that the protocol does not allow here. The effect is
/// unknown; the check for phantom or lost effects will have its say.
fn unexpected(why: &str) -> Outcome {
    Outcome::Unknown { why: why.into() }
}

/// A payload of `bytes` that begins with `value`.
pub(super) fn payload(value: &str, bytes: u64) -> bytes::Bytes {
    let mut payload = Vec::with_capacity(value.len().max(bytes as usize));
    payload.extend_from_slice(value.as_bytes());
    payload.push(b' ');
    payload.resize(payload.len().max(bytes as usize), b'.');
    payload.into()
}

/// The value that a payload begins with.
pub(super) fn value_of(payload: &[u8]) -> String {
    let end = payload.iter().position(|byte| *byte == b' ');
    String::from_utf8_lossy(&payload[..end.unwrap_or(payload.len())]).into_owned()
}
