//! From the path in a recipe to streams of text.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind as IoErrorKind, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, ErrorKind};

/// The path that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// How much compressed data is asked for at once.
const COMPRESSED_READ: usize = 64 * 1024;

/// At most so much is unpacked at once: what was unpacked together with the place where the data is corrupt is lost.
const UNPACKED_READ: usize = 32 * 1024;

const GZIP_MARK: [u8; 2] = [0x1F, 0x8B];

/// A file that is to be read.
#[derive(Debug)]
pub(super) struct InputFile {
    /// As the user named it; for a file of a directory, the directory as named and the file's name.
    pub(super) name: Arc<str>,
    /// `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// Bytes on the disk, where it is a regular file.
    pub(super) size: Option<u64>,
}

/// A file that is being read.
pub(super) struct Opened {
    /// Its text, unpacked.
    pub(super) text: Box<dyn Read + Send>,
    /// How many bytes were read of it as it lies on the disk.
    pub(super) read: Arc<AtomicU64>,
}

/// The data that gzip unpacks is broken, as opposed to: it can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the gzip data is broken off or corrupt ({0})")]
pub(super) struct CorruptGzip(String);

/// The files that `path` stands for, in the order of their names. Of a directory, one level, those whose names end in
/// `extension`; a single file is taken whatever its name.
pub(super) fn list(
    path: &str,
    extension: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<InputFile>, Error> {
    if path == STANDARD_INPUT {
        return Ok(vec![InputFile { name: STANDARD_INPUT.into(), path: None, size: None }]);
    }
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if metadata.is_dir() {
        return list_directory(path, extension, warnings);
    }
    Ok(vec![InputFile {
        name: path.into(),
        path: Some(path.into()),
        size: metadata.is_file().then_some(metadata.len()),
    }])
}

fn list_directory(
    directory: &str,
    extension: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<InputFile>, Error> {
    let mut skipped = Vec::new();
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, error))? {
        let path = entry.map_err(|error| unreadable(directory, error))?.path();
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            continue;
        };
        if extension.is_some_and(|extension| !name.ends_with(extension)) {
            continue;
        }
        let shown = Path::new(directory).join(&name).to_string_lossy().into_owned();
        // Follows links, as opening it does.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // One stale link is no reason to leave out all the others.
            Err(_) if path.is_symlink() => {
                skipped.push(format!("{shown} is skipped: it is a link that leads to no file"));
                continue;
            }
            Err(error) => return Err(unreadable(&shown, error)),
        };
        if metadata.is_file() {
            files.push(InputFile { name: shown.into(), path: Some(path), size: Some(metadata.len()) });
        }
    }
    if files.is_empty() {
        let which =
            extension.map_or_else(String::new, |extension| format!(" whose name ends in {extension:?}"));
        let also = if skipped.is_empty() { String::new() } else { format!("; {}", skipped.join("; ")) };
        return Err(Error::new(
            ErrorKind::Input,
            format!(
                "the directory {directory:?} holds no file{which} (its subdirectories are not searched); set \
                 `file_extension`, \"*\" for all files{also}"
            ),
        ));
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    warnings.append(&mut skipped);
    Ok(files)
}

pub(super) fn unreadable(path: &str, error: io::Error) -> Error {
    let what = match error.kind() {
        IoErrorKind::NotFound => format!("there is no file or directory {path:?}"),
        IoErrorKind::PermissionDenied => format!("reading {path:?} is not permitted"),
        _ => format!("cannot read {path:?}"),
    };
    Error::new(ErrorKind::Input, what).with_source(error)
}

impl InputFile {
    /// Opens it, and looks whether it is compressed.
    pub(super) fn open(&self) -> Result<Opened, Error> {
        let stream: Box<dyn Read + Send> = match &self.path {
            None => Box::new(io::stdin()),
            Some(path) => Box::new(File::open(path).map_err(|error| unreadable(&self.name, error))?),
        };
        unpack(stream).map_err(|error| unreadable(&self.name, error))
    }

