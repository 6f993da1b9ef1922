//! The template language of system files: text with places in braces, filled in for one node.
//!
//! | place | stands for |
//! |---|---|
//! | `{id}` `{index}` `{name}` | the node's number from 1, from 0, and its name (`node-1`) |
//! | `{ip}` `{port}` `{peer_port}` | its address, and the ports `client` and `peer` of `[ports]` |
//! | `{port.NAME}` | its port of that name |
//! | `{dir}` | its own directory, which it finds again when it is started again |
//! | `{here}` | the directory of the system file |
//! | `{nodes}` `{majority}` | how many nodes there are, and how many are more than half |
//! | `{ip 1}`, any of the above with a number | the same of node 1 |
//! | `{peers:T}` `{others:T}` | the template T for every node, or for all but this one, joined with `,` |
//! | `{peers' ':T}` | the same, joined with what stands between the quotes |
//! | `{...peers:T}` | as a whole argument of a command: one argument for each node |
//! | `{{` `}}` | a brace |
//!
//! `{peers:{name}=http://{ip}:{peer_port}}` is what etcd's `--initial-cluster` wants.

use std::collections::BTreeMap;
use std::path::Path;

use squall_fault::node_name;

/// Where a node is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// A numeric address, or a name that resolves.
    pub ip: String,
    /// By their names in `[ports]`.
    pub ports: BTreeMap<String, u16>,
}

impl Member {
    /// `ip:port` of a port of this name, if it has one.
    pub fn address(&self, port: &str) -> Option<String> {
        Some(format!("{}:{}", self.ip, self.ports.get(port)?))
    }
}

/// What a template is filled in with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) members: &'a [Member],
    /// The node, from 0.
    pub(crate) index: usize,
    pub(crate) dir: &'a Path,
    pub(crate) here: &'a Path,
}

/// A text with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Word {
        word: Word,
        /// Of another node, from 1.
        of: Option<usize>,
    },
    Each(Each),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Id,
    Index,
    Name,
    Ip,
    Port(String),
    Dir,
    Here,
    Nodes,
    Majority,
}

/// A template for several nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Each {
    skips_own: bool,
    separator: String,
    template: Template,
}

const WORDS: &str = "`id`, `index`, `name`, `ip`, `port`, `peer_port`, `port.NAME`, `dir`, \
                     `here`, `nodes`, `majority`, `peers:…`, `others:…`";

impl Template {
    /// Reads a template whose ports are among these.
    pub(crate) fn parse(text: &str, ports: &BTreeMap<String, u16>) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut plain = String::new();
        while let Some(at) = rest.find(['{', '}']) {
            plain += &rest[..at];
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain += brace;
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err("`}` closes nothing; a brace of its own is written `}}`".into());
            }
            let end = closing(rest).ok_or("`{` is not closed; a brace of its own is `{{`")?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::parse(&rest[..end], ports)?);
            rest = &rest[end + 1..];
        }
        plain += rest;
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Filled in for a node.
    pub(crate) fn fill(&self, place: Place) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text += plain,
                Piece::Word { word, of } => text += &word.fill(place.of(*of)?)?,
                Piece::Each(each) => text += &each.fill(place)?.join(&each.separator),
            }
        }
        Ok(text)
    }
}

/// An argument of a command, which may stand for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argument {
    One(Template),
    EachNode(Box<ArgumentOfEach>),
}

/// `{...peers:T}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgumentOfEach(Each);

impl Argument {
    pub(crate) fn parse(text: &str, ports: &BTreeMap<String, u16>) -> Result<Self, String> {
        let inner = text.strip_prefix("{...").and_then(|t| t.strip_suffix('}'));
        let Some(inner) = inner.filter(|inner| closing(&format!("{inner}}}")) == Some(inner.len()))
        else {
            return Template::parse(text, ports).map(Argument::One);
        };
        match Piece::parse(inner, ports)? {
            Piece::Each(each) => Ok(Argument::EachNode(Box::new(ArgumentOfEach(each)))),
            _ => Err(format!(
                "`{{...{inner}}}`: only `peers:…` and `others:…` are several"
            )),
        }
    }

    pub(crate) fn fill(&self, place: Place) -> Result<Vec<String>, String> {
        match self {
            Argument::One(template) => Ok(vec![template.fill(place)?]),
            Argument::EachNode(each) => each.0.fill(place),
        }
    }
}

/// Where the brace closes that was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

