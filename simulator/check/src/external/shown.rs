//! One operation of a foreign history, as a report shows it.

use std::rc::Rc;

/// An operation as a reader sees it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) client: Rc<str>,
    /// `write 3`, for little room.
    pub(super) label: String,
    /// With answer and place, for much.
    pub(super) words: String,
    pub(super) invoked: usize,
    /// Position of the answer; `None` while the outcome is unknown.
    pub(super) returned: Option<usize>,
}
