//! Waiting by the clock of the run.

use std::time::Duration;

use squall_history::Recorder;
use squall_world::World;

/// Sleeps until the run's clock shows `at_us` microseconds.
pub async fn sleep_until_us<W: World>(recorder: &Recorder, at_us: u64) {
    let rest_us = at_us.saturating_sub(recorder.now_us());
    W::sleep(Duration::from_micros(rest_us)).await;
}

/// Looks as often as `every` whether `condition` holds; whether it did before `deadline_us`.
pub async fn wait_until<W: World>(
    recorder: &Recorder,
    deadline_us: u64,
    every: Duration,
    condition: impl Fn() -> bool,
) -> bool {
    while !condition() {
        let next_us = recorder.now_us() + every.as_micros() as u64;
        if next_us >= deadline_us {
            return false;
        }
        sleep_until_us::<W>(recorder, next_us).await;
    }
    true
}
