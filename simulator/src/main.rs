//! The `squall` command; see [`squall::cli`].

use std::process::ExitCode;

/// A simulation allocates many small messages; this allocator is about a tenth faster there
/// than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A panic of a simulated node is that node's crash; one that comes up here is the harness's.
    match std::panic::catch_unwind(squall::cli::main) {
        Ok(code) => code.into(),
        Err(_) => ExitCode::from(squall::cli::exit::Exit::Harness as u8),
    }
}
