//! A register with compare-and-set.
//!
//! Source: Herlihy, "Wait-free synchronization" (1991), §3. Left out: versions; a cache whose
//! writes carry versions is judged by those.

use super::super::Specification;
use super::Symbol;

/// One register; holds `initial` at first.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    pub initial: Symbol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterCall {
    /// With the answer.
    Read(Symbol),
    Write(Symbol),
    /// Compare-and-set that succeeded, or may have.
    Swap {
        old: Symbol,
        new: Symbol,
    },
    /// Compare-and-set that was refused because the value was another.
    Mismatch {
        old: Symbol,
    },
}

impl Specification for Register {
    type Operation = RegisterCall;
    type State = Symbol;

    fn initial(&self) -> Symbol {
        self.initial
    }

    fn apply(&self, state: &Symbol, call: &RegisterCall) -> Option<Symbol> {
        match *call {
            RegisterCall::Read(value) => (value == *state).then_some(value),
            RegisterCall::Write(value) => Some(value),
            RegisterCall::Swap { old, new } => (old == *state).then_some(new),
            RegisterCall::Mismatch { old } => (old != *state).then_some(*state),
        }
    }

    fn is_read(&self, call: &RegisterCall) -> bool {
        matches!(call, RegisterCall::Read(_) | RegisterCall::Mismatch { .. })
    }
}
