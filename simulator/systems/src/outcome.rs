//! What is known of an operation that was not answered as it should have been.

use squall_history::Outcome;

/// Why an operation has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It was certainly not done: it was not sent, or refused before anything was done.
    Failed(String),
    /// It may have been done.
    Unknown(String),
}

impl Trouble {
    /// The same of an operation of which a part was done, or may have been, before it came to
    /// this: it has not certainly failed.
    pub(crate) fn after_a_part(self) -> Self {
        let (Self::Failed(why) | Self::Unknown(why)) = self;
        Self::Unknown(why)
    }
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Outcome {
        match trouble {
            Trouble::Failed(why) => Outcome::Failed { why },
            Trouble::Unknown(why) => Outcome::Unknown { why },
        }
    }
}

/// The outcome either way.
pub(crate) fn settled(result: Result<Outcome, Trouble>) -> Outcome {
    result.unwrap_or_else(Outcome::from)
}
