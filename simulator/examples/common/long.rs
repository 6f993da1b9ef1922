//! Lists the load shapes that take many seconds a seed and add no fault or feature of their
//! own. Programs that go through the catalogue leave them out.

pub const LONG: [&str; 11] = [
    "cache-performance",
    "load",
    "lock-performance",
    "queue-performance",
    "ramp",
    "records",
    "scalability",
    "soak",
    "spike",
    "stress",
    "volume",
];
