//! Clients against real servers, on loopback addresses of their own. What is not installed is
//! skipped, with its reason.

mod end_to_end;
mod etcd;
mod program;
mod redis;
mod servers;
