//! The form of segments and frames.
//!
//! A segment starts with [`SEGMENT_HEADER`]. A frame is: the length of the content (4 bytes,
//! little-endian), the CRC-32 of kind and content (4 bytes), the kind (1 byte), the content.

pub(super) const SEGMENT_HEADER: &[u8; 16] = b"datahub-spool 1\n";

/// The bytes of a frame before its content.
pub(super) const FRAME_HEADER_BYTES: usize = 9;

/// One entry of a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) content: Vec<u8>,
}

/// The meaning of a frame's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A record as JSON.
    Record,
    /// A description of a record that has no JSON form.
    Invalid,
    /// The extraction was complete; there is no content, and no frame follows.
    End,
}

impl FrameKind {
    fn byte(self) -> u8 {
        match self {
            Self::Record => b'R',
            Self::Invalid => b'I',
            Self::End => b'E',
        }
    }

    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        [Self::Record, Self::Invalid, Self::End].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    pub(super) length: u32,
    pub(super) checksum: u32,
    pub(super) kind: u8,
}

impl FrameHeader {
    pub(super) fn read(bytes: [u8; FRAME_HEADER_BYTES]) -> Self {
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = bytes;
        Self {
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            kind,
        }
    }
}

/// Writes the frame of `content` into `out`. False if the content is too long for one.
pub(super) fn encode(kind: FrameKind, content: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u32::try_from(content.len()) else { return false };
    out.clear();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(kind.byte(), content).to_le_bytes());
    out.push(kind.byte());
    out.extend_from_slice(content);
    true
}

pub(super) fn checksum(kind: u8, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(content);
    hasher.finalize()
}
