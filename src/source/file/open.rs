//! Finds and opens the files of a path, and decompresses them.

use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, ErrorKind as IoErrorKind, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use flate2::bufread::MultiGzDecoder;

use crate::{Error, ErrorKind};

/// The path that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// The number of bytes of compressed data that are read at once.
const COMPRESSED_READ: usize = 64 * 1024;

/// The maximum number of bytes that are decompressed at once. Text that is decompressed together with corrupt
/// data is lost.
const UNPACKED_READ: usize = 32 * 1024;

const GZIP_MARK: [u8; 2] = [0x1F, 0x8B];

/// A file of the input.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// The path as the user gave it; for a file of a directory, the given directory and the name of the file.
    pub(super) name: Arc<str>,
    /// `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// The size on disk in bytes, if it is a regular file.
    pub(super) size: Option<u64>,
    /// The state of a regular file when the source was opened.
    pub(super) version: Option<FileVersion>,
}

/// Size and modification time of a file, by which a change is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileVersion {
    size: u64,
    modified: Option<SystemTime>,
}

impl FileVersion {
    fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self { size: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// A file that is being read.
pub(super) struct OpenedFile {
    /// A second handle to the file itself, which has its state after reading also if its path now names
    /// another file. `None` for streams.
    pub(super) file: Option<File>,
    /// The uncompressed text.
    pub(super) text: Box<dyn Read + Send>,
    /// The number of bytes that were read from disk.
    pub(super) read: Arc<AtomicU64>,
}

/// The gzip data is corrupt, as opposed to unreadable.
#[derive(Debug, thiserror::Error)]
#[error("the gzip data is truncated or corrupt ({0})")]
pub(super) struct CorruptGzip(String);

/// The files of `path`, in the order of their names. In a directory, those on the first level whose names end
/// in `extension`; a single file may have any name.
pub(super) fn list(
    path: &str,
    extension: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<SourceFile>, Error> {
    if path == STANDARD_INPUT {
        return Ok(vec![SourceFile { name: STANDARD_INPUT.into(), path: None, size: None, version: None }]);
    }
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if metadata.is_dir() {
        return list_directory(path, extension, warnings);
    }
    Ok(vec![SourceFile {
        name: path.into(),
        path: Some(path.into()),
        size: metadata.is_file().then_some(metadata.len()),
        version: FileVersion::of(&metadata),
    }])
}

fn list_directory(
    directory: &str,
    extension: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<SourceFile>, Error> {
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
            // A broken link must not prevent reading the other files.
            Err(_) if path.is_symlink() => {
                skipped.push(format!("{shown} is skipped: it is a link without a target"));
                continue;
            }
            Err(error) => return Err(unreadable(&shown, error)),
        };
        if metadata.is_file() {
            files.push(SourceFile {
                name: shown.into(),
                path: Some(path),
                size: Some(metadata.len()),
                version: FileVersion::of(&metadata),
            });
        }
    }
    if files.is_empty() {
        let which =
            extension.map_or_else(String::new, |extension| format!(" whose name ends in {extension:?}"));
        let also = if skipped.is_empty() { String::new() } else { format!("; {}", skipped.join("; ")) };
        return Err(Error::new(
            ErrorKind::Input,
            format!(
                "the directory {directory:?} contains no file{which} (its subdirectories are not searched); set \
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

impl SourceFile {
    /// Opens it, and decompresses it if its first bytes are those of gzip.
    pub(super) fn open(&self) -> Result<OpenedFile, Error> {
        let opened = match &self.path {
            None => unpack(io::stdin()),
            Some(path) => File::open(path).and_then(|file| {
                let watched = file.try_clone()?;
                Ok(OpenedFile { file: Some(watched), ..unpack(file)? })
            }),
        };
        opened.map_err(|error| unreadable(&self.name, error))
    }

    /// Fails if `file`, which was read to its end, has changed since the source was opened: records may be
    /// missing then, or come from two versions of the file.
    pub(super) fn check_unchanged(&self, file: &File) -> Result<(), Error> {
        let Some(before) = self.version else { return Ok(()) };
        let metadata = file.metadata().map_err(|error| unreadable(&self.name, error))?;
        let change = match FileVersion::of(&metadata) {
            Some(now) if now == before => return Ok(()),
            Some(now) if now.size != before.size => {
                format!("it had {} bytes at the start and has {} now", before.size, now.size)
            }
            _ => "its modification time is another one now".to_owned(),
        };
        let name = &self.name;
        Err(Error::new(
            ErrorKind::Input,
            format!(
                "{name:?} has changed while it was read: {change}. Records may be missing; run again when no \
                 program writes the file"
            ),
        ))
    }

    /// Opens it at `offset` bytes of its text. In a compressed file, the bytes before that are decompressed
    /// and skipped.
    pub(super) fn open_at(&self, offset: u64) -> Result<OpenedFile, Error> {
        let Some(path) = &self.path else {
            return Err(Error::new(ErrorKind::Input, "standard input cannot be resumed"));
        };
        let opened = File::open(path).and_then(|mut file| {
            let watched = Some(file.try_clone()?);
            if is_compressed(&mut file)? {
                file.rewind()?;
                let opened = unpack(file)?;
                return Ok(OpenedFile { file: watched, text: skip_text(opened.text, offset)?, ..opened });
            }
            if offset > file.metadata()?.len() {
                return Err(too_short());
            }
            file.seek(SeekFrom::Start(offset))?;
            let read = Arc::new(AtomicU64::new(offset));
            let text = Counted { stream: file, read: Arc::clone(&read), failed: Arc::default() };
            Ok(OpenedFile { file: watched, text: Box::new(text), read })
        });
        opened.map_err(|error| unreadable(&self.name, error))
    }
}

/// A file of `size` bytes that was read to its end.
pub(super) fn ended(size: Option<u64>) -> OpenedFile {
    OpenedFile { file: None, text: Box::new(io::empty()), read: Arc::new(AtomicU64::new(size.unwrap_or(0))) }
}

fn too_short() -> io::Error {
    io::Error::new(IoErrorKind::UnexpectedEof, "it ends before the position at which the last run stopped")
}

fn is_compressed(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(GZIP_MARK.len());
    file.take(GZIP_MARK.len() as u64).read_to_end(&mut head)?;
    Ok(head == GZIP_MARK)
}

/// Skips the first `count` bytes of `text`. It reads pieces of the usual size, because the amount that can be
/// decompressed of corrupt data depends on it.
fn skip_text(mut text: Box<dyn Read + Send>, count: u64) -> io::Result<Box<dyn Read + Send>> {
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

/// The text of `stream`, which is decompressed if its first bytes are those of gzip.
pub(super) fn unpack(stream: impl Read + Send + 'static) -> io::Result<OpenedFile> {
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
    Ok(OpenedFile { file: None, text, read })
}

/// Counts the bytes that are read, and remembers whether reading failed.
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

/// Decompresses, and distinguishes corrupt data from a failed read.
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
