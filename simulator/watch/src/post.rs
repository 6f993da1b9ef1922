//! One POST over plain HTTP, on a connection of its own.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Posts a body once, and waits for the answer for no longer than `deadline`; why it was not
/// taken, in words.
#[allow(clippy::disallowed_methods)] // a receiver answers in the machine's time
pub(crate) fn post(
    address: &str,
    body: Vec<u8>,
    content_type: &str,
    more: &[(&str, &str)],
    deadline: Duration,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("no event loop: {e}"))?;
    let posted = runtime.block_on(async {
        let sent = send(address, body, content_type, more);
        match tokio::time::timeout(deadline, sent).await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(format!("answered {status}")),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {deadline:?}")),
        }
    });
    // A name that is still looked up, on a thread of its own, is not waited for.
    runtime.shutdown_background();
    posted
}

async fn send(
    address: &str,
    body: Vec<u8>,
    content_type: &str,
    more: &[(&str, &str)],
) -> Result<StatusCode, String> {
    let uri: Uri = address.parse().map_err(|e| format!("no address: {e}"))?;
    let authority = uri.authority().ok_or("no address: it names no host")?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|e| format!("cannot connect to {host} port {port}: {e}"))?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|e| e.to_string())?;
    let mut request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, content_type)
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("squall/", env!("CARGO_PKG_VERSION")));
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body)));
    let request = request.map_err(|e| format!("no address: {e}"))?;
    let answered = pin!(sender.send_request(request));
    let answer = match select(answered, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // It has ended, so there is an answer or there is none.
        Either::Right((_, answered)) => answered.await,
    };
    Ok(answer.map_err(|e| format!("no answer: {e}"))?.status())
}
