//! Lists what is wrong with bytes that are no RESP.

use super::limits::MAX_REQUEST_BYTES;

/// The peer does not speak RESP, or announced too much. The text is to be sent as an
/// error, and the connection to be closed: where the next command starts is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("ERR Protocol error: too big mbulk count string")]
    LongArrayHeader,
    #[error("ERR Protocol error: invalid multibulk length")]
    ArrayLength,
    #[error("ERR Protocol error: expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
    #[error("ERR Protocol error: too big bulk count string")]
    LongBulkHeader,
    #[error("ERR Protocol error: invalid bulk length")]
    BulkLength,
    #[error("ERR Protocol error: expected CRLF after bulk string")]
    BulkEnd,
    #[error("ERR Protocol error: request exceeds the limit of {MAX_REQUEST_BYTES} bytes")]
    RequestTooBig,
    #[error("ERR Protocol error: too big inline request")]
    InlineTooBig,
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
