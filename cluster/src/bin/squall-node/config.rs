//! The file of `--config`: options in TOML, by the names that they have on the command line.
//!
//! It becomes arguments, so that an option means the same wherever it stands. An option that is
//! also on the command line is left out. What is done once, such as a backup, stands on the
//! command line only.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, Command};
use toml::{Spanned, Value};

/// Largest port for clients: nodes talk to each other 10,000 above it.
pub const MAX_PORT: u16 = 55_535;
/// What has no place in a file.
const TYPED_ONLY: [&str; 6] = [
    "backup",
    "config",
    "force-new-cluster",
    "health",
    "hold",
    "restore",
];

/// The arguments `typed`, and in front of them what the file has beside them.
///
/// # Errors
/// The file cannot be read, is no TOML, or has what is no option or no value of it; in words, with
/// the line.
pub fn with_file(
    command: &Command,
    typed: &[OsString],
    file: &Path,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Vec<OsString>, String> {
    let shown = file.display();
    let text = read(file).map_err(|e| format!("{shown}: {e}"))?;
    let at = |offset: usize| {
        let line = text[..offset.min(text.len())].matches('\n').count() + 1;
        format!("{shown}:{line}")
    };
    let parsed: Result<BTreeMap<Spanned<String>, Spanned<Value>>, _> = toml::from_str(&text);
    let entries = parsed.map_err(|e| {
        let offset = e.span().map_or(0, |span| span.start);
        format!("{}: {}", at(offset), e.message())
    })?;
    let matches = command.clone().try_get_matches_from(typed);
    let matches = matches.map_err(|e| e.to_string())?;
    let (program, rest) = typed.split_at(1.min(typed.len()));
    let mut all = program.to_vec();
    for (key, value) in &entries {
        let name = key.get_ref();
        let place = at(key.span().start);
        let option = find(command, name).map_err(|why| format!("{place}: {why}"))?;
        let args = arguments(option, value.get_ref()).and_then(|args| {
            check(command, &program[0], &args)?;
            Ok(args)
        });
        let args = args.map_err(|why| format!("{place}: {name}: {why}"))?;
        if matches.value_source(option.get_id().as_str()) != Some(ValueSource::CommandLine) {
            all.extend(args);
        }
    }
    all.extend_from_slice(rest);
    Ok(all)
}

/// The option of that name.
fn find<'c>(command: &'c Command, name: &str) -> Result<&'c Arg, String> {
    if TYPED_ONLY.contains(&name) {
        return Err(format!("`{name}` stands on the command line only"));
    }
    let mut options = command.get_arguments();
    if let Some(option) = options.find(|option| option.get_long() == Some(name)) {
        return Ok(option);
    }
    let suggested = suggestion(command, name).filter(|name| !TYPED_ONLY.contains(&name.as_str()));
    let suggested = suggested.map(|name| format!(": did you mean `{name}`?"));
    let suggested = suggested.unwrap_or_else(|| "; --help names all".into());
    Err(format!("`{name}` is no option{suggested}"))
}

/// The option that clap would suggest in the place of this one.
fn suggestion(command: &Command, name: &str) -> Option<String> {
    let args = ["squall-node".to_owned(), format!("--{name}")];
    let error = command.clone().try_get_matches_from(args).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(option) => Some(option.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

/// The option as it would be typed, once for each value.
fn arguments(option: &Arg, value: &Value) -> Result<Vec<OsString>, String> {
    let name = option.get_long().expect("it was found by it");
    if !option.get_action().takes_values() {
        return match value {
            Value::Boolean(true) => Ok(vec![format!("--{name}").into()]),
            Value::Boolean(false) => Ok(Vec::new()),
            _ => Err("expected true or false".into()),
        };
    }
    let values = match value {
        Value::Array(values) if takes_several(option) => values.as_slice(),
        Value::Array(_) => return Err("expected one value, not a list".into()),
        value => std::slice::from_ref(value),
    };
    let typed = values.iter().map(|value| match value {
        Value::String(text) => Ok(format!("--{name}={text}").into()),
        Value::Integer(number) => Ok(format!("--{name}={number}").into()),
        _ => Err("expected a text or a whole number".into()),
    });
    typed.collect()
}

fn takes_several(option: &Arg) -> bool {
    matches!(option.get_action(), clap::ArgAction::Append)
}

/// Whether the option alone is understood: an error names the file and not the command line.
fn check(command: &Command, program: &OsString, args: &[OsString]) -> Result<(), String> {
    let line = std::iter::once(program).chain(args);
    let Err(e) = command.clone().try_get_matches_from(line) else {
        return Ok(());
    };
    let text = e.to_string();
    let first = text.lines().next().unwrap_or_default();
    Err(first.trim_start_matches("error: ").to_owned())
}
