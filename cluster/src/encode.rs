//! Encoding plain data as postcard: into a buffer of about the right size, or into nothing
//! but a hash.
//!
//! postcard's own growable flavour appends byte by byte through an iterator; messages and log
//! entries are encoded all the time.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

struct Growing(Vec<u8>);

impl Flavor for Growing {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Appends `value` to `bytes`.
///
/// # Errors
/// Only those of the value's own `Serialize`.
pub(crate) fn append<T: Serialize + ?Sized>(
    bytes: Vec<u8>,
    value: &T,
) -> postcard::Result<Vec<u8>> {
    postcard::serialize_with_flavor(value, Growing(bytes))
}

/// Encodes plain data, most of which takes fewer than `usual_bytes`.
pub(crate) fn plain<T: Serialize + ?Sized>(value: &T, usual_bytes: usize) -> Vec<u8> {
    append(Vec::with_capacity(usual_bytes), value).expect("plain data encodes")
}

/// Bytes that are gathered before they are hashed.
const GATHERED_BYTES: usize = 256;

/// Hashes what it is given, and keeps none of it.
struct Hashing {
    hasher: Xxh3,
    gathered: [u8; GATHERED_BYTES],
    filled: usize,
}

impl Hashing {
    fn flush(&mut self) {
        self.hasher.update(&self.gathered[..self.filled]);
        self.filled = 0;
    }
}

impl Flavor for Hashing {
    type Output = u64;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.filled == GATHERED_BYTES {
            self.flush();
        }
        self.gathered[self.filled] = byte;
        self.filled += 1;
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > GATHERED_BYTES - self.filled {
            self.flush();
        }
        if bytes.len() > GATHERED_BYTES {
            self.hasher.update(bytes);
        } else {
            self.gathered[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
            self.filled += bytes.len();
        }
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<u64> {
        self.flush();
        Ok(self.hasher.digest())
    }
}

/// The xxh3 hash, with `seed`, of what [`plain`] would encode.
pub(crate) fn hash<T: Serialize + ?Sized>(value: &T, seed: u64) -> u64 {
    let hashing = Hashing {
        hasher: Xxh3::with_seed(seed),
        gathered: [0; GATHERED_BYTES],
        filled: 0,
    };
    postcard::serialize_with_flavor(value, hashing).expect("plain data encodes")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use xxhash_rust::xxh3::xxh3_64_with_seed;

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_encoded_bytes() {
        for bytes in [0, 1, 100, 250, 256, 257, 5_000] {
            for items in 0..4 {
                let large = Bytes::from(vec![7; bytes]);
                let value = (vec![(9_u64, large); items], "text", items as u32);
                let encoded = xxh3_64_with_seed(&plain(&value, 0), 42);
                assert_eq!(hash(&value, 42), encoded, "{items} items of {bytes} bytes");
            }
        }
    }
}
