//! L3: a fenced resource accepts no older token. Once a check with some token has been
//! accepted, no later check with a smaller one is.
//!
//! Source: Kleppmann, "How to do distributed locking" (2016); Burrows, "The Chubby lock
//! service" (2006), §2.4. Not checked: refusals. A token that was never overtaken may be
//! refused without harm to anyone, and overtaking need not be visible in a history.

use super::result::Judge;
use super::view::{RunningMax, View};
use super::words;
use squall_history::{Action, Operation, Outcome};

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, checks) in &view.locks.checks {
        let accepted: Vec<(usize, u64, usize)> = checks
            .iter()
            .filter_map(|&index| accepted(&view.operations[index], index))
            .collect();
        let largest = RunningMax::new(accepted.clone());
        for (_, token, index) in accepted {
            judge.count_checked();
            let operation = &view.operations[index];
            if let Some((before, earlier)) = largest.before(operation.invoke_pos)
                && before > token
            {
                judge.violation(
                    format!("resource {name} accepted token {token} after token {before}"),
                    [&view.operations[earlier], operation].map(words::operation),
                );
            }
        }
    }
}

/// Return position, token and index of an accepted check.
fn accepted(operation: &Operation, index: usize) -> Option<(usize, u64, usize)> {
    match (operation.action, operation.outcome) {
        (Action::Check { token, .. }, Some(Outcome::Checked { accepted: true })) => {
            Some((operation.return_pos?, *token, index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{Action, Outcome::Checked};

    fn used(name: &str, token: u64) -> Action {
        Action::Check {
            name: name.into(),
            token,
        }
    }

    #[test]
    fn an_older_token_is_accepted() {
        let mut run = Run::new();
        run.call("lock-1", used("a", 20), Checked { accepted: true });
        run.call("lock-2", used("a", 10), Checked { accepted: true });
        fails(check, &run.end(), "accepted token 10 after token 20");
    }

    #[test]
    fn refused_concurrent_equal_and_elsewhere() {
        let mut run = Run::new();
        let op = run.invoke("lock-2", used("a", 10));
        run.call("lock-1", used("a", 20), Checked { accepted: true });
        run.returns(op, Checked { accepted: true });
        run.call("lock-3", used("a", 20), Checked { accepted: true });
        run.call("lock-3", used("a", 10), Checked { accepted: false });
        run.call("lock-3", used("b", 10), Checked { accepted: true });
        passes(check, &run.end());
    }
}
