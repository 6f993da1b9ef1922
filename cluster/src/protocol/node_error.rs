//! Errors a node answers for itself, as opposed to refusals by the replicated state.
//!
//! Each says what a client may conclude. `MOVED`, `CLUSTERDOWN`, `TRYAGAIN` and `OOM` mean that
//! the command had no effect; [`unknown_outcome`] means that it may have one, now or
//! later. The texts are written with [`super::wire::error`] and taken apart again by
//! [`super::ReplyError`].

/// Nobody to redirect to; the command had no effect.
pub const CLUSTER_DOWN: &str = "CLUSTERDOWN no leader is known";

/// Another node leads; the command had no effect. `addr` is `host:port`; the brackets of an
/// IPv6 host are left out, as clients of Redis expect it.
pub fn moved(slot: u16, addr: &str) -> String {
    let bracketed = addr
        .strip_prefix('[')
        .and_then(|addr| addr.rsplit_once("]:"));
    match bracketed {
        Some((host, port)) => format!("MOVED {slot} {host}:{port}"),
        None => format!("MOVED {slot} {addr}"),
    }
}

/// The node cannot serve the command just now; the command had no effect.
pub fn try_again(reason: &str) -> String {
    format!("TRYAGAIN {reason}")
}

/// There is no memory for what the command would add; it had no effect.
pub fn out_of_memory(reason: &str) -> String {
    format!("OOM command not allowed when used memory > 'maxmemory': {reason}")
}

/// The write was proposed, and the node cannot tell whether it was or will be committed.
pub fn unknown_outcome(reason: &str) -> String {
    format!("UNKNOWN the outcome of this write is unknown: {reason}")
}
