//! The disk as one process uses it, with the faults of its life.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datahub_emitter::file_system::{Access, FileLock, FileMetadata, FileSystem, FileType, OpenFile};

use super::open_file::SimulatedFile;
use super::{Disk, DiskEvent, DiskEventKind, FileContent, NameChange};
use crate::clock::{WorldTime, stand_still};
use crate::coverage::Coverage;
use crate::fault::{DiskTrouble, Fault, FaultKind};
use crate::process::{Alive, Process};

/// The disk of a process.
#[derive(Clone, Debug)]
pub(crate) struct DiskHandle(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    disk: Arc<Disk>,
    process: Arc<Process>,
    time: WorldTime,
    coverage: Arc<Coverage>,
    faults: Vec<(u32, u32, DiskTrouble, FaultKind)>,
    /// How many operations of each kind there were.
    counts: Mutex<BTreeMap<Operation, u32>>,
    /// When the last sync began and ended.
    last_sync: Mutex<Option<(Duration, Duration)>>,
}

/// The kinds of operations that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Read,
    Write,
    Sync,
    Rename,
    Other,
}

/// How an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Normal,
    /// A write takes half of the bytes; a sync does nothing and says nothing.
    Half,
    /// The operation fails.
    Fails,
    /// The process dies in it.
    Dies,
}

