//! `COMMAND`: the table of commands, as clients read it.

use bytes::{Bytes, BytesMut};

use crate::protocol::{COMMANDS, CommandCall, RespVersion, Spec, wire};

pub(super) fn describe(call: &CommandCall, version: RespVersion, out: &mut BytesMut) {
    match call {
        CommandCall::Count => wire::integer(out, COMMANDS.len() as i64),
        CommandCall::List => {
            wire::array(out, COMMANDS.len());
            for spec in COMMANDS {
                wire::bulk(out, spec.name.as_bytes());
            }
        }
        CommandCall::Info(None) => {
            wire::array(out, COMMANDS.len());
            COMMANDS.iter().for_each(|spec| info(out, version, spec));
        }
        CommandCall::Info(Some(names)) => {
            wire::array(out, names.len());
            for name in names {
                match Spec::find(name) {
                    Some(spec) => info(out, version, spec),
                    None => wire::null_array(out, version),
                }
            }
        }
        CommandCall::Docs(names) => {
            let specs: Vec<&Spec> = match names {
                None => COMMANDS.iter().collect(),
                Some(names) => names.iter().filter_map(|name| Spec::find(name)).collect(),
            };
            wire::map(out, version, specs.len());
            specs.into_iter().for_each(|spec| docs(out, version, spec));
        }
        CommandCall::GetKeys(args) => keys_of(out, args),
    }
}

/// Name, arity, flags, positions of keys, categories; and three lists that stay empty.
fn info(out: &mut BytesMut, version: RespVersion, spec: &Spec) {
    wire::array(out, 10);
    wire::bulk(out, spec.name.as_bytes());
    wire::integer(out, spec.arity);
    words(out, version, &spec.flags.names());
    wire::integer(out, spec.keys.first);
    wire::integer(out, spec.keys.last);
    wire::integer(out, spec.keys.step);
    words(out, version, &spec.flags.categories());
    for _ in ["tips", "key specifications", "subcommands"] {
        wire::array(out, 0);
    }
}

fn words(out: &mut BytesMut, version: RespVersion, words: &[&str]) {
    wire::set(out, version, words.len());
    for word in words {
        wire::simple(out, word);
    }
}

fn docs(out: &mut BytesMut, version: RespVersion, spec: &Spec) {
    let group = match spec.name.split_once('.') {
        Some((service, _)) => service,
        None => "generic",
    };
    wire::bulk(out, spec.name.as_bytes());
    wire::map(out, version, 2);
    for (name, text) in [("summary", spec.summary), ("group", group)] {
        wire::bulk(out, name.as_bytes());
        wire::bulk(out, text.as_bytes());
    }
}

fn keys_of(out: &mut BytesMut, args: &[Bytes]) {
    let spec = args.first().and_then(|name| Spec::find(name));
    let Some(spec) = spec else {
        return wire::error(out, "ERR Invalid command specified");
    };
    if !spec.takes(args.len()) {
        return wire::error(out, "ERR Invalid number of arguments specified for command");
    }
    let keys = spec.keys_of(args);
    if keys.is_empty() {
        return wire::error(out, "ERR The command has no key arguments");
    }
    wire::array(out, keys.len());
    for key in keys {
        wire::bulk(out, key);
    }
}
