//! The `squall` command; see [`squall::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    // Undecorated panics of a simulated node are failures of the harness to a caller.
    match std::panic::catch_unwind(squall::cli::main) {
        Ok(code) => code.into(),
        Err(_) => ExitCode::from(squall::cli::exit::Exit::Harness as u8),
    }
}
