//! Checks single values against bounds, and says what is wrong with its place.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;

use super::source::Problem;
use super::unit::{Bounds, Duration, duration_text};

pub(super) type Checked = Result<(), Problem>;

/// A place in the source.
pub(super) type Place = Range<usize>;

pub(super) fn problem(place: Place, message: impl Into<String>) -> Checked {
    Err(Problem {
        span: place,
        message: message.into(),
    })
}

/// Where a key was written, if it was.
pub(super) fn place<T>(value: &Option<Spanned<T>>) -> Option<Place> {
    value.as_ref().map(Spanned::span)
}

/// The first of the places that the author wrote.
pub(super) fn written_place(places: &[Place]) -> Place {
    let written = places.iter().find(|place| place.end > 0);
    written.cloned().unwrap_or(0..0)
}

pub(super) fn time(duration: Duration) -> String {
    duration_text(duration.us())
}

pub(super) fn check_count(key: &str, count: &Spanned<u64>, min: u64, max: u64) -> Checked {
    let value = *count.get_ref();
    if value < min {
        return problem(
            count.span(),
            format!("{key} must be at least {min}, not {value}"),
        );
    }
    if value > max {
        return problem(
            count.span(),
            format!("{key} must be at most {max}, not {value}"),
        );
    }
    Ok(())
}

pub(super) fn check_least(key: &str, duration: &Spanned<Duration>, least: Duration) -> Checked {
    if *duration.get_ref() < least {
        let (value, least) = (time(*duration.get_ref()), time(least));
        return problem(
            duration.span(),
            format!("{key} must be at least {least}, not {value}"),
        );
    }
    Ok(())
}

pub(super) fn check_most(key: &str, duration: &Spanned<Duration>, most: Duration) -> Checked {
    if *duration.get_ref() > most {
        let (value, most) = (time(*duration.get_ref()), time(most));
        return problem(
            duration.span(),
            format!("{key} must be at most {most}, not {value}"),
        );
    }
    Ok(())
}

/// The cluster counts these times in milliseconds.
pub(super) fn check_whole_ms(key: &str, duration: &Spanned<Duration>) -> Checked {
    if !duration.get_ref().us().is_multiple_of(1_000) {
        let value = time(*duration.get_ref());
        return problem(
            duration.span(),
            format!("{key} must be whole milliseconds, not {value}"),
        );
    }
    Ok(())
}

pub(super) fn check_bounds<T: PartialOrd + Copy, S: Display>(
    key: &str,
    written: &Spanned<Bounds<T>>,
    (min, max): (T, T),
    text: impl Fn(T) -> S,
) -> Checked {
    if min > max {
        let message = format!("{key}: min {} is above max {}", text(min), text(max));
        return problem(written.span(), message);
    }
    Ok(())
}
