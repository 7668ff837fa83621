//! What tells one state of a file from another without reading all of it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::open::{InputFile, STANDARD_INPUT, unreadable};
use crate::Error;
use crate::hex::hex;
use crate::source::Input;

/// So much of a file's beginning, and so much of its end, goes into its hash.
const END: u64 = 64 * 1024;

/// What `path` stands for; `None` where it is something that is gone when it was read, as standard input or a named pipe.
pub(super) fn of(path: &str, files: &[InputFile]) -> Result<Option<Input>, Error> {
    if path == STANDARD_INPUT || files.is_empty() {
        return Ok(None);
    }
    let absolute = fs::canonicalize(path).map_err(|error| unreadable(path, error))?;
    let mut known = Vec::with_capacity(files.len());
    for file in files {
        let (Some(path), Some(_)) = (&file.path, file.size) else {
            return Ok(None);
        };
        // Its own name, however the recipe's path to it is written.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match look(path, &name).map_err(|error| unreadable(&file.name, error))? {
            Some(file) => known.push(file),
            None => return Ok(None),
        }
    }
    Ok(Some(Input { path: absolute.to_string_lossy().into_owned(), files: known }))
}

fn look(path: &Path, name: &str) -> io::Result<Option<crate::source::InputFile>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let size = metadata.len();
    let mut hasher = Sha256::new();
    for start in [0, size.saturating_sub(END)] {
        file.seek(SeekFrom::Start(start))?;
        let mut end = Vec::new();
        (&mut file).take(END).read_to_end(&mut end)?;
        hasher.update(&end);
    }
    let ends = hex(&hasher.finalize());
    let modified = Timestamp::try_from(metadata.modified()?).unwrap_or_default().to_string();
    Ok(Some(crate::source::InputFile { name: name.to_owned(), size, modified, ends }))
}