impl DiskHandle {
    pub(crate) fn new(
        disk: Arc<Disk>,
        process: Arc<Process>,
        time: WorldTime,
        faults: &[Fault],
        coverage: Arc<Coverage>,
    ) -> Self {
        let faults = faults
            .iter()
            .filter(|fault| fault.life == process.life)
            .filter_map(|fault| match fault.kind {
                FaultKind::Disk { first, count, trouble } => Some((first, count, trouble, fault.kind)),
                _ => None,
            })
            .collect();
        let (counts, last_sync) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Handle { disk, process, time, coverage, faults, counts, last_sync }))
    }

    /// Starts an operation: it may be the process's last one, or go wrong.
    pub(super) fn start(&self, operation: Operation) -> io::Result<Start> {
        match self.0.process.step() {
            Alive::No => return Process::dead(),
            Alive::DiesNow => return Ok(Start::Dies),
            Alive::Yes => {}
        }
        let number = {
            let mut counts = self.0.counts.lock().unwrap();
            let count = counts.entry(operation).or_default();
            *count += 1;
            *count - 1
        };
        let mut start = Start::Normal;
        for (first, count, trouble, kind) in &self.0.faults {
            if number < *first || number - first >= *count {
                continue;
            }
            let effect = match (trouble, operation) {
                // After a write of half the bytes, the next one finds that there is no space.
                (DiskTrouble::Full, Operation::Write) if number == *first => Start::Half,
                (DiskTrouble::ShortWrite, Operation::Write) | (DiskTrouble::SyncLies, Operation::Sync) => {
                    Start::Half
                }
                (DiskTrouble::Full, Operation::Write)
                | (DiskTrouble::SyncFails, Operation::Sync)
                | (DiskTrouble::RenameFails, Operation::Rename)
                | (DiskTrouble::ReadFails, Operation::Read) => Start::Fails,
                (DiskTrouble::Slow { ms }, _) => {
                    stand_still(Duration::from_millis(*ms));
                    Start::Normal
                }
                _ => continue,
            };
            self.0.coverage.count(&kind.name());
            if effect != Start::Normal {
                start = effect;
            }
        }
        Ok(start)
    }

    /// Starts an operation that cannot be done by half.
    fn start_whole(&self, operation: Operation) -> io::Result<()> {
        match self.start(operation)? {
            Start::Normal | Start::Half => Ok(()),
            Start::Fails => Err(io::Error::other("input/output error")),
            Start::Dies => Process::dead(),
        }
    }

    pub(super) fn note_lie(&self) {
        self.0.disk.state.lock().unwrap().has_lied = true;
    }

    pub(super) fn note_sync(&self, began: Duration) {
        *self.0.last_sync.lock().unwrap() = Some((began, self.now()));
    }

    pub(super) fn now(&self) -> Duration {
        self.0.time.now()
    }

    fn file(&self, path: &Path) -> io::Result<Arc<Mutex<FileContent>>> {
        let state = self.0.disk.state.lock().unwrap();
        state.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<Mutex<FileContent>>> {
        let mut state = self.0.disk.state.lock().unwrap();
        if !state.has_directory(path.parent().unwrap()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(existing) = state.files.get(path) {
            return Ok(Arc::clone(existing));
        }
        let file = Arc::default();
        state.change(NameChange::Set(path.to_owned(), Arc::clone(&file)));
        Ok(file)
    }

    fn note(&self, path: &Path, kind: DiskEventKind) {
        let at = self.now();
        // The work for a checkpoint begins with the sync of the dead letters, right before it.
        let synced = self.0.last_sync.lock().unwrap().filter(|(_, ended)| *ended == at);
        let began = synced.map_or(at, |(began, _)| began);
        let event = DiskEvent { life: self.0.process.life, began, at, path: path.to_owned(), kind };
        self.0.disk.state.lock().unwrap().events.push(event);
    }
}

impl FileSystem for DiskHandle {
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.start_whole(Operation::Other)?;
        if self.0.disk.state.lock().unwrap().has_directory(path) {
            return Ok(metadata_of(FileType::Directory, 0));
        }
        let length = self.file(path)?.lock().unwrap().seen.len();
        Ok(metadata_of(FileType::Regular, length))
    }

    fn open(&self, path: &Path, access: Access<'_>) -> io::Result<Box<dyn OpenFile>> {
        let operation = if matches!(access, Access::Read) { Operation::Read } else { Operation::Other };
        self.start_whole(operation)?;
        let file = match access {
            Access::Read | Access::Write => self.file(path)?,
            Access::Create(_) if self.file(path).is_ok() => return Err(io::ErrorKind::AlreadyExists.into()),
            Access::Append | Access::Create(_) => self.create(path)?,
        };
        Ok(Box::new(SimulatedFile::new(self.clone(), file, matches!(access, Access::Append))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.start_whole(Operation::Rename)?;
        let file = self.file(from)?;
        let content = file.lock().unwrap().seen.clone();
        let durable = {
            let mut state = self.0.disk.state.lock().unwrap();
            state.change(NameChange::Removed(from.to_owned()));
            state.change(NameChange::Set(to.to_owned(), file));
            Disk::durable_contents(&state)
        };
        self.note(to, DiskEventKind::Replaced { content, durable });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.start_whole(Operation::Other)?;
        self.file(path)?;
        self.0.disk.state.lock().unwrap().change(NameChange::Removed(path.to_owned()));
        self.note(path, DiskEventKind::Removed);
        Ok(())
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.metadata(path).map(|_| path.to_owned())
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        self.start_whole(Operation::Other)?;
        let ancestors = directory.ancestors().map(Path::to_owned);
        self.0.disk.state.lock().unwrap().directories.extend(ancestors);
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let began = self.now();
        match self.start(Operation::Sync)? {
            Start::Normal => {
                self.0.disk.state.lock().unwrap().sync_names(directory);
                self.note_sync(began);
                Ok(())
            }
            Start::Half => {
                self.note_lie();
                Ok(())
            }
            Start::Fails => Err(io::Error::other("input/output error")),
            Start::Dies => Process::dead(),
        }
    }

    fn lock(&self, path: &Path, wait: bool) -> io::Result<Option<FileLock>> {
        assert!(!wait, "waiting for a lock blocks the only thread");
        self.start_whole(Operation::Other)?;
        self.create(path)?;
        let mut state = self.0.disk.state.lock().unwrap();
        if state.locks.contains_key(path) {
            return Ok(None);
        }
        state.locks.insert(path.to_owned(), self.0.process.life);
        Ok(Some(FileLock::new(Locked { disk: self.clone(), path: path.to_owned() })))
    }
}

/// Releases a lock. The locks of a dead process are released with it.
struct Locked {
    disk: DiskHandle,
    path: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        let Handle { disk, process, .. } = &*self.disk.0;
        let mut state = disk.state.lock().unwrap();
        if !process.is_dead() && state.locks.get(&self.path) == Some(&process.life) {
            state.locks.remove(&self.path);
        }
    }
}

pub(super) fn metadata_of(file_type: FileType, length: usize) -> FileMetadata {
    FileMetadata { file_type, length: length as u64, read_only: false, modified: None }
}
