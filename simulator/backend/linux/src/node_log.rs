//! Keeps what nodes write that is no event, within bounds.
//!
//! Lines carry the time at which they were read here, and the role and term that the node had
//! reported last. A node that writes without end fills neither memory nor disk: what goes
//! beyond the bounds is dropped and counted.

use std::cell::RefCell;

use squall_backend::log::{LogLine, Logs, Part};
use squall_world::machine_clock_us;
use tracing::Level;

use super::clock::Clock;
use super::host::Source;

/// Of all nodes together.
const MOST_LINES: usize = 100_000;
/// Of one line, in bytes; the rest of it is left out.
const LONGEST_LINE: usize = 2_000;
/// Of a line that is still to be completed, in bytes: the longest event is far shorter.
const LONGEST_PIECE: usize = 1 << 20;

/// The lines of all nodes of a run.
#[derive(Default)]
pub(super) struct NodeLog {
    /// With the machine's clock in place of the run's.
    logs: RefCell<Logs>,
}

impl NodeLog {
    /// Keeps a line of a node that plays this part.
    pub(super) fn add(&self, node: String, part: Part, source: Source, line: &str) {
        let mut logs = self.logs.borrow_mut();
        if logs.lines.len() >= MOST_LINES {
            logs.dropped += 1;
            return;
        }
        let target = match source {
            Source::Out => "stdout".to_owned(),
            Source::Err => "stderr".to_owned(),
            Source::Side(number) => format!("side-{}", number + 1),
        };
        logs.lines.push(LogLine {
            at_us: machine_clock_us().cast_signed(),
            node,
            role: part.role,
            term: part.term,
            // What a program means by its lines is not known.
            level: Level::INFO,
            target,
            text: beginning(line).to_owned(),
        });
    }

    /// All lines, on the run's clock.
    pub(super) fn take(&self, clock: &Clock) -> Logs {
        let mut logs = self.logs.take();
        for line in &mut logs.lines {
            line.at_us = clock.signed_us(line.at_us.cast_unsigned());
        }
        logs
    }
}

/// As much of a line as is kept; characters stay whole.
fn beginning(line: &str) -> &str {
    let ends = (0..=LONGEST_LINE.min(line.len())).rev();
    let end = { ends }.find(|end| line.is_char_boundary(*end));
    &line[..end.unwrap_or_default()]
}

/// Cuts what arrives in pieces into lines.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes a piece in; the lines that it completes.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&rest[..end]);
            lines.push(self.complete());
            rest = &rest[end + 1..];
        }
        self.rest.extend_from_slice(rest);
        if self.rest.len() > LONGEST_PIECE {
            lines.push(self.complete());
        }
        lines
    }

    /// What was written last without an end of line, if anything was.
    pub(super) fn finish(&mut self) -> Option<String> {
        (!self.rest.is_empty()).then(|| self.complete())
    }

    fn complete(&mut self) -> String {
        let line = std::mem::take(&mut self.rest);
        String::from_utf8_lossy(&line).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.feed(b"{\"a\":").is_empty());
        assert_eq!(lines.feed(b"1}\n{\"b\":2}\n{"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(lines.feed(b"}\nlast"), ["{}"]);
        assert_eq!(lines.finish().as_deref(), Some("last"));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn who_writes_without_end_is_cut_short_and_counted() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; LONGEST_PIECE / 2 + 1];
        assert!(lines.feed(&piece).is_empty());
        let cut = lines.feed(&piece);
        assert_eq!(cut.len(), 1, "nobody waits for its end");
        let log = NodeLog::default();
        for _ in 0..MOST_LINES + 2 {
            log.add("node-1".into(), Part::default(), Source::Out, "a");
        }
        log.add("node-1".into(), Part::default(), Source::Err, &cut[0]);
        let logs = log.take(&Clock::default());
        assert_eq!((logs.lines.len(), logs.dropped), (MOST_LINES, 3));
        log.add("node-1".into(), Part::default(), Source::Side(0), &cut[0]);
        let kept = log.take(&Clock::default()).lines;
        assert_eq!(kept[0].text.len(), LONGEST_LINE);
        assert_eq!(kept[0].target, "side-1");
        assert!(kept[0].at_us <= 0, "before the run began");
    }

    #[test]
    fn a_character_is_kept_whole_or_not_at_all() {
        let line = format!("{}é", "x".repeat(LONGEST_LINE - 1));
        assert_eq!(beginning(&line).len(), LONGEST_LINE - 1);
        assert_eq!(beginning("é"), "é");
    }
}
