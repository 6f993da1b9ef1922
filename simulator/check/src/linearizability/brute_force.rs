//! Linearizability by enumeration, to test the search against. Shares nothing with it but the
//! specification.

use proptest::prelude::*;

use super::{Bounds, Call, Specification, Verdict, search_within};

/// Whether the search and an enumeration say the same of a handful of calls.
pub(crate) fn agree<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
) -> Result<(), TestCaseError> {
    agree_within(specification, calls, &[])
}

/// As [`agree`], where calls of unknown outcome take effect before these positions.
pub(crate) fn agree_within<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    latest: &[Option<usize>],
) -> Result<(), TestCaseError> {
    let bounds = Bounds {
        steps: 1_000_000,
        bytes: 1 << 30,
    };
    let initial = specification.initial();
    let expected = brute_force(specification, calls, latest, &mut Vec::new(), &initial);
    match search_within(specification, calls, latest, bounds, &|| false) {
        Verdict::Linearizable => prop_assert!(expected, "the search found what is not there"),
        Verdict::Violation(stuck) => {
            prop_assert!(!expected, "the search missed an order");
            explains(specification, calls, &stuck.order)?;
        }
        Verdict::Unknown(limit) => prop_assert!(false, "eight calls are decided, {limit:?}"),
    }
    Ok(())
}

/// Whether some order of the calls is right.
pub(crate) fn is_linearizable<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
) -> bool {
    brute_force(
        specification,
        calls,
        &[],
        &mut Vec::new(),
        &specification.initial(),
    )
}

/// The order shown with a violation is one, as far as it goes.
fn explains<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    order: &[usize],
) -> Result<(), TestCaseError> {
    let mut state = specification.initial();
    for (place, &call) in order.iter().enumerate() {
        let next = specification.apply(&state, &calls[call].operation);
        prop_assert!(next.is_some(), "call {call} does not fit");
        state = next.unwrap_or(state);
        let late = |&&later: &&usize| {
            let returned = calls[later].returned;
            returned.is_some_and(|returned| returned < calls[call].invoked)
        };
        prop_assert!(!order[place + 1..].iter().any(|later| late(&later)));
    }
    Ok(())
}

/// Decides by trying every order of every subset that holds the answered calls.
fn brute_force<S: Specification>(
    specification: &S,
    calls: &[Call<S::Operation>],
    latest: &[Option<usize>],
    ordered: &mut Vec<usize>,
    state: &S::State,
) -> bool {
    let open = |call: &usize| !ordered.contains(call);
    let rest: Vec<usize> = (0..calls.len()).filter(open).collect();
    if rest.iter().all(|&call| calls[call].returned.is_none()) {
        return true;
    }
    rest.iter().any(|&next| {
        let returned_before = |&other: &usize| {
            let returned = calls[other].returned;
            returned.is_some_and(|returned| returned < calls[next].invoked)
        };
        if rest.iter().any(returned_before) {
            return false;
        }
        let is_over = |&before: &usize| {
            let latest = latest.get(next).copied().flatten();
            let (before, next) = (&calls[before], &calls[next]);
            let is_late = latest.is_some_and(|latest| before.invoked >= latest);
            is_late && before.returned.is_some() && next.returned.is_none()
        };
        if ordered.iter().any(is_over) {
            return false;
        }
        let Some(state) = specification.apply(state, &calls[next].operation) else {
            return false;
        };
        ordered.push(next);
        let found = brute_force(specification, calls, latest, ordered, &state);
        ordered.pop();
        found
    })
}
