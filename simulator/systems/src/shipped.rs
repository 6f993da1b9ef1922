//! The system files that ship.

const FILES: &[(&str, &str)] = &[
    ("squall", include_str!("../files/squall.toml")),
    ("etcd", include_str!("../files/etcd.toml")),
    ("redis", include_str!("../files/redis.toml")),
    (
        "redis-sentinel",
        include_str!("../files/redis-sentinel.toml"),
    ),
    ("redis-cluster", include_str!("../files/redis-cluster.toml")),
    (
        "nats-jetstream",
        include_str!("../files/nats-jetstream.toml"),
    ),
];

/// Names of the systems that ship; the first is the default.
pub fn names() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

/// The file of a system that ships.
pub fn text(name: &str) -> Option<&'static str> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemFile;

    #[test]
    fn every_system_that_ships_can_be_loaded_by_its_name() {
        for name in names() {
            let system = SystemFile::load(name).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(system.name(), name);
            assert!(!system.services().is_empty(), "{name} can be asked nothing");
        }
    }
}
