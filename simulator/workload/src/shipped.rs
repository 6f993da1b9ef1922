//! Lists the services that ship with Squall.

use std::sync::Arc;

use super::cache::Cache;
use super::lock::Lock;
use super::queue::Queue;
use super::service::Services;

/// The services that ship with Squall.
pub fn shipped() -> Services {
    vec![Arc::new(Cache), Arc::new(Lock), Arc::new(Queue)]
}