    /// Opens it for what comes after the first `offset` bytes of its text. Those of a compressed file are unpacked and
    /// passed over.
    pub(super) fn open_at(&self, offset: u64) -> Result<Opened, Error> {
        let Some(path) = &self.path else {
            return Err(Error::new(ErrorKind::Input, "standard input has no place to go on at"));
        };
        let opened = File::open(path).and_then(|mut file| {
            if is_compressed(&mut file)? {
                file.rewind()?;
                let opened = unpack(file)?;
                return Ok(Opened { text: pass_over(opened.text, offset)?, ..opened });
            }
            if offset > file.metadata()?.len() {
                return Err(too_short());
            }
            file.seek(SeekFrom::Start(offset))?;
            let read = Arc::new(AtomicU64::new(offset));
            let text = Counted { stream: file, read: Arc::clone(&read), failed: Arc::default() };
            Ok(Opened { text: Box::new(text), read })
        });
        opened.map_err(|error| unreadable(&self.name, error))
    }
}

/// A file of `size` bytes that was read to its end.
pub(super) fn ended(size: Option<u64>) -> Opened {
    Opened { text: Box::new(io::empty()), read: Arc::new(AtomicU64::new(size.unwrap_or(0))) }
}

fn too_short() -> io::Error {
    io::Error::new(IoErrorKind::UnexpectedEof, "it ends before the place where the last run stopped")
}

fn is_compressed(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(GZIP_MARK.len());
    file.take(GZIP_MARK.len() as u64).read_to_end(&mut head)?;
    Ok(head == GZIP_MARK)
}

/// Takes the first `count` bytes off `text`, in the pieces in which they are read otherwise: how much can be unpacked of
/// data that is corrupt depends on them.
fn pass_over(mut text: Box<dyn Read + Send>, count: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut piece = vec![0; UNPACKED_READ];
    let mut left = count;
    while left > 0 {
        let read = match text.read(&mut piece) {
            Ok(0) => return Err(too_short()),
            Ok(read) => read,
            Err(error) if error.kind() == IoErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read as u64 > left {
            let passed = usize::try_from(left).unwrap_or(read);
            let rest = piece.get(passed..read).unwrap_or_default().to_vec();
            return Ok(Box::new(io::Cursor::new(rest).chain(text)));
        }
        left -= read as u64;
    }
    Ok(text)
}

/// The text of `stream`, which may be compressed with gzip: its first bytes say so.
pub(super) fn unpack(stream: impl Read + Send + 'static) -> io::Result<Opened> {
    let read = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicBool::new(false));
    let mut stream = Counted { stream, read: Arc::clone(&read), failed: Arc::clone(&failed) };
    let mut head = Vec::with_capacity(GZIP_MARK.len());
    (&mut stream).take(GZIP_MARK.len() as u64).read_to_end(&mut head)?;
    let compressed = head == GZIP_MARK;
    let whole = io::Cursor::new(head).chain(stream);
    let text: Box<dyn Read + Send> = if compressed {
        Box::new(Unpacked {
            decoder: MultiGzDecoder::new(BufReader::with_capacity(COMPRESSED_READ, whole)),
            failed,
        })
    } else {
        Box::new(whole)
    };
    Ok(Opened { text, read })
}

/// Counts what is read, and remembers whether reading failed.
struct Counted<R> {
    stream: R,
    read: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.stream.read(buffer);
        match &result {
            Ok(count) => {
                self.read.fetch_add(*count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            Err(_) => self.failed.store(true, Ordering::Relaxed),
        }
        result
    }
}

/// Unpacks, and tells corrupt data from data that can't be read.
struct Unpacked<R> {
    decoder: MultiGzDecoder<R>,
    failed: Arc<AtomicBool>,
}

impl<R: io::BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(UNPACKED_READ);
        self.decoder.read(buffer.get_mut(..room).unwrap_or_default()).map_err(|error| {
            if error.kind() == IoErrorKind::Interrupted || self.failed.load(Ordering::Relaxed) {
                return error;
            }
            io::Error::new(IoErrorKind::InvalidData, CorruptGzip(error.to_string()))
        })
    }
}
