//! The wall clock, for what a run took: the only place of the simulator that reads it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures how long something takes.
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods)] // reports how long the program took
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Now, as `2026-01-31T23:59:59Z`.
    #[allow(clippy::disallowed_methods)] // names when something was made
    pub fn date_and_time() -> String {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        utc(since_epoch.map_or(0, |elapsed| elapsed.as_secs()))
    }
}

/// Seconds since the epoch as a date of the calendar.
fn utc(seconds: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_735_689_600), "2025-01-01T00:00:00Z");
    }
}
