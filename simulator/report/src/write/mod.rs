//! Writers of the parts of a document, one for each form. Pages have theirs in
//! [`crate::html::page`].

pub mod csv;
pub mod junit;
pub mod markdown;
pub mod summary;
pub mod text;
