//! An event of the Trace Event Format.

use serde::Serialize;
use serde_json::Value;

/// One event; which fields it has follows from its phase.
#[derive(Debug, Serialize)]
pub(super) struct TraceEvent {
    pub(super) name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) cat: &'static str,
    pub(super) ph: &'static str,
    pub(super) ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dur: Option<i64>,
    pub(super) pid: u64,
    pub(super) tid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    /// Where a flow ends: in the slice that encloses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bp: Option<&'static str>,
    /// Of an instant: of its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) s: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) args: Value,
}

/// A thread of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Track {
    pub(super) pid: u64,
    pub(super) tid: u64,
}

impl TraceEvent {
    pub(super) fn new(
        name: String,
        cat: &'static str,
        ph: &'static str,
        ts: i64,
        track: Track,
    ) -> Self {
        Self {
            name,
            cat,
            ph,
            ts,
            dur: None,
            pid: track.pid,
            tid: track.tid,
            id: None,
            bp: None,
            s: None,
            args: Value::Null,
        }
    }
}
