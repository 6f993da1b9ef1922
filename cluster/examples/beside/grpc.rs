//! A connection that speaks gRPC, to etcd: HTTP/2 by `h2`, and messages by hand.

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use tokio::net::TcpStream;

use crate::protobuf;

const PUT: &str = "/etcdserverpb.KV/Put";
const RANGE: &str = "/etcdserverpb.KV/Range";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

pub struct Grpc {
    requests: SendRequest<Bytes>,
    address: String,
}

/// What a member says of itself.
pub struct Status {
    pub member: u64,
    /// 0: nobody.
    pub leader: u64,
}

impl Grpc {
    pub async fn open(stream: TcpStream, address: &str) -> Result<Self, String> {
        let shaken = h2::client::handshake(stream).await;
        let (requests, connection) = shaken.map_err(|e| e.to_string())?;
        tokio::task::spawn_local(async move {
            // A request says so if it ends badly.
            let _ = connection.await;
        });
        let address = address.to_owned();
        Ok(Self { requests, address })
    }

    pub async fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let mut message = Vec::with_capacity(key.len() + value.len() + 8);
        protobuf::bytes(&mut message, 1, key);
        protobuf::bytes(&mut message, 2, value);
        self.ask(PUT, &message).await.map(drop)
    }

    /// Linearizable, which is etcd's default.
    pub async fn get(&mut self, key: &[u8]) -> Result<Bytes, String> {
        let mut message = Vec::with_capacity(key.len() + 4);
        protobuf::bytes(&mut message, 1, key);
        let answer = self.ask(RANGE, &message).await?;
        let pair = protobuf::bytes_of(&answer, 2);
        Ok(answer.slice_ref(protobuf::bytes_of(pair, 5)))
    }

    pub async fn status(&mut self) -> Result<Status, String> {
        let answer = self.ask(STATUS, &[]).await?;
        let header = protobuf::bytes_of(&answer, 1);
        Ok(Status {
            member: protobuf::number_of(header, 2),
            leader: protobuf::number_of(&answer, 4),
        })
    }

    /// One call with one message, and the message that answers it.
    async fn ask(&mut self, path: &'static str, message: &[u8]) -> Result<Bytes, String> {
        let failed = |e: h2::Error| format!("{path}: {e}");
        let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        frame.put_u8(0);
        frame.put_u32(message.len() as u32);
        frame.put_slice(message);

        let mut requests = self.requests.clone().ready().await.map_err(failed)?;
        let request = self.request(path)?;
        let (answer, mut body) = requests.send_request(request, false).map_err(failed)?;
        body.send_data(frame.freeze(), true).map_err(failed)?;
        let (head, mut body) = answer.await.map_err(failed)?.into_parts();
        if head.status != StatusCode::OK {
            return Err(format!("{path}: HTTP status {}", head.status));
        }
        let mut received = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(failed)?;
            let released = body.flow_control().release_capacity(data.len());
            released.map_err(failed)?;
            received.extend_from_slice(&data);
        }
        // An answer without a message has its status in the head.
        let trailers = body.trailers().await.map_err(failed)?;
        must_be_ok(path, trailers.as_ref().unwrap_or(&head.headers))?;
        message_of(received.freeze()).ok_or_else(|| format!("{path}: no whole message"))
    }

    fn request(&self, path: &'static str) -> Result<Request<()>, String> {
        let uri = Uri::builder().scheme("http").authority(&*self.address);
        let uri = uri.path_and_query(path).build();
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri.map_err(|e| e.to_string())?)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        request.body(()).map_err(|e| e.to_string())
    }
}

fn must_be_ok(path: &str, headers: &HeaderMap) -> Result<(), String> {
    match headers.get("grpc-status") {
        Some(status) if status == "0" => Ok(()),
        status => {
            let why = headers.get("grpc-message");
            Err(format!("{path}: status {status:?}, {why:?}"))
        }
    }
}

fn message_of(received: Bytes) -> Option<Bytes> {
    let prefix = received.first_chunk::<PREFIX_BYTES>()?;
    let [is_compressed, length @ ..] = *prefix;
    let message = received.slice(PREFIX_BYTES..);
    let is_whole = message.len() == u32::from_be_bytes(length) as usize;
    (is_compressed == 0 && is_whole).then_some(message)
}
