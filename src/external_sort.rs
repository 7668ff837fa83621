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

/// This many runs are merged into one, which bounds the open files and their buffers: 10⁷ entities make
/// hundreds of runs in each transformer, and many systems allow a process 1024 open files.
const FAN_IN: usize = 16;

/// The memory of a pair besides its bytes: two vectors.
const OVERHEAD: usize = 2 * size_of::<Vec<u8>>() + 32;

/// The longest part of a pair that is read back. A pair holds a URN and system metadata.
const MAX_PART: u32 = 64 << 20;

type Pair = (Vec<u8>, Vec<u8>);

/// Takes pairs in any order.
#[derive(Debug)]
pub(crate) struct Sorter {
    memory: usize,
    used: usize,
    pairs: Vec<Pair>,
    runs: Vec<Run>,
}

/// A file of sorted pairs.
#[derive(Debug)]
struct Run {
    file: File,
    /// How often its pairs were merged. Later runs have the same level or a lower one.
    level: u32,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::with_memory(MEMORY)
    }
}

impl Sorter {
    /// A sorter that writes a run when its pairs take `memory` bytes.
    pub(crate) fn with_memory(memory: usize) -> Self {
        Self { memory, used: 0, pairs: Vec::new(), runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        self.used += key.len() + value.len() + OVERHEAD;
        self.pairs.push((key, value));
        if self.used > self.memory { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.pairs.sort_unstable();
        let mut out = RunWriter::new()?;
        for pair in self.pairs.drain(..) {
            out.push(&pair)?;
        }
        self.used = 0;
        self.runs.push(Run { file: out.finish()?, level: 0 });
        self.merge_full_level()
    }

    /// Merges the last runs while there are [`FAN_IN`] of one level.
    fn merge_full_level(&mut self) -> io::Result<()> {
        while let Some(last) = self.runs.last() {
            let level = last.level;
            let count = self.runs.iter().rev().take_while(|run| run.level == level).count();
            if count < FAN_IN {
                break;
            }
            let mut merged = Sorted::of_runs(self.runs.drain(self.runs.len() - count..))?;
            let mut out = RunWriter::new()?;
            while let Some(pair) = merged.next_pair()? {
                out.push(&pair)?;
            }
            self.runs.push(Run { file: out.finish()?, level: level + 1 });
        }
        Ok(())
    }

    /// The pairs in the order of their keys.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.pairs.sort_unstable();
            return Ok(Sorted { memory: self.pairs.into_iter(), runs: Vec::new(), heads: BinaryHeap::new() });
        }
        if !self.pairs.is_empty() {
            self.write_run()?;
        }
        Sorted::of_runs(self.runs)
    }
}

/// Writes a run.
struct RunWriter(BufWriter<File>);

impl RunWriter {
    fn new() -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(RUN_BUFFER, tempfile::tempfile()?)))
    }

    fn push(&mut self, (key, value): &Pair) -> io::Result<()> {
        for part in [key, value] {
            let length = u32::try_from(part.len()).map_err(io::Error::other)?;
            self.0.write_all(&length.to_be_bytes())?;
            self.0.write_all(part)?;
        }
        Ok(())
    }

    /// The file, to be read from its start.
    fn finish(self) -> io::Result<File> {
        let mut file = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// Pairs in the order of their keys.
#[derive(Debug)]
pub(crate) struct Sorted {
    /// All pairs, if no run was written.
    memory: std::vec::IntoIter<Pair>,
    runs: Vec<BufReader<File>>,
    /// The next pair of each run.
    heads: BinaryHeap<Reverse<(Pair, usize)>>,
}

impl Sorted {
    fn of_runs(runs: impl IntoIterator<Item = Run>) -> io::Result<Self> {
        let mut sorted = Self { memory: Vec::new().into_iter(), runs: Vec::new(), heads: BinaryHeap::new() };
        for (index, run) in runs.into_iter().enumerate() {
            let mut run = BufReader::with_capacity(RUN_BUFFER, run.file);
            if let Some(pair) = read_pair(&mut run)? {
                sorted.heads.push(Reverse((pair, index)));
            }
            sorted.runs.push(run);
        }
        Ok(sorted)
    }

    /// The next pair.
    pub(crate) fn next_pair(&mut self) -> io::Result<Option<Pair>> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_files_are_open_however_many_runs_are_written() {
        // Each pair is a run.
        let mut sorter = Sorter::with_memory(1);
        let count = 1_000_u64;
        for number in 0..count {
            sorter.push((number * 7 % count).to_be_bytes().to_vec(), number.to_be_bytes().to_vec()).unwrap();
            assert!(sorter.runs.len() < 4 * FAN_IN, "{} files", sorter.runs.len());
        }
        let mut pairs = sorter.finish().unwrap();
        for expected in 0..count {
            assert_eq!(pairs.next_pair().unwrap().unwrap().0, expected.to_be_bytes());
        }
        assert_eq!(pairs.next_pair().unwrap(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn all_pairs_come_in_order(
            mut pairs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), prop::collection::vec(any::<u8>(), 0..4)), 0..300),
            memory in 1_usize..4000,
        ) {
            let mut sorter = Sorter::with_memory(memory);
            for (key, value) in &pairs {
                sorter.push(key.clone(), value.clone()).unwrap();
            }
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some(pair) = sorted.next_pair().unwrap() {
                found.push(pair);
            }
            pairs.sort_unstable();
            prop_assert_eq!(found, pairs);
        }
    }
}
