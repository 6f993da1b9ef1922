//! One key that holds a string: get, put, append.
//!
//! The string of every state is a node of a tree of all strings met so far, a letter an
//! edge. Two strings are equal exactly if their nodes are, so states are numbers, and a long
//! string that grows by appends takes memory once, not once for every state.
//!
//! Left out: deletes; put the empty string.

use std::cell::RefCell;

use indexmap::IndexMap;

use super::super::Specification;
use super::Symbol;

/// One key, empty at first, and the texts that its calls name.
#[derive(Debug, Default)]
pub struct Kv {
    texts: Vec<Box<str>>,
    tree: RefCell<IndexMap<(u32, u8), u32>>,
    /// Nodes of the texts themselves, once they are known.
    nodes: RefCell<Vec<Option<u32>>>,
}

/// Texts are named by their places in the list that [`Kv::new`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvCall {
    /// With the answer.
    Get(Symbol),
    Put(Symbol),
    Append(Symbol),
}

/// The empty string's node.
const ROOT: u32 = 0;

/// What the tree takes for a letter, roughly.
const LETTER_BYTES: usize = 32;

impl Kv {
    /// From all texts that the calls name, each once.
    pub fn new(texts: Vec<Box<str>>) -> Self {
        Self {
            nodes: RefCell::new(vec![None; texts.len()]),
            texts,
            tree: RefCell::default(),
        }
    }

    fn node(&self, text: Symbol) -> u32 {
        let known = self.nodes.borrow()[text as usize];
        known.unwrap_or_else(|| {
            let node = self.append(ROOT, self.text(text));
            self.nodes.borrow_mut()[text as usize] = Some(node);
            node
        })
    }

    fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol as usize]
    }

    /// The node of the text that `appended` makes of `node`'s.
    fn append(&self, node: u32, appended: &str) -> u32 {
        let mut tree = self.tree.borrow_mut();
        appended.bytes().fold(node, |node, letter| {
            let fresh = u32::try_from(tree.len() + 1).expect("the bound on memory is far below");
            *tree.entry((node, letter)).or_insert(fresh)
        })
    }
}

impl Specification for Kv {
    type Operation = KvCall;
    type State = u32;

    fn initial(&self) -> u32 {
        ROOT
    }

    fn apply(&self, state: &u32, call: &KvCall) -> Option<u32> {
        match *call {
            KvCall::Get(text) => {
                let node = self.node(text);
                (node == *state).then_some(node)
            }
            KvCall::Put(text) => Some(self.node(text)),
            KvCall::Append(text) => Some(self.append(*state, self.text(text))),
        }
    }

    fn is_read(&self, call: &KvCall) -> bool {
        matches!(call, KvCall::Get(_))
    }

    fn bytes(&self) -> usize {
        self.tree.borrow().len() * LETTER_BYTES
    }

    fn cost(&self, _state: &u32, call: &KvCall) -> u64 {
        match *call {
            KvCall::Get(_) | KvCall::Put(_) => 1,
            KvCall::Append(text) => 1 + self.text(text).len() as u64 / 16,
        }
    }
}
