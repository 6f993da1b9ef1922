//! The page, its stream and the metrics over HTTP, on a thread of their own.
//!
//! | path | what |
//! |---|---|
//! | `/` | the page; once the run is over, the report |
//! | `/events` | server-sent events: all that there is, then what is new |
//! | `/report` | the report, once there is one |
//! | `/metrics` | figures for Prometheus |
//!
//! Strangers are kept out: off the loopback every request needs a token. On it, a `Host` that
//! is a name other than `localhost` is refused, which a page from elsewhere would have to use
//! to read this one by DNS rebinding, and so is what a browser says that such a page has it
//! load. Connections, headers and the time for them are bounded.
//!
//! Sources: "Server-sent events" in the HTML standard; "Fetch Metadata Request Headers" (W3C).

mod guard;

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either as Won, select};
use futures_util::stream::{Stream, unfold};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::board::{Board, Cursor};
use crate::metrics;
pub use guard::Guard;

/// Connections at a time; more are closed at once.
const MOST_CONNECTIONS: usize = 64;
/// Streams at a time; more are refused.
const MOST_STREAMS: usize = 32;
/// For the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const HEAD_BYTES: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// A stream without news says so now and then, to find out whether anybody reads it.
const SILENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether all readers have their report.
const LOOK: Duration = Duration::from_millis(10);

/// The dashboard, while it runs.
const PAGE: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<style>\n",
    include_str!("page.css"),
    "</style>\n",
    include_str!("page.html"),
    "<script>\n",
    include_str!("page.js"),
    "</script>\n</body>\n</html>\n"
);

/// Headers of every answer. Page and report are one file each, and load nothing.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // The token may be in the address.
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
];

type Events = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>;
type Answer = Response<Either<Full<Bytes>, StreamBody<Events>>>;

/// Who reads, across threads.
#[derive(Debug, Default)]
struct Readers {
    streams: AtomicUsize,
    /// Streams that announced the report to their readers.
    announced: AtomicU64,
    /// Reports that were read.
    read: AtomicU64,
}

/// Serves a board until it is dropped.
pub struct Server {
    address: SocketAddr,
    token: Option<String>,
    readers: Arc<Readers>,
    _stop: watch::Sender<()>,
}

