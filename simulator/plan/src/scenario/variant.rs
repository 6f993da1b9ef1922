//! `[[variant]]`: one file, several runs that differ in a few values.
//!
//! A variant has a name and what it sets: a table of the same shape as the scenario, whose
//! values replace those of the file. `--set variant=NAME` chooses one; overrides from the
//! command line come after it. Numbers count the elements of a list from 0, as they do for
//! `--set`: `set = { workload.0.clients = 5 }`.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use super::setting::VARIANT;
use super::setting::put;
use super::source::{Problem, Source};

/// The variant that overrides choose, if they choose one.
pub fn chosen(settings: &[(String, String)]) -> Option<&str> {
    let mut chosen = settings.iter().rev().filter(|(key, _)| key == VARIANT);
    chosen.next().map(|(_, name)| name.as_str())
}

/// What runs of a scenario with these overrides are called: `NAME-VARIANT`, or `NAME` where
/// no variant is chosen. Runs of two variants are runs of two things.
pub fn run_name(scenario: &str, settings: &[(String, String)]) -> String {
    match chosen(settings) {
        Some(variant) => format!("{scenario}-{variant}"),
        None => scenario.to_owned(),
    }
}

/// A variant as it was written.
struct Written<'s> {
    name: Spanned<String>,
    set: Spanned<DeValue<'s>>,
}

/// Takes the variants out of `document`, and puts what the chosen one sets into it.
/// Returns all names, in order.
pub(super) fn apply<'s>(
    source: &'s Source,
    document: &mut DeTable<'s>,
) -> Result<Vec<String>, Problem> {
    let variants = match document.remove(VARIANT) {
        Some(list) => read(list)?,
        None => Vec::new(),
    };
    let names: Vec<String> = variants.iter().map(|v| v.name.get_ref().clone()).collect();
    let chosen = source.settings.iter().enumerate();
    let mut chosen = chosen.filter(|(_, (key, _))| key == VARIANT);
    let Some((index, (_, name))) = chosen.next_back() else {
        return Ok(names);
    };
    let Some(variant) = variants.into_iter().find(|v| v.name.get_ref() == name) else {
        let known = match names.is_empty() {
            true => "the scenario has none".to_owned(),
            false => format!("known: {}", names.join(", ")),
        };
        return Err(Problem {
            span: source.setting_span(index),
            message: format!("no variant `{name}`; {known}"),
        });
    };
    let span = variant.set.span();
    merge(document, "", variant.set.into_inner(), &span)?;
    Ok(names)
}

fn read(list: Spanned<DeValue<'_>>) -> Result<Vec<Written<'_>>, Problem> {
    let wrong = |span: Range<usize>, message: &str| Problem {
        span,
        message: message.to_owned(),
    };
    let span = list.span();
    let DeValue::Array(array) = list.into_inner() else {
        return Err(wrong(span, "expected [[variant]] tables"));
    };
    let mut variants: Vec<Written> = Vec::new();
    for element in array {
        let span = element.span();
        let DeValue::Table(mut table) = element.into_inner() else {
            return Err(wrong(span, "expected [[variant]] tables"));
        };
        let name = match table
            .remove("name")
            .map(|name| (name.span(), name.into_inner()))
        {
            Some((at, DeValue::String(name))) => Spanned::new(at, name.into_owned()),
            Some((at, _)) => return Err(wrong(at, "the name of a variant is a string")),
            None => return Err(wrong(span, "missing field `name` of the variant")),
        };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.get_ref().is_empty() || !name.get_ref().chars().all(fits) {
            let message = "name of a variant: expected lower-case letters, digits and hyphens";
            return Err(wrong(name.span(), message));
        }
        if variants.iter().any(|v| v.name.get_ref() == name.get_ref()) {
            return Err(wrong(name.span(), "two variants have this name"));
        }
        let set = match table.remove("set") {
            Some(set) if matches!(set.get_ref(), DeValue::Table(_)) => set,
            Some(set) => return Err(wrong(set.span(), "`set` of a variant is a table")),
            None => Spanned::new(span, DeValue::Table(DeTable::new())),
        };
        if let Some((key, _)) = table.into_iter().next() {
            let message = format!(
                "unknown field `{}`, expected one of `name`, `set`",
                key.get_ref()
            );
            return Err(wrong(key.span(), &message));
        }
        variants.push(Written { name, set });
    }
    Ok(variants)
}

/// Puts every leaf of `value` in its place; a list is a leaf and replaces a list.
fn merge<'s>(
    document: &mut DeTable<'s>,
    path: &str,
    value: DeValue<'s>,
    span: &Range<usize>,
) -> Result<(), Problem> {
    let DeValue::Table(table) = value else {
        return put(document, path, value, span).map_err(|message| Problem {
            span: span.clone(),
            message,
        });
    };
    for (key, inner) in table {
        let key: Cow<str> = key.into_inner();
        let path = match path {
            "" => key.into_owned(),
            path => format!("{path}.{key}"),
        };
        let span = inner.span();
        merge(document, &path, inner.into_inner(), &span)?;
    }
    Ok(())
}
