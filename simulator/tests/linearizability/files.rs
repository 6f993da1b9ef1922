//! Loads the files that these tests start from.

use std::path::Path;
use std::sync::OnceLock;

use squall::history::History;
use squall::history::jsonl::Header;
use squall::run;
use squall::scenario::Scenario;

use crate::command::SMALL;

/// A history that others recorded.
pub(crate) fn sample(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/histories")
        .join(file);
    std::fs::read(path).expect("the sample is in the repository")
}

const QUEUE: &str = r#"
[[workload]]
service = "queue"
producers = 2
consumers = 2
think = { min = "20ms", max = "40ms" }
"#;

/// A history of all three services, recorded in simulation, in which all went well.
pub(crate) fn good() -> &'static History {
    static GOOD: OnceLock<History> = OnceLock::new();
    GOOD.get_or_init(|| {
        let text = SMALL.replace("[[fault]]", &format!("{QUEUE}\n[[fault]]"));
        let scenario = Scenario::parse_with(&text, "small.toml", &[]).expect("it is valid");
        let judged = run::run(&scenario, 1, "").expect("the simulation works");
        judged.history
    })
}

/// The same as a file.
pub(crate) fn good_file() -> Vec<u8> {
    let mut file = Vec::new();
    let header = Header::new("small", 1, Vec::new());
    good().write(&header, &mut file).expect("memory takes it");
    file
}
