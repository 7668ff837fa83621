//! A file system in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use datahub_emitter::file_system::{Access, FileLock, FileMetadata, FileSystem, FileType, OpenFile};

/// The content of files, which outlives their names.
type Content = Arc<Mutex<Vec<u8>>>;

#[derive(Debug, Default)]
pub(super) struct MemoryFiles {
    files: Mutex<BTreeMap<PathBuf, Content>>,
    directories: Mutex<BTreeSet<PathBuf>>,
    locked: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl MemoryFiles {
    /// The content of all files.
    pub(super) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.files.lock().unwrap();
        files.iter().map(|(path, content)| (path.clone(), content.lock().unwrap().clone())).collect()
    }

    fn content(&self, path: &Path) -> io::Result<Content> {
        self.files.lock().unwrap().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, path: &Path) -> io::Result<Content> {
        if !self.directories.lock().unwrap().contains(path.parent().unwrap()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Arc::clone(self.files.lock().unwrap().entry(path.to_owned()).or_default()))
    }
}

impl FileSystem for MemoryFiles {
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let (file_type, length) = if self.directories.lock().unwrap().contains(path) {
            (FileType::Directory, 0)
        } else {
            (FileType::Regular, self.content(path)?.lock().unwrap().len() as u64)
        };
        Ok(FileMetadata { file_type, length, read_only: false, modified: None })
    }

    fn open(&self, path: &Path, access: Access<'_>) -> io::Result<Box<dyn OpenFile>> {
        let content = match access {
            Access::Read | Access::Write => self.content(path)?,
            Access::Create(_) if self.content(path).is_ok() => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Access::Append | Access::Create(_) => self.create(path)?,
        };
        Ok(Box::new(MemoryFile { content, position: 0, appends: matches!(access, Access::Append) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let content = self.content(from)?;
        let mut files = self.files.lock().unwrap();
        files.remove(from);
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.files.lock().unwrap().remove(path);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.metadata(path).map(|_| path.to_owned())
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        self.directories.lock().unwrap().extend(directory.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path, _: bool) -> io::Result<Option<FileLock>> {
        self.create(path)?;
        if !self.locked.lock().unwrap().insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(FileLock::new(Locked { path: path.to_owned(), locked: Arc::clone(&self.locked) })))
    }
}

struct Locked {
    path: PathBuf,
    locked: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.locked.lock().unwrap().remove(&self.path);
    }
}

#[derive(Debug)]
struct MemoryFile {
    content: Content,
    position: u64,
    appends: bool,
}

impl MemoryFile {
    fn at_position<T>(
        &mut self,
        operation: impl FnOnce(&mut Cursor<&mut Vec<u8>>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut content = self.content.lock().unwrap();
        let mut cursor = Cursor::new(&mut *content);
        cursor.set_position(self.position);
        let result = operation(&mut cursor);
        self.position = cursor.position();
        result
    }
}

impl Read for MemoryFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.at_position(|cursor| cursor.read(buffer))
    }
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.appends {
            self.seek(SeekFrom::End(0))?;
        }
        self.at_position(|cursor| cursor.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for MemoryFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.at_position(|cursor| cursor.seek(position))
    }
}

impl OpenFile for MemoryFile {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.content.lock().unwrap().resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn metadata(&self) -> io::Result<FileMetadata> {
        let length = self.content.lock().unwrap().len() as u64;
        Ok(FileMetadata { file_type: FileType::Regular, length, read_only: false, modified: None })
    }
}
