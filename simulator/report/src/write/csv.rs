//! Tables as comma-separated values. Format: RFC 4180, with plain line feeds; an empty cell is
//! a value that does not exist, never a zero.

use crate::document::Table;

/// The columns for programs, under their names.
pub fn table(table: &Table) -> String {
    let columns = table.for_programs();
    let heads = columns.iter().map(|(_, head)| head.name.to_owned());
    let rows = table.rows.iter().map(|row| {
        let cells = columns.iter().map(|(place, _)| row.cells[*place].raw());
        cells.collect()
    });
    records([heads.collect()].into_iter().chain(rows))
}

/// Lines of cells, the first of which are the names of the columns.
pub fn records(records: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer
            .write_record(&record)
            .expect("rows are as wide as their head, and memory can be written to");
    }
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("cells are text")
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn commas_and_quotes_are_quoted() {
        let cells = ["a,b", "c\"d", "e"].map(str::to_owned);
        assert_eq!(records([cells.into()]), "\"a,b\",\"c\"\"d\",e\n");
    }
}
