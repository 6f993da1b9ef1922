//! Holds a running process of the simulation: Squall's own node, or another system's.

use std::rc::Rc;

use squall_cluster::node::Node;

use super::system::Status;
use super::world::SimWorld;

#[derive(Clone)]
pub(super) enum Handle {
    Node(Node<SimWorld>),
    Other(Rc<Status>),
}

impl Handle {
    /// The term in which it leads and serves writes, if it does.
    pub(super) fn leading_term(&self) -> Option<u64> {
        match self {
            Handle::Node(node) => node.is_leading().then(|| node.leading_term()),
            Handle::Other(status) => status.applied.get().and(status.leads_term.get()),
        }
    }

    /// `None` until it serves.
    pub(super) fn applied(&self) -> Option<u64> {
        match self {
            Handle::Node(node) => Some(node.applied_index()),
            Handle::Other(status) => status.applied.get(),
        }
    }

    pub(super) fn emit_digest(&self) {
        match self {
            Handle::Node(node) => node.emit_digest(),
            Handle::Other(_) => {}
        }
    }

    /// Squall's own node, which knows how to stop and to hand over.
    pub(super) fn node(&self) -> Option<Node<SimWorld>> {
        match self {
            Handle::Node(node) => Some(node.clone()),
            Handle::Other(_) => None,
        }
    }
}
