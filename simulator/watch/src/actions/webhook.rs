//! Notifies a receiver of an alert by a POST of JSON over plain HTTP.

use std::time::Duration;

use super::notice::Notice;
use crate::post;

/// Posts it once; why it was not taken, in words.
pub(super) fn post(address: &str, notice: &Notice, deadline: Duration) -> Result<(), String> {
    post::post(address, notice.json(), "application/json", &[], deadline)
}
