//! The example's two services, tested side by side.

mod max;
mod register;
