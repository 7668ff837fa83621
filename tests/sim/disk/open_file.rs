//! An open file of the simulated disk.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use datahub_emitter::file_system::{FileMetadata, FileType, OpenFile};

use super::FileContent;
use super::handle::{DiskHandle, Operation, Start, metadata_of};
use crate::process::Process;

#[derive(Debug)]
pub(super) struct SimulatedFile {
    disk: DiskHandle,
    file: Arc<Mutex<FileContent>>,
    position: usize,
    appends: bool,
}

impl SimulatedFile {
    pub(super) fn new(disk: DiskHandle, file: Arc<Mutex<FileContent>>, appends: bool) -> Self {
        Self { disk, file, position: 0, appends }
    }

    /// Writes `bytes` at the position, or at the end.
    fn put(&mut self, bytes: &[u8]) {
        let mut file = self.file.lock().unwrap();
        if self.appends {
            self.position = file.seen.len();
        }
        let end = self.position + bytes.len();
        if file.seen.len() < end {
            file.seen.resize(end, 0);
        }
        file.seen[self.position..end].copy_from_slice(bytes);
        self.position = end;
    }
}

impl Read for SimulatedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file.lock().unwrap();
        let read = (&file.seen[self.position.min(file.seen.len())..]).read(buffer)?;
        self.position += read;
        Ok(read)
    }
}

impl Write for SimulatedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.len().div_ceil(2);
        match self.disk.start(Operation::Write)? {
            Start::Normal => {
                self.put(bytes);
                Ok(bytes.len())
            }
            Start::Half => {
                self.put(&bytes[..half]);
                Ok(half)
            }
            Start::Fails => Err(io::ErrorKind::StorageFull.into()),
            Start::Dies => {
                self.put(&bytes[..half]);
                Process::dead()
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SimulatedFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let end = self.file.lock().unwrap().seen.len();
        let mut cursor = io::Cursor::new(vec![0; end]);
        cursor.set_position(self.position as u64);
        let position = cursor.seek(position)?;
        self.position = usize::try_from(position).unwrap();
        Ok(position)
    }
}

impl OpenFile for SimulatedFile {
    fn sync(&self) -> io::Result<()> {
        let began = self.disk.now();
        let start = self.disk.start(Operation::Sync)?;
        let mut file = self.file.lock().unwrap();
        match start {
            Start::Normal => {
                let FileContent { seen, durable } = &mut *file;
                durable.clone_from(seen);
                self.disk.note_sync(began);
                Ok(())
            }
            Start::Half => {
                self.disk.note_lie();
                Ok(())
            }
            Start::Fails => Err(io::Error::other("input/output error")),
            Start::Dies => Process::dead(),
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        match self.disk.start(Operation::Other)? {
            Start::Dies => return Process::dead(),
            Start::Normal | Start::Half | Start::Fails => {}
        }
        self.file.lock().unwrap().seen.resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn metadata(&self) -> io::Result<FileMetadata> {
        self.disk.start(Operation::Other).map(drop)?;
        Ok(metadata_of(FileType::Regular, self.file.lock().unwrap().seen.len()))
    }
}
