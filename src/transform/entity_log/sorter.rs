//! Sorts pairs of bytes by their first part, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// The memory for pairs that are not sorted yet.
const MEMORY: usize = 8 << 20;

/// The buffer of each run that is merged.
const RUN_BUFFER: usize = 64 << 10;

/// The memory of a pair besides its bytes: two vectors.
const OVERHEAD: usize = 2 * size_of::<Vec<u8>>() + 32;

/// The longest part of a pair that is read back. A pair holds a URN and system metadata.
const MAX_PART: u32 = 64 << 20;

type Pair = (Vec<u8>, Vec<u8>);

/// Takes pairs in any order.
#[derive(Debug)]
pub(in crate::transform) struct Sorter {
    memory: usize,
    used: usize,
    pairs: Vec<Pair>,
    /// Files of sorted pairs.
    runs: Vec<File>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::with_memory(MEMORY)
    }
}

impl Sorter {
    /// A sorter that writes a run when its pairs take `memory` bytes.
    pub(in crate::transform) fn with_memory(memory: usize) -> Self {
        Self { memory, used: 0, pairs: Vec::new(), runs: Vec::new() }
    }

    pub(in crate::transform) fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        self.used += key.len() + value.len() + OVERHEAD;
        self.pairs.push((key, value));
        if self.used > self.memory { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.pairs.sort_unstable();
        let mut out = BufWriter::with_capacity(RUN_BUFFER, tempfile::tempfile()?);
        for (key, value) in self.pairs.drain(..) {
            for part in [key, value] {
                let length = u32::try_from(part.len()).map_err(io::Error::other)?;
                out.write_all(&length.to_be_bytes())?;
                out.write_all(&part)?;
            }
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        self.runs.push(file);
        self.used = 0;
        Ok(())
    }

    /// The pairs in the order of their keys.
    pub(in crate::transform) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.pairs.sort_unstable();
            return Ok(Sorted { memory: self.pairs.into_iter(), runs: Vec::new(), heads: BinaryHeap::new() });
        }
        if !self.pairs.is_empty() {
            self.write_run()?;
        }
        let mut sorted =
            Sorted { memory: Vec::new().into_iter(), runs: Vec::new(), heads: BinaryHeap::new() };
        for (index, file) in self.runs.into_iter().enumerate() {
            let mut run = BufReader::with_capacity(RUN_BUFFER, file);
            if let Some(pair) = read_pair(&mut run)? {
                sorted.heads.push(Reverse((pair, index)));
            }
            sorted.runs.push(run);
        }
        Ok(sorted)
    }
}

/// Pairs in the order of their keys.
#[derive(Debug)]
pub(in crate::transform) struct Sorted {
    /// All pairs, if no run was written.
    memory: std::vec::IntoIter<Pair>,
    runs: Vec<BufReader<File>>,
    /// The next pair of each run.
    heads: BinaryHeap<Reverse<(Pair, usize)>>,
}

impl Sorted {
    /// The next pair.
    pub(in crate::transform) fn next_pair(&mut self) -> io::Result<Option<Pair>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(self.memory.next()) };
        let index = head.0.1;
        let next = match self.runs.get_mut(index) {
            Some(run) => read_pair(run)?,
            None => None,
        };
        Ok(Some(match next {
            Some(next) => std::mem::replace(&mut head.0.0, next),
            None => PeekMut::pop(head).0.0,
        }))
    }
}

fn read_pair(run: &mut impl Read) -> io::Result<Option<Pair>> {
    let mut length = [0; 4];
    match run.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let key = read_part(run, length)?;
    run.read_exact(&mut length)?;
    Ok(Some((key, read_part(run, length)?)))
}

fn read_part(run: &mut impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let length = u32::from_be_bytes(length);
    if length > MAX_PART {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a temporary file has changed"));
    }
    let mut part = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    run.read_exact(&mut part)?;
    Ok(part)
}
