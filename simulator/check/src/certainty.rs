//! Tells when an operation was over, and whether it may have had an effect.

use squall_history::{Operation, Outcome};

/// Position of the return, or "never" for an operation that may take effect at any time.
pub(super) fn end(operation: &Operation) -> usize {
    if certain(operation) {
        operation.return_pos.unwrap_or(usize::MAX)
    } else {
        usize::MAX
    }
}

/// Whether the client learnt for certain what happened.
pub(super) fn certain(operation: &Operation) -> bool {
    !matches!(operation.outcome, None | Some(Outcome::Unknown { .. }))
}

/// Whether the operation may have had an effect, or may still have one. An unknown
/// outcome counts: it is neither a failure nor an acknowledgement.
pub(super) fn may_have_effect(operation: &Operation) -> bool {
    use Outcome::*;
    !matches!(
        operation.outcome,
        Some(Failed { .. } | NotGranted | NotHeld | Mismatch | Settled { valid: false })
    )
}
