//! Holds the commands that a connection has gathered since `MULTI`.

use crate::protocol::ReplyStyle;
use crate::state::command::Step;

/// The commands since `MULTI`.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) steps: Vec<(Step, ReplyStyle)>,
    pub(super) bytes: usize,
    /// Something was refused.
    pub(super) is_broken: bool,
}