impl Piece {
    fn parse(text: &str, ports: &BTreeMap<String, u16>) -> Result<Self, String> {
        for (name, skips_own) in [("peers", false), ("others", true)] {
            let Some(rest) = text.strip_prefix(name) else {
                continue;
            };
            let quoted = rest
                .strip_prefix('\'')
                .and_then(|rest| rest.split_once("':"));
            let Some((separator, template)) =
                quoted.or_else(|| rest.strip_prefix(':').map(|template| (",", template)))
            else {
                return Err(format!(
                    "`{{{text}}}`: a template follows, as in `{{{name}:{{ip}}}}`"
                ));
            };
            return Ok(Piece::Each(Each {
                skips_own,
                separator: separator.to_owned(),
                template: Template::parse(template, ports)?,
            }));
        }
        let (name, of) = match text.split_once(' ') {
            None => (text, None),
            Some((name, number)) => match number.trim().parse() {
                Ok(number @ 1..) => (name, Some(number)),
                _ => return Err(format!("`{{{text}}}`: nodes are counted from 1")),
            },
        };
        let port = match name {
            "port" => Some("client"),
            "peer_port" => Some("peer"),
            _ => name.strip_prefix("port."),
        };
        let word = match (name, port) {
            (_, Some(port)) if ports.contains_key(port) => Word::Port(port.to_owned()),
            (_, Some(port)) => {
                return Err(format!("`{{{text}}}`: [ports] has no `{port}`"));
            }
            ("id", _) => Word::Id,
            ("index", _) => Word::Index,
            ("name", _) => Word::Name,
            ("ip", _) => Word::Ip,
            ("dir", _) => Word::Dir,
            ("here", _) => Word::Here,
            ("nodes", _) => Word::Nodes,
            ("majority", _) => Word::Majority,
            _ => return Err(format!("`{{{text}}}` is unknown, expected one of {WORDS}")),
        };
        Ok(Piece::Word { word, of })
    }
}

impl<'a> Place<'a> {
    /// The place of the node of this number from 1.
    fn of(self, number: Option<usize>) -> Result<Place<'a>, String> {
        match number {
            None => Ok(self),
            Some(number) if number <= self.members.len() => Ok(Place {
                index: number - 1,
                ..self
            }),
            Some(number) => Err(format!(
                "there is no node {number}: the cluster has {}",
                self.members.len()
            )),
        }
    }
}

impl Word {
    fn fill(&self, place: Place) -> Result<String, String> {
        let member = &place.members[place.index];
        Ok(match self {
            Word::Id => (place.index + 1).to_string(),
            Word::Index => place.index.to_string(),
            Word::Name => node_name(place.index),
            Word::Ip => member.ip.clone(),
            Word::Port(name) => match member.ports.get(name) {
                Some(port) => port.to_string(),
                None => return Err(format!("node {} has no port {name}", place.index + 1)),
            },
            Word::Dir => place.dir.display().to_string(),
            Word::Here => place.here.display().to_string(),
            Word::Nodes => place.members.len().to_string(),
            Word::Majority => (place.members.len() / 2 + 1).to_string(),
        })
    }
}

impl Each {
    fn fill(&self, place: Place) -> Result<Vec<String>, String> {
        let nodes =
            (0..place.members.len()).filter(|index| !self.skips_own || *index != place.index);
        nodes
            .map(|index| self.template.fill(Place { index, ..place }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> BTreeMap<String, u16> {
        [("client", 7), ("peer", 8)]
            .map(|(name, port)| (name.to_owned(), port))
            .into()
    }

    fn members() -> Vec<Member> {
        let member = |number| Member {
            ip: format!("10.0.0.{number}"),
            ports: ports(),
        };
        (1..=3).map(member).collect()
    }

    fn filled(text: &str) -> Result<Vec<String>, String> {
        let members = members();
        Argument::parse(text, &ports())?.fill(Place {
            members: &members,
            index: 1,
            dir: Path::new("/d"),
            here: Path::new("/h"),
        })
    }

    #[test]
    fn places_are_filled_in_for_the_node_and_for_others() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{id} {index} {name} {ip}:{port}", "2 1 node-2 10.0.0.2:7"),
            ("{ip 1}:{peer_port 1}", "10.0.0.1:8"),
            ("{dir}/x {here} {nodes}/{majority}", "/d/x /h 3/2"),
            ("{{\"a\": {id}}}", "{\"a\": 2}"),
            (
                "{peers:{name}={ip}}",
                "node-1=10.0.0.1,node-2=10.0.0.2,node-3=10.0.0.3",
            ),
            ("[{others'; ':{port.client}@{id}}]", "[7@1; 7@3]"),
        ] {
            assert_eq!(filled(text), Ok(vec![expected.to_owned()]), "{text}");
        }
        let each = filled("{...others:{ip}:{port}}").map(|each| each.join(" "));
        assert_eq!(each, Ok("10.0.0.1:7 10.0.0.3:7".into()));
    }

    #[test]
    fn mistakes_are_refused_with_the_way_out() {
        for (text, expected) in [
            ("{ipp}", "`{ipp}` is unknown, expected one of `id`"),
            ("{port.gossip}", "[ports] has no `gossip`"),
            ("{ip 0}", "counted from 1"),
            ("{ip 4}", "there is no node 4: the cluster has 3"),
            ("{peers}", "a template follows"),
            ("{id", "is not closed"),
            ("id}", "closes nothing"),
            ("{...id}", "only `peers:…`"),
        ] {
            let why = filled(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
