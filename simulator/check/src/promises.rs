//! What a system promises, and what becomes of the results of checks whose property it does not.
//!
//! Every check judges every history. One that finds what nobody promised has found no mistake,
//! and something worth knowing all the same: so its result keeps what was counted and shown, and
//! says that it was not promised. It counts for no verdict.

use std::collections::BTreeSet;

use super::result::{CheckResult, Verdict};
use super::table::CHECKS;

/// The checks whose property a system does not promise; all others it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promises {
    withheld: BTreeSet<&'static str>,
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

    /// Whether the property of this check is promised.
    pub fn has(&self, check: &str) -> bool {
        !self.withheld.contains(check)
    }

    /// Weighs results by what was promised.
    pub fn weigh(&self, results: &mut [CheckResult]) {
        for result in results.iter_mut().filter(|result| !self.has(&result.name)) {
            match result.verdict {
                Verdict::Fail => {
                    result.verdict = Verdict::NotPromised;
                    result.detail = format!("not promised, and broken: {}", result.detail);
                }
                Verdict::Unknown => {
                    result.verdict = Verdict::NotPromised;
                    result.detail = format!("not promised, and unknown: {}", result.detail);
                }
                Verdict::Pass => result.detail += ", though not promised",
                Verdict::NotJudged | Verdict::NotPromised => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{check_system, overall};

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
