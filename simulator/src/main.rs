//! The `squall` command; see [`squall::cli`].

use std::process::ExitCode;

/// A simulation allocates many small messages; this allocator is about a tenth faster there
/// than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Undecorated panics of a simulated node are failures of the harness to a caller.
    match std::panic::catch_unwind(squall::cli::main) {
        Ok(code) => code.into(),
        Err(_) => ExitCode::from(squall::cli::exit::Exit::Harness as u8),
    }
}
