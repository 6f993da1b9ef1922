//! Which node answered the operations that the first broken check shows, as data for the page.

use super::Explanation;
use super::case::Case;
use crate::backends::Role;

/// Why a run failed, as a page tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// Of the operations that the first broken check shows, in order of time.
    pub answers: Vec<Answered>,
    /// What nodes left out or did wrong, in sentences.
    pub steps: Vec<String>,
}

/// Who answered an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// As in the history.
    pub op: u64,
    /// Who answered.
    pub node: String,
    /// The node's role and term when it answered, as it had said last.
    pub part: Option<(Role, u64)>,
    /// The number of the message from which the client learnt the outcome.
    pub message: u64,
    /// When that was sent; microseconds.
    pub at_us: i64,
    /// Another node that led a later term by then.
    pub later: Option<LaterLeader>,
}

/// A leader that came after the one that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaterLeader {
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// Raft's; above that of the node that answered.
    pub term: u64,
    /// When it had begun to lead; microseconds.
    pub since_us: i64,
}

pub(super) fn story(case: &Case, explanation: &Explanation) -> Story {
    let sentences = explanation.chapters.iter();
    let sentences = sentences.flat_map(|chapter| &chapter.sentences);
    let steps = sentences.filter(|sentence| sentence.names_step);
    Story {
        answers: answers(case),
        steps: steps.map(|sentence| sentence.text.clone()).collect(),
    }
}

fn answers(case: &Case) -> Vec<Answered> {
    let answered = case.operations.iter().filter_map(|operation| {
        let (_, answer) = case.exchange(operation)?;
        let node = answer.from.node()?;
        let part = case.role_at(&node, answer.sent_us);
        let own_term = part.map_or(0, |part| part.term);
        let later = case.latest_leader(answer.sent_us);
        let later = later.filter(|later| later.node != node && later.term > own_term);
        Some(Answered {
            op: operation.op,
            part: part.map(|part| (part.role, part.term)),
            message: answer.number,
            at_us: answer.sent_us,
            later: later.map(|later| LaterLeader {
                node: later.node.to_owned(),
                term: later.term,
                since_us: later.from_us as i64,
            }),
            node,
        })
    });
    answered.collect()
}
