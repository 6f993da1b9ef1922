//! What `squall-node` reads before it starts: its own modules, as they are.

#![allow(dead_code)] // arguments are read, and nothing is done with them

#[path = "../../src/bin/squall-node/args.rs"]
mod args;
#[path = "../../src/bin/squall-node/config.rs"]
mod config;
#[path = "../../src/bin/squall-node/duration.rs"]
mod duration;
#[path = "../../src/bin/squall-node/local.rs"]
mod local;
#[path = "../../src/bin/squall-node/signals.rs"]
mod signals;
#[path = "../../src/bin/squall-node/tls.rs"]
mod tls;

/// A file of `--config`. An error is one line or more in words.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let typed = ["squall-node", "--config", "node.toml"].map(Into::into);
    if let Err(e) = args::parse_reading(typed, |_| Ok(text.to_owned())) {
        assert!(!e.to_string().is_empty());
    }
}
