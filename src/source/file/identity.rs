//! The identity of files, by which a later run recognises them without reading them completely.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::open::{STANDARD_INPUT, SourceFile, unreadable};
use crate::Error;
use crate::hex::hex;
use crate::source::Input;

/// The number of bytes at the start, and at the end, of a file that are hashed.
const HASHED_BYTES: u64 = 64 * 1024;

/// The identity of the files of `path`; `None` for an input that can be read only once, as standard input or
/// a named pipe.
pub(super) fn of(path: &str, files: &[SourceFile]) -> Result<Option<Input>, Error> {
    if path == STANDARD_INPUT || files.is_empty() {
        return Ok(None);
    }
    let absolute = fs::canonicalize(path).map_err(|error| unreadable(path, error))?;
    let mut known = Vec::with_capacity(files.len());
    for file in files {
        let (Some(path), Some(_)) = (&file.path, file.size) else {
            return Ok(None);
        };
        // The name of the file itself, however the recipe writes the path.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match inspect(path, &name).map_err(|error| unreadable(&file.name, error))? {
            Some(file) => known.push(file),
            None => return Ok(None),
        }
    }
    Ok(Some(Input { path: absolute.to_string_lossy().into_owned(), files: known }))
}

fn inspect(path: &Path, name: &str) -> io::Result<Option<crate::source::InputFile>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let size = metadata.len();
    let mut hasher = Sha256::new();
    for start in [0, size.saturating_sub(HASHED_BYTES)] {
        file.seek(SeekFrom::Start(start))?;
        let mut end = Vec::new();
        (&mut file).take(HASHED_BYTES).read_to_end(&mut end)?;
        hasher.update(&end);
    }
    let ends = hex(&hasher.finalize());
    let modified = Timestamp::try_from(metadata.modified()?).unwrap_or_default().to_string();
    Ok(Some(crate::source::InputFile { name: name.to_owned(), size, modified, ends }))
}
