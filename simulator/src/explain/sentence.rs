//! A sentence and its evidence.

/// One thing that was so, and what shows it: lines of the trace, or of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    pub text: String,
    pub evidence: Vec<String>,
}

impl Sentence {
    pub(super) fn new(text: impl Into<String>, evidence: Vec<String>) -> Self {
        Self {
            text: text.into(),
            evidence,
        }
    }
}
