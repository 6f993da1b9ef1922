//! The JSON schema of system files, for editors.

use schemars::Schema;
use schemars::generate::SchemaSettings;

use crate::table::Table;

/// The schema of a system file as it is read.
pub fn schema() -> Schema {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<Table>();
    let root = schema.ensure_object();
    root.insert("title".into(), "System under test".into());
    schema
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_file_in_docs_is_what_the_types_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/system.schema.json");
        let text = serde_json::to_string_pretty(&super::schema()).expect("plain data") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).expect("the file is ours");
        }
        let published = std::fs::read_to_string(&path).expect("UPDATE_GOLDEN=1 writes it");
        assert_eq!(published, text, "UPDATE_GOLDEN=1 accepts the new schema");
    }
}
