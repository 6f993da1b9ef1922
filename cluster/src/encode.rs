//! Encoding plain data as postcard into a buffer of about the right size.
//!
//! postcard's own growable flavour appends byte by byte through an iterator; messages and log
//! entries are encoded all the time.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

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
