//! Of a read that was answered by lease while another node led: that the lease had been given
//! up, or that a promise on which it rests was broken.

use squall_cluster::raft::overhear::PeerMessage;

use super::case::Case;
use super::sentence::Sentence;
use crate::backends::trace::{Content, Message, time};
use crate::report;

pub(super) fn sentences(
    case: &Case,
    node: &str,
    call: &Message,
    answer: &Message,
) -> Vec<Sentence> {
    let by_lease =
        matches!(&call.content, Content::Call { command } if command.starts_with("READ LEASE"));
    let latest = case.latest_leader(answer.sent_us);
    let Some(latest) = latest.filter(|latest| by_lease && latest.node != node) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    sentences.extend(handed_over(case, node, answer));
    sentences.extend(broken_promise(case, node, latest.term));
    sentences
}

/// That the node had handed leadership over before it answered.
fn handed_over(case: &Case, node: &str, answer: &Message) -> Option<Sentence> {
    let mut messages = case.trace.traced.messages.iter();
    let handed = messages.rfind(|message| {
        message.content.name() == "transfer"
            && message.from.node().as_deref() == Some(node)
            && message.sent_us <= answer.sent_us
    })?;
    Some(Sentence::new(
        format!(
            "{node} had handed leadership over to {} at {}, {} before it answered: with that its \
             lease was over.",
            handed.to,
            time(handed.sent_us),
            report::duration((answer.sent_us - handed.sent_us) as u64)
        ),
        vec![case.line_of(handed), case.line_of(answer)],
    ))
}

/// That a voter helped the next leader within the time for which it had promised not to.
fn broken_promise(case: &Case, node: &str, term: u64) -> Option<Sentence> {
    let promise_us = case.cluster.promise.as_micros() as i64;
    let messages = &case.trace.traced.messages;
    let votes = messages.iter().filter(|message| {
        matches!(
            &message.content,
            Content::Peer(PeerMessage::Vote { term: asked, pre_vote: false, transfer: false, .. })
                if *asked == term
        )
    });
    let mut granted = votes.filter_map(|vote| {
        let grant = case.answer_to(vote.number)?;
        (grant.content.name() == "vote-granted").then_some((vote, grant))
    });
    granted.find_map(|(vote, grant)| {
        let last = messages.iter().rfind(|message| {
            let is_promise = matches!(
                &message.content,
                Content::Peer(PeerMessage::Append {
                    promising: true,
                    ..
                })
            );
            is_promise
                && message.from.node().as_deref() == Some(node)
                && message.to == vote.to
                && message
                    .read_us()
                    .is_some_and(|at_us| at_us <= grant.sent_us)
        })?;
        let after_us = grant.sent_us - last.read_us()?;
        (after_us < promise_us).then(|| {
            Sentence::new(
                format!(
                    "{} gave its vote for term {term} {} after it had heard from {node}, which \
                     relied on its promise to help nobody else for {}.",
                    vote.to,
                    report::duration(after_us as u64),
                    report::duration(promise_us as u64)
                ),
                vec![case.line_of(last), case.line_of(vote), case.line_of(grant)],
            )
        })
    })
}
