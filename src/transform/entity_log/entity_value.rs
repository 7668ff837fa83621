//! The value of a sorted pair: the URN of an entity, and bytes about it.

use std::io;

use crate::metadata::Urn;

/// Joins a URN and the bytes behind it.
pub(in crate::transform) fn join(urn: &[u8], bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut value = u32::try_from(urn.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    value.extend_from_slice(urn);
    value.extend_from_slice(bytes);
    Ok(value)
}

/// Splits what [`join`] has made.
pub(in crate::transform) fn split(value: &[u8]) -> io::Result<(Urn, &[u8])> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "a temporary file has changed");
    let (length, rest) = value.split_first_chunk::<4>().ok_or_else(broken)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
    let (urn, bytes) = rest.split_at_checked(length).ok_or_else(broken)?;
    let urn = std::str::from_utf8(urn).map_err(io::Error::other)?;
    Ok((Urn::parse_lenient(urn).map_err(io::Error::other)?, bytes))
}
