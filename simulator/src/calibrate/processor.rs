//! Processor time of processes on this machine, as the kernel counts it: what they used, and
//! for how long they could have gone on and had no processor.

use rustix::time::{ClockId, clock_gettime};

use super::CalibrateError;

/// Where in `/proc/PID/stat` user and system time stand, counted after the name.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// Cores of this machine that this process may use.
pub fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// What all threads of a process have used so far, those that have ended included,
/// nanoseconds. The kernel counts in hundredths of a second.
pub(super) fn used_ns(pid: u32) -> Result<u64, CalibrateError> {
    let path = format!("/proc/{pid}/stat");
    let failed = |why: String| CalibrateError::Process { pid, why };
    let text = std::fs::read_to_string(&path).map_err(|e| failed(format!("{path}: {e}")))?;
    let ticks = ticks(&text).ok_or_else(|| failed(format!("{path} is not as expected")))?;
    Ok(ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second()))
}

/// What all other processes of this machine have used so far, threads of the kernel included,
/// nanoseconds.
pub(super) fn used_by_others_ns(known: &[u32]) -> u64 {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = pids.filter(|pid| !known.contains(pid) && *pid != std::process::id());
    // Who ends while it is looked at did not do much.
    others.filter_map(|pid| used_ns(pid).ok()).sum()
}

/// What this thread has used so far, nanoseconds.
pub(super) fn used_here_ns() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}

/// How long this thread has waited for a processor so far, nanoseconds.
pub(super) fn waited_here_ns() -> u64 {
    waited("/proc/thread-self/schedstat")
}

/// The same of a process's first thread, which is what a node works on.
pub(super) fn waited_ns(pid: u32) -> u64 {
    waited(&format!("/proc/{pid}/schedstat"))
}

/// A kernel that does not count it says that nobody ever waits.
fn waited(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let waited = text.split_whitespace().nth(1);
    waited.and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// The name is in brackets and may hold anything, brackets included.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(field(USER)? + field(SYSTEM)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_of_any_shape() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 41 17 3 2 20 0 1 0 5 1 1";
        assert_eq!(ticks(stat), Some(58));
        assert_eq!(ticks("7 (short) S 1"), None);
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // a real thread, in real time
    fn work_shows_in_what_the_thread_has_used_and_waiting_does_not() {
        let before = used_here_ns();
        let mut sum = 0_u64;
        while used_here_ns() - before < 1_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        let before = used_here_ns();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(used_here_ns() - before < 10_000_000);
    }

    #[test]
    fn this_process_has_used_some() {
        assert!(used_ns(std::process::id()).is_ok());
        let gone = used_ns(u32::MAX).unwrap_err().to_string();
        assert!(gone.contains("must run on this machine"), "{gone}");
    }
}
