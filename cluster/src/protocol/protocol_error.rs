//! Lists what is wrong with bytes that are no RESP.

use super::limits::MAX_REQUEST_BYTES;

/// The peer does not speak RESP, or announced too much. The text is to be sent as an
/// error, and the connection to be closed: where the next command starts is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The count of an array is longer than any number that is allowed.
    #[error("ERR Protocol error: too big mbulk count string")]
    LongArrayHeader,
    /// The count of an array is no number, or too large.
    #[error("ERR Protocol error: invalid multibulk length")]
    ArrayLength,
    /// A command's argument begins with this byte, not with `$`.
    #[error("ERR Protocol error: expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
    /// The length of a string is longer than any number that is allowed.
    #[error("ERR Protocol error: too big bulk count string")]
    LongBulkHeader,
    /// The length of a string is no number, or too large.
    #[error("ERR Protocol error: invalid bulk length")]
    BulkLength,
    /// A string is longer than was announced.
    #[error("ERR Protocol error: expected CRLF after bulk string")]
    BulkEnd,
    /// The parts together are too large, each by itself allowed.
    #[error("ERR Protocol error: request exceeds the limit of {MAX_REQUEST_BYTES} bytes")]
    RequestTooBig,
    /// A line without arrays is too long, or does not end.
    #[error("ERR Protocol error: too big inline request")]
    InlineTooBig,
    /// A line without arrays has a quote that is not closed.
    #[error("ERR Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A web page made a browser talk to this port, or somebody took it for a web server.
    #[error(
        "ERR Protocol error: this is no web server, and `POST` and `Host:` close the connection"
    )]
    Http,
    /// Only for replies: not a frame, or a frame beyond the limits.
    #[error("ERR Protocol error: malformed reply")]
    MalformedReply,
}
