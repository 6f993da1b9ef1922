//! What a system promises, and what becomes of the results of checks whose property it does not.
//!
//! Every check judges every history. One that finds what nobody promised has found no mistake,
//! and something worth knowing all the same: so its result keeps what was counted and shown, and
//! says that it was not promised. It counts for no verdict.

use std::collections::BTreeSet;

use super::result::{CheckResult, Verdict};
use super::table::{CHECKS, is_called};

/// The checks whose property a system does not promise; all others it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promises {
    withheld: BTreeSet<&'static str>,
    /// Whether its nodes report roles and terms that are not Raft's.
    is_not_raft: bool,
}

impl Promises {
    /// Says of some checks whether their property is promised. What was withheld before stays
    /// withheld.
    ///
    /// # Panics
    /// There is no check of that name.
    pub fn keep(&mut self, is_promised: bool, checks: &[&'static str]) {
        for check in checks {
            assert!(
                CHECKS.iter().any(|row| row.name == *check),
                "no check is called {check}"
            );
            if !is_promised {
                self.withheld.insert(check);
            }
        }
    }

    /// The system is not Raft: what its nodes report of leaders and terms was put into Raft's
    /// words by the harness, and is not judged as such.
    pub fn leave_out_raft(&mut self) {
        self.is_not_raft = true;
    }

    /// Whether the property of this check is promised.
    pub fn has(&self, check: &str) -> bool {
        !self.withheld.contains(check)
    }

    /// Weighs results by what was promised.
    pub fn weigh(&self, results: &mut [CheckResult]) {
        for result in results.iter_mut().filter(|result| is_of_raft(result)) {
            if self.is_not_raft {
                result.verdict = Verdict::NotJudged;
                result.detail = "not offered: the system is not Raft".into();
                (result.checked, result.evidence) = (0, Vec::new());
            }
        }
        for result in results.iter_mut().filter(|result| !self.has(&result.name)) {
            match result.verdict {
                Verdict::Fail => {
                    result.verdict = Verdict::NotPromised;
                    result.detail = format!("not promised, and broken: {}", result.detail);
                }
                Verdict::Unknown => {
                    result.verdict = Verdict::UnknownNotPromised;
                    result.detail = format!("not promised, and unknown: {}", result.detail);
                }
                Verdict::Pass => result.detail += ", though not promised",
                Verdict::NotJudged | Verdict::NotPromised | Verdict::UnknownNotPromised => {}
            }
        }
    }
}

/// Whether a check is one of Raft's own properties: of its log, terms and members.
pub(super) fn is_of_raft(result: &CheckResult) -> bool {
    let is_called = |id: &&str| is_called(&result.name, &result.property, id);
    ["raft", "R2", "R5"].iter().any(is_called)
}

#[cfg(test)]
mod tests {
    use squall_history::NodeEvent::Leader;

    use super::*;
    use crate::testing::*;
    use crate::{check_system, overall};

    #[test]
    fn leaders_of_a_system_that_is_not_raft_are_not_judged_as_rafts() {
        let mut run = Run::new();
        for node in ["node-1", "node-3"] {
            run.started(node);
            run.node(node, Leader { term: 0 });
        }
        let history = run.end();
        let verdict_of = |promises: &Promises, name: &str| {
            let mut results = check_system(&history);
            promises.weigh(&mut results);
            let found = results.iter().find(|result| result.name == name);
            found.expect("every check has a result").verdict
        };
        let mut promises = Promises::default();
        assert_eq!(verdict_of(&promises, "election_safety"), Verdict::Fail);
        promises.leave_out_raft();
        // Two passes would be no better founded than the failure.
        for name in ["election_safety", "leader_completeness", "monotonic_term"] {
            assert_eq!(verdict_of(&promises, name), Verdict::NotJudged, "{name}");
        }
        assert_ne!(verdict_of(&promises, "crashes"), Verdict::NotJudged);
    }

    #[test]
    fn what_is_unknown_and_not_promised_is_not_called_broken() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        let mut results = check_system(&run.cut());
        let mut promises = Promises::default();
        promises.keep(false, &["lost_writes"]);
        promises.weigh(&mut results);
        let found = results.iter().find(|result| result.name == "lost_writes");
        let found = found.expect("every check has a result");
        assert_eq!(found.verdict, Verdict::UnknownNotPromised, "{found:?}");
        assert_eq!(overall(std::slice::from_ref(found)), Verdict::Unknown);
        let held = CheckResult {
            verdict: Verdict::Pass,
            ..found.clone()
        };
        assert_eq!(overall(&[held, found.clone()]), Verdict::Pass);
    }

    #[test]
    fn what_is_broken_and_not_promised_is_shown_and_no_violation() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("cache-1", set("k", "b"), stored(6));
        run.audit();
        run.call("audit", get("k"), value("a", 5));
        let history = run.end();
        let judged = check_system(&history);
        assert_eq!(overall(&judged), Verdict::Fail);

        let mut promises = Promises::default();
        promises.keep(false, &["lost_writes", "cache_linearizable"]);
        let mut weighed = judged.clone();
        promises.weigh(&mut weighed);
        assert_ne!(overall(&weighed), Verdict::Fail);
        let result = |name: &str| {
            let found = weighed.iter().find(|result| result.name == name);
            found.expect("every check has a result")
        };
        let lost = result("lost_writes");
        assert_eq!(lost.verdict, Verdict::NotPromised);
        assert!(lost.detail.contains("version 6 is lost"), "{lost:?}");
        assert!(!lost.evidence.is_empty() && lost.checked > 0);

        // Half a promise is one.
        let mut promises = Promises::default();
        promises.keep(false, &["cache_linearizable"]);
        let mut weighed = judged;
        promises.weigh(&mut weighed);
        assert_eq!(overall(&weighed), Verdict::Fail);
    }
}
