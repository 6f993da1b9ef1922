//! Commands and replies of clients in a line.

use bytes::Bytes;
use squall_cluster::protocol::BytesFrame;
use squall_cluster::raft::overhear::first_word;

/// Arguments, or elements of a list, that are shown.
const SHOWN: usize = 8;

/// `CACHE.GETV k1`.
pub(super) fn command(arguments: &[Bytes]) -> String {
    let words: Vec<String> = arguments
        .iter()
        .take(SHOWN)
        .map(|word| first_word(word))
        .collect();
    words.join(" ") + &more(arguments.len())
}

/// As a client of Redis shows it, on one line.
pub(super) fn text(reply: &BytesFrame) -> String {
    match reply {
        BytesFrame::SimpleString(text) => String::from_utf8_lossy(text).into_owned(),
        BytesFrame::BulkString(text) => first_word(text),
        BytesFrame::Error(text) => format!("-{text}"),
        BytesFrame::Integer(number) => number.to_string(),
        BytesFrame::Null => "nil".into(),
        BytesFrame::Array(elements) => {
            let words: Vec<String> = elements.iter().take(SHOWN).map(text).collect();
            format!("[{}{}]", words.join(" "), more(elements.len()))
        }
    }
}

fn more(count: usize) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}