impl Server {
    /// Listens on `address`; port 0 is any that is free. `token` is what every request must
    /// bring, and may be `None` on the loopback alone.
    ///
    /// # Errors
    /// The address cannot be had, or is off the loopback and there is no token.
    pub fn start(address: SocketAddr, token: Option<String>, board: &Board) -> io::Result<Self> {
        if token.is_none() && !address.ip().is_loopback() {
            let why = "a dashboard off the loopback needs a token";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let readers = Arc::new(Readers::default());
        let (stop, stopped) = watch::channel(());
        let site = Site {
            board: board.clone(),
            guard: Guard::new(token.clone()),
            readers: readers.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("dashboard".into())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, accept(listener, Rc::new(site), stopped));
            })?;
        Ok(Self {
            address,
            token,
            readers,
            _stop: stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a browser opens.
    pub fn url(&self) -> String {
        match &self.token {
            None => format!("http://{}/", self.address),
            Some(token) => format!("http://{}/?token={token}", self.address),
        }
    }

    /// Whether a page is open.
    pub fn is_watched(&self) -> bool {
        self.readers.streams.load(Ordering::SeqCst) > 0
    }

    /// Once the board has its report: waits until every page that was open has read it, for
    /// `patience` at most.
    #[allow(clippy::disallowed_methods)] // people read in the machine's time
    pub fn see_out(&self, patience: Duration) {
        let begun = Instant::now();
        let is_done = || {
            let announced = self.readers.announced.load(Ordering::SeqCst);
            let open = self.readers.streams.load(Ordering::SeqCst);
            open == 0 && self.readers.read.load(Ordering::SeqCst) >= announced
        };
        while !is_done() && begun.elapsed() < patience {
            thread::sleep(LOOK);
        }
    }
}

/// What connections share.
struct Site {
    board: Board,
    guard: Guard,
    readers: Arc<Readers>,
}

async fn accept(listener: std::net::TcpListener, site: Rc<Site>, mut stopped: watch::Receiver<()>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    loop {
        let accepted = std::pin::pin!(listener.accept());
        let stop = std::pin::pin!(stopped.changed());
        let stream = match select(accepted, stop).await {
            Won::Left((Ok((stream, _)), _)) => stream,
            // Too many open files, say: others may close theirs.
            Won::Left((Err(_), _)) => {
                rest().await;
                continue;
            }
            Won::Right(_) => return,
        };
        while connections.try_join_next().is_some() {}
        if connections.len() < MOST_CONNECTIONS {
            connections.spawn_local(serve(stream, site.clone()));
        }
    }
}

#[allow(clippy::disallowed_methods)] // this thread serves people, in the machine's time
async fn rest() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn serve(stream: TcpStream, site: Rc<Site>) {
    let gave_report = Cell::new(false);
    let service = service_fn(|request| {
        let answer = site.answer(&request, &gave_report);
        async move { Ok::<_, Infallible>(answer) }
    });
    // What goes wrong is the other end's.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(MOST_HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // All of it is with the kernel: a connection that gave the report is closed after it.
    if gave_report.get() {
        site.readers.read.fetch_add(1, Ordering::SeqCst);
    }
}

impl Site {
    fn answer(&self, request: &Request<Incoming>, gave_report: &Cell<bool>) -> Answer {
        if let Err((status, why)) = self.guard.check(request) {
            return plain(status, why);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
        }
        match (request.uri().path(), self.board.report()) {
            ("/", None) => answer(StatusCode::OK, "text/html; charset=utf-8", PAGE.into()),
            ("/" | "/report", Some(report)) => {
                gave_report.set(true);
                let text = Bytes::from(report.to_string());
                let mut answer = answer(StatusCode::OK, "text/html; charset=utf-8", text);
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
                answer
            }
            ("/report", None) => plain(StatusCode::NOT_FOUND, "the run has not ended yet\n"),
            ("/events", _) => self.events(),
            ("/metrics", _) => {
                let text = metrics::text(&self.board.metrics());
                answer(StatusCode::OK, metrics::CONTENT_TYPE, text.into())
            }
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are /, /events, /report and /metrics\n",
            ),
        }
    }

    fn events(&self) -> Answer {
        if self.readers.streams.load(Ordering::SeqCst) >= MOST_STREAMS {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many watch already\n");
        }
        let news = News {
            changes: self.board.changes(),
            board: self.board.clone(),
            cursor: Cursor::default(),
            reader: Reader::new(&self.readers),
            is_first: true,
            is_over: false,
        };
        let events: Events = Box::pin(unfold(news, News::next));
        let mut answer = Response::new(Either::Right(StreamBody::new(events)));
        dress(&mut answer, "text/event-stream");
        answer
    }
}

/// A stream that is open, as long as this lives.
struct Reader(Arc<Readers>);

impl Reader {
    fn new(readers: &Arc<Readers>) -> Self {
        readers.streams.fetch_add(1, Ordering::SeqCst);
        Self(readers.clone())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one stream has sent.
struct News {
    board: Board,
    changes: watch::Receiver<u64>,
    cursor: Cursor,
    reader: Reader,
    is_first: bool,
    is_over: bool,
}

impl News {
    /// The next message, when there is one; none after the one that says that the run is over.
    #[allow(clippy::disallowed_methods)] // this thread serves people, in the machine's time
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        if self.is_over {
            return None;
        }
        if !std::mem::take(&mut self.is_first) {
            match tokio::time::timeout(SILENCE, self.changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some((Ok(Frame::data(Bytes::from_static(b":\n\n"))), self)),
            }
        }
        self.changes.mark_unchanged();
        let (message, is_over) = self.board.news(&mut self.cursor);
        if is_over {
            self.is_over = true;
            self.reader.0.announced.fetch_add(1, Ordering::SeqCst);
        }
        let event = Bytes::from(format!("data: {message}\n\n"));
        Some((Ok(Frame::data(event)), self))
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    answer(status, "text/plain; charset=utf-8", text.into())
}

fn answer(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body)));
    *answer.status_mut() = status;
    dress(&mut answer, media_type);
    answer
}

fn dress(answer: &mut Answer, media_type: &'static str) {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
