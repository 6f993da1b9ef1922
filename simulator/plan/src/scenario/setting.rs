//! `--set KEY=VALUE`: one value of a scenario replaced from the command line.
//!
//! Overrides are put into the parsed document, before serde reads it, so that they go
//! through the same types and checks as the file. A key is a dotted path, where a number
//! counts the elements of an array from 0 (`workload.0.rate`). A value is TOML, or else
//! the bare text of a string (`10s`). Tables that are missing are made; array elements
//! are not.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Problem, Source};

/// The override that chooses a variant.
pub const VARIANT: &str = "variant";

/// Puts what was drawn, and then every override of `source`, into `document`, in order.
pub(super) fn apply<'s>(source: &'s Source, document: &mut DeTable<'s>) -> Result<(), Problem> {
    let settings = source.settings.iter().enumerate();
    let settings = settings.filter(|(_, (key, _))| key != VARIANT);
    let settings = settings.map(|(index, pair)| (source.setting_span(index), pair));
    let drawn = source.drawn().iter().enumerate();
    let drawn = drawn.map(|(index, pair)| (source.drawn_span(index), pair));
    for (span, (key, value)) in drawn.chain(settings) {
        put(document, key, parse_value(value, &span), &span).map_err(|message| Problem {
            span: span.clone(),
            message,
        })?;
    }
    Ok(())
}

/// Puts the profile's table in the place of the scenario's, if there is a profile.
pub(super) fn lay_profile<'s>(source: &'s Source, document: &mut DeTable<'s>) {
    const HARDWARE: &str = "hardware";
    let Some(text) = &source.profile else { return };
    let mut profile = (DeTable::parse(text).expect("it was read before")).into_inner();
    let table = (profile.remove(HARDWARE)).expect("a profile without it is refused");
    let span = source.profile_span();
    let table = moved(table.into_inner(), &span);
    *entry(document, HARDWARE, &span) = Spanned::new(span.clone(), table);
}

/// Puts a value where the dotted path says.
pub(super) fn put<'s>(
    document: &mut DeTable<'s>,
    key: &str,
    value: DeValue<'s>,
    span: &Range<usize>,
) -> Result<(), String> {
    let names: Vec<&str> = key.split('.').collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err("expected a dotted path such as `cluster.nodes`".to_owned());
    }
    let (first, rest) = names.split_first().expect("split yields at least one part");
    let mut slot = entry(document, first, span);
    for (depth, name) in rest.iter().enumerate() {
        let parent = names[..=depth].join(".");
        slot = match slot.get_mut() {
            DeValue::Table(table) => entry(table, name, span),
            DeValue::Array(array) => {
                let count = array.len();
                let index = name.parse::<usize>();
                let index = index.map_err(|_| {
                    format!("`{parent}` is a list, expected a number instead of `{name}`")
                })?;
                if index >= count {
                    return Err(format!(
                        "`{parent}` has no element {index}, they count from 0"
                    ));
                }
                array.get_mut(index).expect("the index was checked")
            }
            _ => return Err(format!("`{parent}` is a single value, not a table")),
        };
    }
    *slot = Spanned::new(span.clone(), value);
    Ok(())
}

/// The value under `name`, made an empty table if there is none.
fn entry<'t, 's>(
    table: &'t mut DeTable<'s>,
    name: &str,
    span: &Range<usize>,
) -> &'t mut Spanned<DeValue<'s>> {
    let key = Spanned::new(span.clone(), Cow::Owned(name.to_owned()));
    let empty = || Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
    table.entry(key).or_insert_with(empty)
}

/// TOML if it is TOML, a string otherwise.
fn parse_value<'s>(text: &'s str, span: &Range<usize>) -> DeValue<'s> {
    match DeValue::parse(text) {
        Ok(value) => moved(value.into_inner(), span),
        Err(_) => DeValue::String(Cow::Borrowed(text)),
    }
}

/// The same value with every place in it moved to `span`.
fn moved<'s>(value: DeValue<'s>, span: &Range<usize>) -> DeValue<'s> {
    let place = |inner: DeValue<'s>| Spanned::new(span.clone(), moved(inner, span));
    match value {
        DeValue::Array(array) => {
            DeValue::Array(array.into_iter().map(|e| place(e.into_inner())).collect())
        }
        DeValue::Table(table) => {
            let entries = table.into_iter().map(|(key, inner)| {
                let key = Spanned::new(span.clone(), key.into_inner());
                (key, place(inner.into_inner()))
            });
            DeValue::Table(entries.collect())
        }
        single => single,
    }
}
