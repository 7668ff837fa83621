//! The body of a request.

use std::fmt;

use bytes::Bytes;

/// The body of a request: a known number of bytes in chunks that are made while the request is sent.
pub struct Body {
    len: usize,
    chunks: Box<dyn Iterator<Item = Bytes> + Send + Sync>,
}

impl Body {
    /// A body of `len` bytes. The chunks must not be empty; if they do not add up to `len`, the request fails
    /// with [`TransportErrorKind::InvalidRequest`](super::TransportErrorKind::InvalidRequest).
    pub fn from_chunks(len: usize, chunks: impl Iterator<Item = Bytes> + Send + Sync + 'static) -> Self {
        Self { len, chunks: Box::new(chunks) }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_chunks(bytes.len(), Some(bytes).filter(|bytes| !bytes.is_empty()).into_iter())
    }
}

impl Iterator for Body {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.chunks.next()
    }
}

/// The content is left out: it may be a secret.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len).finish_non_exhaustive()
    }
}
