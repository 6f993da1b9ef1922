//! Keeps the text and path of a scenario, and points errors into it.
//!
//! Bytes of the file and values given with `--set` share one numbering: a span that starts
//! beyond the text belongs to an override. So every error, from the parser or from the
//! checks, finds its place in the same way.

use std::ops::Range;

/// Why a scenario cannot be used. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// There is no such file, or it is no text.
    #[error("{path}: cannot be read: {why}")]
    Unreadable {
        /// As it was given.
        path: String,
        /// What the operating system said.
        why: String,
    },
    /// Line and column count from 1, columns in characters.
    #[error("{origin}:{line}:{column}: {message}")]
    Invalid {
        /// Path of the file, or what stands for one.
        origin: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong and, if that can be told, what would be right.
        message: String,
    },
    /// An override is wrong, in form or in what it leads to.
    #[error("--set {setting}: {message}")]
    Override {
        /// `KEY=VALUE`, as it was given.
        setting: String,
        /// What is wrong with it.
        message: String,
    },
    /// What the seed drew leads to no scenario.
    #[error("drawn by [[swarm]]: {setting}: {message}")]
    Drawn {
        /// `KEY=VALUE`, as it was drawn.
        setting: String,
        /// What is wrong with it.
        message: String,
    },
    /// The profile does not go with the scenario and its overrides.
    #[error("--profile: {message}")]
    Profile {
        /// What does not go together.
        message: String,
    },
}

/// A message about a place in the source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        Problem { span, message }
    }
}

/// The text of a scenario and the overrides on top of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Source {
    pub(super) origin: String,
    pub(super) text: String,
    /// The text of a profile, which was read without a mistake before.
    pub(super) profile: Option<String>,
    pub(super) settings: Vec<(String, String)>,
    /// What `[[swarm]]` drew for a seed, below the overrides; `None` until it is asked.
    pub(super) drawn: Option<Vec<(String, String)>>,
}

impl Source {
    /// The span that stands for override number `index`.
    pub(super) fn setting_span(&self, index: usize) -> Range<usize> {
        let start = self.text.len() + 1 + index;
        start..start
    }

    /// The span that stands for drawn value number `index`.
    pub(super) fn drawn_span(&self, index: usize) -> Range<usize> {
        self.setting_span(self.settings.len() + index)
    }

    /// The span that stands for the profile as a whole.
    pub(super) fn profile_span(&self) -> Range<usize> {
        self.drawn_span(self.drawn().len())
    }

    /// What was drawn, if anything was.
    pub(super) fn drawn(&self) -> &[(String, String)] {
        self.drawn.as_deref().unwrap_or_default()
    }

    pub(super) fn error(&self, problem: Problem) -> ScenarioError {
        let Problem { span, message } = problem;
        let message = with_suggestion(message.replace('\n', " "));
        if let Some(index) = span.start.checked_sub(self.text.len() + 1) {
            let text = |(key, value): &(String, String)| format!("{key}={value}");
            if let Some(setting) = self.settings.get(index).map(text) {
                return ScenarioError::Override { setting, message };
            }
            return match self.drawn().get(index - self.settings.len()).map(text) {
                Some(setting) => ScenarioError::Drawn { setting, message },
                None => ScenarioError::Profile { message },
            };
        }
        let before = &self.text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ScenarioError::Invalid {
            origin: self.origin.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }

    /// An error of a check. A place in the file may be at odds with an override elsewhere,
    /// so the overrides are named as well.
    pub(super) fn check_error(&self, mut problem: Problem) -> ScenarioError {
        let settings = self.drawn().iter().chain(&self.settings);
        let settings: Vec<String> = settings
            .map(|(key, value)| format!("--set {key}={value}"))
            .collect();
        if problem.span.start <= self.text.len() && !settings.is_empty() {
            problem.message += &format!(" (with {})", settings.join(" "));
        }
        self.error(problem)
    }

    /// An error of the TOML parser or of serde. Without a place it is about the whole file.
    pub(super) fn toml_error(&self, error: &toml::de::Error) -> ScenarioError {
        let message = error.message();
        let span = error.span().unwrap_or(0..0);
        const NONE: &str = "expected exactly one key, not none";
        const SEVERAL: &str = "expected exactly one key, not several";
        self.error(Problem {
            span: self.inside_list(span, message),
            message: message
                .replace("expected u64", "expected a whole number")
                .replace("expected a sequence", "expected a list")
                .replace("wanted exactly 1 element, found 0 elements", NONE)
                .replace("wanted exactly 1 element, more than 1 element", SEVERAL),
        })
    }

    /// Serde places a bad element at the start of its list; the quoted element that the
    /// message names is the better place.
    fn inside_list(&self, span: Range<usize>, message: &str) -> Range<usize> {
        let list = self.text.get(span.clone()).unwrap_or_default();
        let named = message.split('`').nth(1).filter(|_| list.starts_with('['));
        match named.and_then(|name| list.find(&format!("\"{name}\""))) {
            Some(offset) => span.start + offset..span.end,
            None => span,
        }
    }
}

/// Adds the nearest known name to serde's message about an unknown one.
fn with_suggestion(message: String) -> String {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else {
        return message;
    };
    let nearest = names
        .map(|name| (distance(unknown, name), name))
        .min()
        .filter(|(edits, _)| *edits <= 1 + unknown.len() / 4);
    match nearest {
        Some((_, name)) => format!("{message}; did you mean `{name}`?"),
        None => message,
    }
}

/// Edit distance (Levenshtein, "Binary codes capable of correcting deletions, insertions
/// and reversals", 1966), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
