//! The keys of `source.config` for `type: file`.

use crate::recipe::{Fields, Reported};

/// The default of `max_record_bytes`, which is larger than anything that GMS accepts.
const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// The default of `max_depth`.
const MAX_DEPTH: usize = 256;

/// The configuration of the `file` source.
///
/// The keys are those of DataHub's own file source (`FileSourceConfig` in `ingestion/source/file.py`), and
/// also `max_record_bytes` and `max_depth`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSourceConfig {
    /// A file, a directory, or `-` for standard input.
    pub path: String,
    /// The end of the names of the files of a directory; `None` for all files. Default `.json`, as in
    /// DataHub.
    pub file_extension: Option<String>,
    /// Only proposals for this aspect are kept. Default: all.
    pub aspect: Option<String>,
    /// The maximum size of a record in bytes; a larger one is invalid. Default 64 MiB.
    pub max_record_bytes: usize,
    /// The maximum nesting of a record; one with more levels is invalid. Default 256.
    pub max_depth: usize,
}

impl FileSourceConfig {
    /// Reads `path`, with defaults for everything else.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            file_extension: Some(".json".into()),
            aspect: None,
            max_record_bytes: MAX_RECORD_BYTES,
            max_depth: MAX_DEPTH,
        }
    }

    /// Reads the keys of a recipe.
    ///
    /// # Errors
    /// After a mistake in them, which was reported to `fields`.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, Reported> {
        let path = read_path(fields);
        let file_extension = match fields.string("file_extension") {
            Some(given) => extension(&given),
            None => Some(".json".into()),
        };
        let aspect = fields.string("aspect");
        let size = fields.number(
            "max_record_bytes",
            1024..=1024 * 1024 * 1024_usize,
            "a number of bytes from 1024 to 1073741824",
        );
        let depth = fields.number("max_depth", 8..=4096_usize, "a number of levels from 8 to 4096");
        read_keys_without_effect(fields);
        Ok(Self {
            file_extension,
            aspect,
            max_record_bytes: size.unwrap_or(MAX_RECORD_BYTES),
            max_depth: depth.unwrap_or(MAX_DEPTH),
            ..Self::new(path.ok_or_else(|| fields.reported())?)
        })
    }
}

fn read_path(fields: &mut Fields<'_>) -> Option<String> {
    let (has_path, has_filename) = (fields.has("path"), fields.has("filename"));
    if has_path && has_filename {
        fields.mistake("filename", "`filename` is the old name of `path`: give one of the two");
    }
    let key = if has_filename && !has_path {
        fields.warn("`source.config.filename` is deprecated: call it `path`");
        "filename"
    } else {
        "path"
    };
    if !has_path && !has_filename {
        fields.missing(key, "a file, a directory, or `-` for standard input");
        return None;
    }
    let path = fields.string(key)?;
    match path_mistake(&path) {
        Some(mistake) => {
            fields.mistake(key, mistake);
            None
        }
        None => (!(has_path && has_filename)).then_some(path),
    }
}

/// The mistake in `path`, if it can never be read.
fn path_mistake(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("expected a file, a directory, or `-` for standard input, found an empty string".into());
    }
    let (scheme, _) = path.split_once("://")?;
    let remote = ["http", "https", "s3", "s3a", "s3n", "gs", "abfs", "abfss"];
    remote
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
        .then(|| {
            format!(
                "`{scheme}:` paths are not supported yet: copy the file to this machine, or pipe it in with `path: \"-\"`"
            )
        })
}

/// The end of the names: a leading dot is added to `given`, and `*` means any.
fn extension(given: &str) -> Option<String> {
    match given {
        "*" => None,
        _ if given.starts_with('.') => Some(given.into()),
        _ => Some(format!(".{given}")),
    }
}

fn read_keys_without_effect(fields: &mut Fields<'_>) {
    // It is read only to report an invalid value.
    let _: Option<()> = fields.choice("read_mode", &[("AUTO", ()), ("BATCH", ()), ("STREAM", ())]);
    fields.ignored("read_mode", "every file is streamed");
    let _: Option<bool> = fields.boolean("count_all_before_starting");
    fields.ignored("count_all_before_starting", "progress is the share of bytes that was read");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_get_their_dot_and_a_star_means_all() {
        assert_eq!(extension("json"), Some(".json".into()));
        assert_eq!(extension(".jsonl"), Some(".jsonl".into()));
        assert_eq!(extension("json.gz"), Some(".json.gz".into()));
        assert_eq!(extension("*"), None);
    }

    #[test]
    fn remote_paths_are_refused_by_name_and_local_ones_are_not() {
        for (path, scheme) in
            [("s3://bucket/key.json", "s3"), ("https://host/x.json", "https"), ("S3://b/k", "S3")]
        {
            let mistake = path_mistake(path).expect("it is remote");
            assert!(mistake.contains(&format!("`{scheme}:` paths are not supported yet")), "{mistake}");
        }
        for path in ["-", "a.json", "/tmp/x", "C:\\data", "odd://name", "s3.json", "./s3:/x"] {
            assert_eq!(path_mistake(path), None, "{path}");
        }
        assert!(path_mistake("").is_some());
    }
}
