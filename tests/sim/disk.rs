//! The disk: what processes see of it, and what would survive a power loss.
//!
//! A file's content survives if it was synced; its name survives if its directory was synced. Names are
//! journaled: those that were not synced survive up to one of them, and no further. A file that was written
//! and not synced may survive in part.

mod handle;
mod open_file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::random::Random;

pub(crate) use handle::DiskHandle;

/// The disk of a world, which outlives its processes.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    state: Mutex<DiskState>,
}

#[derive(Debug, Default)]
struct DiskState {
    files: BTreeMap<PathBuf, Arc<Mutex<FileContent>>>,
    durable_files: BTreeMap<PathBuf, Arc<Mutex<FileContent>>>,
    /// Changes of names that were not synced.
    journal: Vec<NameChange>,
    directories: BTreeSet<PathBuf>,
    /// The locked files, and the processes that hold the locks.
    locks: BTreeMap<PathBuf, u32>,
    /// Files that were replaced or removed.
    events: Vec<DiskEvent>,
    has_lied: bool,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(PathBuf, Arc<Mutex<FileContent>>),
    Removed(PathBuf),
}

#[derive(Debug, Default)]
struct FileContent {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

/// A change that the invariants look at.
#[derive(Clone, Debug)]
pub(crate) struct DiskEvent {
    pub(crate) life: u32,
    /// When the work for it began: before the sync of the dead letters, for a checkpoint.
    pub(crate) began: Duration,
    pub(crate) at: Duration,
    pub(crate) path: PathBuf,
    pub(crate) kind: DiskEventKind,
}

#[derive(Clone, Debug)]
pub(crate) enum DiskEventKind {
    /// The file has got this content, as a whole. With what of the other files would survive a power loss.
    Replaced {
        content: Vec<u8>,
        durable: BTreeMap<PathBuf, Vec<u8>>,
    },
    Removed,
}

impl Disk {
    /// A disk with an empty directory.
    pub(crate) fn with_directory(directory: &Path) -> Self {
        let disk = Self::default();
        disk.state.lock().unwrap().directories.extend(directory.ancestors().map(Path::to_owned));
        disk
    }

    /// Whether a process holds a lock.
    pub(crate) fn is_locked(&self) -> bool {
        !self.state.lock().unwrap().locks.is_empty()
    }

    /// All files, as processes see them.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state.lock().unwrap();
        contents(&state.files, |file| file.seen.clone())
    }

    /// A sync has lied: nobody can promise that what was synced survives.
    pub(crate) fn has_lied(&self) -> bool {
        self.state.lock().unwrap().has_lied
    }

    pub(crate) fn events(&self) -> Vec<DiskEvent> {
        self.state.lock().unwrap().events.clone()
    }

    /// The process is dead: its locks are released.
    pub(crate) fn release_locks(&self, life: u32) {
        self.state.lock().unwrap().locks.retain(|_, holder| *holder != life);
    }

    /// The machine loses power and is started again.
    pub(crate) fn lose_power(&self, random: &mut Random) {
        let mut state = self.state.lock().unwrap();
        let journaled = random.between(0, state.journal.len() as u64);
        let mut names = std::mem::take(&mut state.durable_files);
        for change in state.journal.drain(..).take(usize::try_from(journaled).unwrap()) {
            change.apply(&mut names);
        }
        for file in names.values() {
            file.lock().unwrap().lose_power(random);
        }
        state.files = names.clone();
        state.durable_files = names;
        state.locks.clear();
    }

    fn durable_contents(state: &DiskState) -> BTreeMap<PathBuf, Vec<u8>> {
        contents(&state.durable_files, |file| file.durable.clone())
    }
}

fn contents(
    files: &BTreeMap<PathBuf, Arc<Mutex<FileContent>>>,
    content: impl Fn(&FileContent) -> Vec<u8>,
) -> BTreeMap<PathBuf, Vec<u8>> {
    files.iter().map(|(path, file)| (path.clone(), content(&file.lock().unwrap()))).collect()
}

impl DiskState {
    fn change(&mut self, change: NameChange) {
        change.clone().apply(&mut self.files);
        self.journal.push(change);
    }

    /// Syncs the names in one directory, and no others.
    fn sync_names(&mut self, directory: &Path) {
        let is_synced = |change: &mut NameChange| change.path().parent() == Some(directory);
        for change in self.journal.extract_if(.., is_synced) {
            change.apply(&mut self.durable_files);
        }
    }

    fn has_directory(&self, path: &Path) -> bool {
        self.directories.contains(path)
    }
}

impl NameChange {
    fn path(&self) -> &Path {
        match self {
            Self::Set(path, _) | Self::Removed(path) => path,
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Arc<Mutex<FileContent>>>) {
        match self {
            Self::Set(path, file) => {
                // A renamed file loses its old name in the change before.
                names.insert(path, file);
            }
            Self::Removed(path) => {
                names.remove(&path);
            }
        }
    }
}

impl FileContent {
    /// Unsynced content survives as it was, as it was written, or in part.
    fn lose_power(&mut self, random: &mut Random) {
        let unsynced = self.seen.len().saturating_sub(self.durable.len());
        let survives = match random.between(0, 2) {
            0 => self.durable.clone(),
            1 => self.seen.clone(),
            _ if !self.seen.starts_with(&self.durable) => self.durable.clone(),
            _ => {
                let some = usize::try_from(random.between(0, unsynced as u64)).unwrap();
                let mut torn = self.seen[..self.durable.len() + some].to_vec();
                // The length is written before the bytes.
                if random.one_in(3) {
                    torn[self.durable.len()..].fill(0);
                }
                torn
            }
        };
        *self = Self { seen: survives.clone(), durable: survives };
    }
}
