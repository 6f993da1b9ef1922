//! Names the probes of a service.

use squall_history::{PROBE, Service};

/// Probes taking turns, a service.
pub(super) const PROBERS: u64 = 4;

/// The names of a service's probes.
pub(super) fn probe_names(service: Service) -> impl Iterator<Item = String> {
    (0..PROBERS).map(move |prober| format!("{PROBE}{}-{}", service.name(), prober + 1))
}
