//! Writes lines into a pipe without waiting for whoever reads it.
//!
//! A thread of its own writes them: a reader may stall (a terminal that is held, a log driver,
//! a parent that is stopped), and that must not stop the node. What does not fit into the queue
//! before that thread is lost, and counted.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING: usize = 16 * 1024;

/// Where lines go. It outlives whoever writes: the thread ends with the process.
pub struct Outlet {
    queue: SyncSender<Item>,
    lost: AtomicU64,
}

enum Item {
    Line(Vec<u8>),
    /// Everything before it is written.
    Mark(SyncSender<()>),
}

impl Outlet {
    /// Starts the thread that writes.
    #[allow(clippy::disallowed_methods)] // part of the real world
    pub fn new(mut to: impl Write + Send + 'static) -> Self {
        let (queue, items) = sync_channel(WAITING);
        std::thread::spawn(move || {
            for item in items {
                match item {
                    // A closed output must not bring the node down.
                    Item::Line(line) => drop(to.write_all(&line)),
                    Item::Mark(written) => drop(written.send(())),
                }
            }
        });
        Self {
            queue,
            lost: AtomicU64::new(0),
        }
    }

    /// Has the line written.
    ///
    /// # Errors
    /// It is lost, since too many wait; how many were so far.
    pub fn write(&self, line: Vec<u8>) -> Result<(), u64> {
        let sent = self.queue.try_send(Item::Line(line));
        sent.map_err(|_| self.lost.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How many lines were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all lines before are written, at most so long.
    pub fn flush(&self, limit: Duration) {
        let (mark, written) = sync_channel(1);
        if self.queue.try_send(Item::Mark(mark)).is_ok() {
            // Whether they are or not, nothing more can be done for them.
            let _ = written.recv_timeout(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A reader that takes a line when it is told to.
    struct Stalling(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stalling {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().expect("nobody panics").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_no_time() {
        let (go, held) = std::sync::mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let outlet = Outlet::new(Stalling(held, written.clone()));
        let lines = WAITING as u64 + 100;
        let lost = (0..lines).filter_map(|_| outlet.write(b"line\n".to_vec()).err());
        let lost: Vec<u64> = lost.collect();
        // One of them is in the thread's hands, or will be.
        assert!([99, 100].contains(&lost.len()), "{}", lost.len());
        assert_eq!(lost.last(), Some(&outlet.lost()));
        outlet.flush(Duration::from_millis(1));
        drop(go);
        while written.lock().expect("nobody panics").len() < 5 * (lines as usize - lost.len()) {
            std::thread::yield_now();
        }
        assert_eq!(outlet.write(b"end\n".to_vec()), Ok(()));
        outlet.flush(Duration::from_secs(20));
        assert!(written.lock().expect("nobody panics").ends_with(b"end\n"));
    }
}
