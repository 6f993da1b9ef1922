//! `squall schema`: what `report.json` and its siblings hold, for programs that read them.
//!
//! The schemas are made from the very types that are written, whose documentation becomes
//! their descriptions. They are closed: an object with a field that no schema names is none
//! of ours, so that a misspelt field does not pass for one that was left out.

use clap::{Args as ClapArgs, ValueEnum};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::exit::{Exit, Failure};
use super::print;
use crate::compare::ab::Ab;
use crate::report::{Report, Variants};
use crate::sweep::Summary;
use crate::trend::Trend;

pub(super) const SCHEMA_HELP: &str = "\
Examples:
  squall schema report > report.schema.json
  squall schema sweep > sweep.schema.json

JSON Schema, draft 2020-12. The same files are in docs/.";

#[derive(Debug, ClapArgs)]
pub struct SchemaArgs {
    /// What is written.
    pub of: Written,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Written {
    /// report.json of a run.
    Report,
    /// summary.json of a sweep.
    Sweep,
    /// variants.json of a scenario with variants.
    Variants,
    /// What `compare --ab --json` prints.
    Ab,
    /// What `trend --json` prints.
    Trend,
    /// A system file, which is read: for editors.
    System,
}

pub(super) fn schema(args: &SchemaArgs) -> Result<u8, Failure> {
    let schema = match args.of {
        Written::Report => of::<Report>("Report of a run"),
        Written::Sweep => of::<Summary>("Summary of a sweep"),
        Written::Variants => of::<Variants>("Variants of a scenario"),
        Written::Trend => of::<Trend>("Figures over time"),
        Written::Ab => of::<Ab>("Comparison of two versions"),
        Written::System => squall_systems::schema(),
    };
    let json = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    print(&(json + "\n"));
    Ok(Exit::Pass as u8)
}

/// The closed schema of a type as it is written.
fn of<T: JsonSchema>(title: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let root = schema.ensure_object();
    if let Some(Value::Object(types)) = root.get_mut("$defs") {
        types
            .values_mut()
            .filter_map(Value::as_object_mut)
            .for_each(close);
    }
    close(root);
    root.insert("title".into(), title.into());
    schema
}

/// A part that is flattened into an object stands within its schema and is left alone; what
/// it allows counts as named.
fn close(schema: &mut Map<String, Value>) {
    // A flattened map says what else there may be.
    let is_open = schema
        .get("additionalProperties")
        .is_some_and(Value::is_object);
    if schema.contains_key("properties") && !is_open {
        schema.remove("additionalProperties");
        schema.insert("unevaluatedProperties".into(), false.into());
    }
}
