//! Base85 in the form of Python's `base64.b85encode`, as a stream.
//!
//! Four bytes become five characters. The last group is filled up with zeros, and as many characters are cut
//! off.

use std::io::{self, Write};

const ALPHABET: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Encodes what is written to it.
pub(super) struct Encoder<W> {
    out: W,
    group: [u8; 4],
    filled: usize,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, group: [0; 4], filled: 0 }
    }

    /// Encodes the last group.
    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.filled > 0 {
            let mut group = [0; 4];
            for (byte, given) in group.iter_mut().zip(self.group.iter().take(self.filled)) {
                *byte = *given;
            }
            let encoded = encode(group);
            self.out.write_all(encoded.get(..=self.filled).unwrap_or_default())?;
        }
        Ok(self.out)
    }
}

fn encode(group: [u8; 4]) -> [u8; 5] {
    let mut number = u32::from_be_bytes(group);
    let mut encoded = [0; 5];
    for character in encoded.iter_mut().rev() {
        *character = ALPHABET.get((number % 85) as usize).copied().unwrap_or_default();
        number /= 85;
    }
    encoded
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if let Some(place) = self.group.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            if self.filled == 4 {
                self.filled = 0;
                self.out.write_all(&encode(self.group))?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Decodes a text while it is read.
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    group: [u8; 4],
    /// The bytes of the group that are not read yet.
    pending: std::ops::Range<usize>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), group: [0; 4], pending: 0..0 }
    }

    fn next_group(&mut self) -> io::Result<()> {
        let (characters, rest) = self.rest.split_at(self.rest.len().min(5));
        self.rest = rest;
        let mut number = 0_u64;
        for index in 0..5 {
            let value = match characters.get(index) {
                Some(character) => value(*character)?,
                // The largest digit, as in Python.
                None => 84,
            };
            number = number * 85 + value;
        }
        let number = u32::try_from(number).map_err(|_| invalid("a group of base85 is too large"))?;
        self.group = number.to_be_bytes();
        self.pending = 0..characters.len().saturating_sub(1);
        Ok(())
    }
}

fn value(character: u8) -> io::Result<u64> {
    ALPHABET
        .iter()
        .position(|known| *known == character)
        .map(|index| index as u64)
        .ok_or_else(|| invalid("a character does not belong to base85"))
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl io::Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        for place in buffer {
            if self.pending.is_empty() {
                if self.rest.is_empty() {
                    break;
                }
                self.next_group()?;
            }
            let Some(byte) = self.pending.next().and_then(|index| self.group.get(index)) else { break };
            *place = *byte;
            read += 1;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut encoder = Encoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        String::from_utf8(encoder.finish().unwrap()).unwrap()
    }

    fn decoded(text: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Decoder::new(text).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn the_texts_are_those_of_python() {
        // `base64.b85encode` of Python 3.11.
        for (bytes, text) in [
            (&b""[..], ""),
            (b"a", "VE"),
            (b"ab", "VPX"),
            (b"abc", "VPaz"),
            (b"abcd", "VPa!s"),
            (b"BZh91", "LRx4!F#"),
        ] {
            assert_eq!(encoded(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_base85_is_an_error() {
        for text in ["\"", "VPa!s\n", "~~~~~", "größe"] {
            assert!(decoded(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decoded(&encoded(&bytes)).unwrap(), bytes);
        }
    }
}
