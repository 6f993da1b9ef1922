//! Services and the names of their operations.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A service that clients ask. In order of the reports: the three that ship, then those that
/// came from outside by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Distributed locks with sessions and fencing tokens.
    Lock,
    /// Message queues with receipts and redelivery.
    Queue,
    /// Keys with values, lifetimes and lists.
    Cache,
    /// Of somebody else; never one of the names above.
    Own(Name),
}

impl Service {
    /// The services that ship, in the order of reports.
    pub const SHIPPED: [Service; 3] = [Service::Lock, Service::Queue, Service::Cache];

    /// As in histories, scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Service::Lock => "lock",
            Service::Queue => "queue",
            Service::Cache => "cache",
            Service::Own(name) => name.text(),
        }
    }

    /// The service of a name.
    ///
    /// # Errors
    /// The name is malformed; see [`Name::new`].
    pub fn named(name: &str) -> Result<Self, String> {
        match Service::SHIPPED.into_iter().find(|s| s.name() == name) {
            Some(shipped) => Ok(shipped),
            None => Name::new(name).map(Service::Own),
        }
    }
}

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Service::named(&name).map_err(D::Error::custom)
    }
}

impl JsonSchema for Service {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Service".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// A name from outside: of a service or of one of its operations. Kept once, for as long as
/// the process runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(&'static str);

impl Name {
    /// Keeps `text`.
    ///
    /// # Errors
    /// It is not 1 to 64 lower-case letters, digits, `_` and `-`, with a letter in front.
    pub fn new(text: &str) -> Result<Self, String> {
        static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !begins || text.len() > LONGEST || !text.bytes().all(|b| is_fit(b) || b"_-".contains(&b))
        {
            return Err(format!(
                "`{text}` is no name: expected 1 to {LONGEST} lower-case letters, digits, `_` \
                 and `-`, a letter first"
            ));
        }
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = kept.get(text) {
            return Ok(Name(name));
        }
        let name: &'static str = Box::leak(text.into());
        kept.insert(name);
        Ok(Name(name))
    }

    /// Borrowed from a table that lives as long as the process.
    pub fn text(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Name::new(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_by_name_in_report_order() {
        let names = ["cache", "register", "lock", "queue", "counter"];
        let read = |name: &&str| Service::named(name).expect("a name");
        let mut services: Vec<Service> = names.iter().map(read).collect();
        services.sort_unstable();
        let names: Vec<&str> = services.into_iter().map(Service::name).collect();
        assert_eq!(names, ["lock", "queue", "cache", "counter", "register"]);
    }

    #[test]
    fn a_malformed_name_is_refused() {
        for name in ["", "9", "Max", "a b", "ü", &"x".repeat(65)] {
            let error = Service::named(name).expect_err("it is malformed");
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }
}
