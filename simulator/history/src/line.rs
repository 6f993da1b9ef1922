//! The two kinds of event that most lines of a history are, read without detours.
//!
//! The types of an event are flattened and tagged, for which serde first collects every
//! field of a line in a list. Lines as this program writes them begin with the time and the
//! type, so what follows is known and can be read straight into its fields. Whatever looks
//! otherwise is an error here, and is for the general way of [`super::jsonl`], which also
//! makes sure that nothing in the line was ignored.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Action, Event, EventKind, Outcome};

/// An invocation or a return.
pub(super) struct Line(pub(super) Event);

#[derive(Deserialize)]
struct Invoke {
    op: u64,
    client: String,
    #[serde(default)]
    intended: Option<u64>,
    action: Action,
}

#[derive(Deserialize)]
struct Return {
    op: u64,
    outcome: Outcome,
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an invocation or a return")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let unusual = || A::Error::custom("not in the usual order");
        let at = map.next_entry::<&str, u64>()?;
        let (_, at_us) = at.filter(|(key, _)| *key == "at").ok_or_else(unusual)?;
        let kind = map.next_entry::<&str, &str>()?;
        let kind = kind.filter(|(key, _)| *key == "type");
        let rest = MapAccessDeserializer::new(map);
        let kind = match kind.map(|(_, kind)| kind) {
            Some("invoke") => {
                let read = Invoke::deserialize(rest)?;
                EventKind::Invoke {
                    op: read.op,
                    client: read.client,
                    intended_us: read.intended,
                    action: read.action,
                }
            }
            Some("return") => {
                let Return { op, outcome } = Return::deserialize(rest)?;
                EventKind::Return { op, outcome }
            }
            _ => return Err(unusual()),
        };
        Ok(Line(Event { at_us, kind }))
    }
}
