//! Names the place in which a history was made, for everything that shows one.

/// What a backend is called, and what can be expected of its histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendInfo {
    /// As `--backend` takes it, and as manifests, reports and baselines name it.
    pub name: &'static str,
    /// For people: `containers`.
    pub title: &'static str,
    /// Whether time is virtual: a seed then has one history, and can be replayed.
    pub simulated: bool,
    /// Whether it is known what nodes use of their machines.
    pub knows_resources: bool,
}
