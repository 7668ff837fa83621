//! Standard output, which carries data only.

use std::io::{ErrorKind as IoErrorKind, Write as _};

use datahub_emitter::{Error, ErrorKind};

/// Writes `bytes` to standard output and flushes. A closed pipe (`| head -1`) is not an error.
///
/// # Errors
/// [`ErrorKind::Disk`], for example if standard output is a file on a full disk.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() != IoErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Disk, "cannot write to standard output").with_source(error))
        }
        _ => Ok(()),
    }
}
