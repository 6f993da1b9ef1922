//! A client of any of the systems, with a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::grpc::Grpc;
use crate::resp::Resp;
use crate::servers::System;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

pub enum Client {
    Resp(Resp),
    Grpc(Grpc),
}

impl Client {
    pub async fn open(system: System, address: &str) -> Result<Self, String> {
        let opening = async {
            let connected = TcpStream::connect(address).await;
            let stream = connected.map_err(|e| e.to_string())?;
            stream.set_nodelay(true).map_err(|e| e.to_string())?;
            Ok(match system {
                System::Squall | System::Redis => Self::Resp(Resp::open(stream).await),
                System::Etcd => Self::Grpc(Grpc::open(stream, address).await?),
            })
        };
        let opened = timeout(CONNECT_LIMIT, opening).await;
        opened.unwrap_or_else(|_| Err("no connection in time".into()))
    }

    /// Writes them all: in one pipeline, or one after another where there is none.
    pub async fn put(&mut self, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<(), String> {
        match self {
            Self::Resp(resp) => resp.put(pairs).await,
            Self::Grpc(grpc) => {
                for (key, value) in pairs {
                    grpc.put(key, value).await?;
                }
                Ok(())
            }
        }
    }

    /// A linearizable read; empty if nothing is there.
    pub async fn get(&mut self, key: &[u8]) -> Result<Bytes, String> {
        match self {
            Self::Resp(resp) => resp.get(key).await,
            Self::Grpc(grpc) => grpc.get(key).await,
        }
    }
}
