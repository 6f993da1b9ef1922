//! A document as a page: what needs no layout of its own.

use maud::html;

use super::page::{Graphs, blocks, page, section};
use crate::document::Document;

/// What stands at the top of a page, around its title.
#[derive(Debug, Clone)]
pub struct Header {
    /// Above the title: what the page is about.
    pub eyebrow: String,
    /// Class (`good`, `bad`, `doubtful`), word and reason of a verdict, if there is one. The
    /// document's lead then begins with the same, which the page does not repeat.
    pub verdict: Option<(&'static str, &'static str, String)>,
}

/// The document as one page. `graphs` are those that it has drawn, for the script.
pub fn document_page(
    document: &Document,
    header: &Header,
    graphs: &[Graphs<'_>],
    footer: &str,
) -> String {
    let lead = match header.verdict {
        Some(_) => document.lead.get(1..).unwrap_or_default(),
        None => &document.lead,
    };
    let body = html! {
        header {
            p.eyebrow { (header.eyebrow) }
            h1 { (document.title) }
            @if let Some((class, word, reason)) = &header.verdict {
                p.verdict { strong class=(class) { (word) } " " (reason) }
            }
            (blocks(lead))
        }
        @for shown in &document.sections { (section(shown)) }
    };
    page(document.title.trim_end_matches('.'), &body, graphs, footer)
}
