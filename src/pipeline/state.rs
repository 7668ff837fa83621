//! Where a pipeline keeps what it has to remember: one directory for each pipeline.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The longest directory name that is made of a pipeline's name; the rest is told apart by a hash.
const MAX_NAME: usize = 80;

/// Says which pipeline a state belongs to.
///
/// A pipeline with a name is known by it. One without is known by what it reads and where it writes, never by
/// credentials or tuning, so that a new token goes on where the old one was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PipelineKey(String);

impl PipelineKey {
    pub(super) fn of_name(name: &str) -> Self {
        let safe: String = name
            .chars()
            .map(|character| match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
                _ => '_',
            })
            .take(MAX_NAME)
            .collect();
        // A name that had to be changed could meet another one, `.` and `..` are no names, and some file systems do
        // not tell upper case from lower.
        if !safe.is_empty()
            && safe == name
            && !safe.starts_with('.')
            && !name.contains(|character: char| character.is_ascii_uppercase())
        {
            Self(safe)
        } else {
            Self(format!("{}-{}", safe.trim_start_matches('.'), short_hash([name])))
        }
    }

    /// `source_config` is the text of the source's config, in a form that does not depend on the order of keys.
    pub(super) fn of_parts(
        source_type: &str,
        source_config: &str,
        sink_type: &str,
        origin: Option<&str>,
    ) -> Self {
        let hash = short_hash([source_type, source_config, sink_type, origin.unwrap_or_default()]);
        Self(format!("{}-{hash}", Self::of_name(source_type).0))
    }

    /// The directory of this pipeline below `root`.
    pub(super) fn directory(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

/// Makes `directory` with all above it that is missing, so that it survives a loss of power: what is kept in it counts on
/// that.
pub(super) fn make_directory(directory: &Path) -> std::io::Result<()> {
    let missing =
        directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).count();
    std::fs::create_dir_all(directory)?;
    directory.ancestors().skip(1).take(missing).try_for_each(sync_directory)
}

/// Returns when the names in `directory` would survive a loss of power.
#[cfg(unix)]
pub(super) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    std::fs::File::open(directory)?.sync_all()
}

/// Elsewhere a directory cannot be opened, and need not be.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "has the form that it has on Unix")]
pub(super) fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// 16 hexadecimal digits that differ when any part does.
fn short_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts are one text.
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let start: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
    hex(&start)
}

/// `$XDG_STATE_HOME/datahub-emit`, or `~/.local/state/datahub-emit`; `None` if there is no home directory either.
pub(super) fn default_root(state_home: Option<&str>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The XDG base directory specification: a relative path is to be ignored.
    let state_home = state_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = state_home.or_else(|| home.map(|home| home.join(".local").join("state")))?;
    Some(base.join("datahub-emit"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_is_the_directorys_name() {
        assert_eq!(PipelineKey::of_name("hive-nightly.v2").0, "hive-nightly.v2");
    }

    #[test]
    fn odd_names_do_not_meet() {
        let names = ["a/b", "a_b", "a b", "A_b", "..", ".", "", "ä", "ö", &"x".repeat(200), &"x".repeat(201)];
        let keys: std::collections::HashSet<_> =
            names.iter().map(|name| PipelineKey::of_name(name).0.to_lowercase()).collect();
        assert_eq!(keys.len(), names.len(), "{keys:?}");
    }

    #[test]
    fn parts_are_told_apart() {
        let key = PipelineKey::of_parts("file", "{\"path\":\"a\"}", "datahub-rest", Some("http://gms:8080"));
        assert_ne!(
            key,
            PipelineKey::of_parts("file", "{\"path\":\"a\"}", "datahub-rest", Some("http://other"))
        );
        assert_ne!(
            key,
            PipelineKey::of_parts("file", "{\"path\":\"b\"}", "datahub-rest", Some("http://gms:8080"))
        );
        assert!(key.0.starts_with("file-"), "{key:?}");
    }

    #[test]
    fn a_relative_state_home_is_ignored() {
        let home = || Some(PathBuf::from("/home/u"));
        assert_eq!(default_root(Some("/s"), home()), Some("/s/datahub-emit".into()));
        assert_eq!(default_root(Some("s"), home()), Some("/home/u/.local/state/datahub-emit".into()));
        assert_eq!(default_root(None, None), None);
    }

    proptest! {
        #[test]
        fn a_name_is_always_one_safe_path_component(name in ".*") {
            let key = PipelineKey::of_name(&name).0;
            prop_assert!(!key.is_empty() && key != "." && key != ".." && key.len() <= MAX_NAME + 17);
            prop_assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        }
    }
}
