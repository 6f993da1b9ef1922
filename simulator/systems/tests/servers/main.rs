//! Clients against real servers, on loopback addresses of their own. What is not installed is
//! skipped, with its reason.

mod end_to_end;
mod etcd;
mod nats;
mod program;
mod queues;
mod redis;
mod servers;
