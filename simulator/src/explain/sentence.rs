//! A sentence and its evidence.

/// One thing that was so, and what shows it: lines of the trace, or of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// As a reader sees it, with its full stop.
    pub text: String,
    /// A line each, in order of time.
    pub evidence: Vec<String>,
    /// Whether it says what a node left out or did wrong.
    pub names_step: bool,
}

impl Sentence {
    pub(super) fn new(text: impl Into<String>, evidence: Vec<String>) -> Self {
        Self {
            text: text.into(),
            evidence,
            names_step: false,
        }
    }

    /// The same as one that says what a node left out or did wrong.
    pub(super) fn of_step(self) -> Self {
        Self {
            names_step: true,
            ..self
        }
    }
}
