//! What tests of several protocols need.

/// Runs a test on an event loop of the real world.
pub(crate) fn in_real_world<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime of one thread");
    tokio::task::LocalSet::new().block_on(&runtime, test)
}
