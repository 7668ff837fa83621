//! Determines the encoding of a file by its first bytes, never by its name.

/// The number of bytes that [`encoding`] needs, if the file has as many.
pub(super) const HEAD: usize = 6;

/// The encoding of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Text after a byte order mark of this length in bytes.
    Text(usize),
    /// Another encoding, and the advice for the user.
    Other(&'static str),
}

/// The first bytes of formats that are not UTF-8 text, each with advice for the user.
const OTHERS: [(&[u8], &str); 8] = [
    (b"\xFF\xFE", "the file is UTF-16, not UTF-8: convert it, for example with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xFE\xFF", "the file is UTF-16, not UTF-8: convert it, for example with `iconv -f UTF-16 -t UTF-8`"),
    (
        b"\x00\x00\xFE\xFF",
        "the file is UTF-32, not UTF-8: convert it, for example with `iconv -f UTF-32 -t UTF-8`",
    ),
    (b"PK\x03\x04", "the file is a zip archive: unpack it first (only gzip is unpacked here)"),
    (b"\x28\xB5\x2F\xFD", "the file is compressed with zstd: unpack it first (only gzip is unpacked here)"),
    (b"\xFD7zXZ\x00", "the file is compressed with xz: unpack it first (only gzip is unpacked here)"),
    (b"BZh", "the file is compressed with bzip2: unpack it first (only gzip is unpacked here)"),
    (b"PAR1", "the file is a Parquet file; a metadata file is JSON"),
];

/// The encoding of a file with these first bytes.
pub(super) fn encoding(head: &[u8]) -> Encoding {
    if head.starts_with(b"\xEF\xBB\xBF") {
        return Encoding::Text(3);
    }
    OTHERS
        .iter()
        .find(|(mark, _)| head.starts_with(mark))
        .map_or(Encoding::Text(0), |(_, advice)| Encoding::Other(advice))
}

/// The kind of a value that starts with `byte`, for a message.
pub(super) fn kind_of(byte: u8) -> String {
    match byte {
        b'{' => "an object".into(),
        b'[' => "an array".into(),
        b'"' => "a string".into(),
        b't' | b'f' | b'n' => "a bare word".into(),
        b'-' | b'0'..=b'9' => "a number".into(),
        b' '..=b'~' => format!("`{}`", char::from(byte)),
        0 => "a NUL byte".into(),
        _ => format!("the byte 0x{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_other_encodings_are_known_and_text_is_text() {
        assert_eq!(encoding(b""), Encoding::Text(0));
        assert_eq!(encoding(b"[{"), Encoding::Text(0));
        assert_eq!(encoding(b"\xEF\xBB\xBF{"), Encoding::Text(3));
        for (head, word) in [
            (&b"\xFF\xFE[\0"[..], "UTF-16"),
            (b"\xFE\xFF\0[", "UTF-16"),
            (b"PK\x03\x04..", "zip"),
            (b"\x28\xB5\x2F\xFD..", "zstd"),
        ] {
            let Encoding::Other(advice) = encoding(head) else {
                panic!("{head:?} is taken for text");
            };
            assert!(advice.contains(word), "{advice}");
        }
    }
}
