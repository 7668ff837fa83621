//! The directory of a pipeline's local state: lock, resume checkpoint and dead letters.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::shard::Shard;
use crate::hex::hex;

/// Characters of a pipeline's name that go into its directory's name; a hash distinguishes longer names.
const MAX_NAME: usize = 80;

/// Identifies a pipeline; the name of its directory.
///
/// A pipeline without a name is identified by what it reads and where it writes, never by credentials or
/// tuning, so that a run with a new token continues where the old token was refused.
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
        // A name that was changed could collide with another one, `.` and `..` cannot be created, and some
        // file systems ignore case.
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

    /// `source_config` is the text of the source's config; it must not depend on the order of keys.
    pub(super) fn of_parts(
        source_type: &str,
        source_config: &str,
        sink_type: &str,
        origin: Option<&str>,
    ) -> Self {
        let hash = short_hash([source_type, source_config, sink_type, origin.unwrap_or_default()]);
        Self(format!("{}-{hash}", Self::of_name(source_type).0))
    }

    /// The key of one of several senders of this pipeline.
    pub(super) fn of_shard(self, shard: Shard) -> Self {
        Self(self.0 + &shard.suffix())
    }

    /// The directory of this pipeline below `root`.
    pub(super) fn directory(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

/// 16 hexadecimal digits that differ when any part does.
fn short_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // With its length, so that different parts never make up the same text.
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let start: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
    hex(&start)
}

/// `$XDG_STATE_HOME/datahub-emit`, or `~/.local/state/datahub-emit`; `None` if there is no home directory
/// either.
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
    fn a_plain_name_is_the_name_of_the_directory() {
        assert_eq!(PipelineKey::of_name("hive-nightly.v2").0, "hive-nightly.v2");
    }

    #[test]
    fn unusual_names_do_not_collide() {
        let names = ["a/b", "a_b", "a b", "A_b", "..", ".", "", "ä", "ö", &"x".repeat(200), &"x".repeat(201)];
        let keys: std::collections::HashSet<_> =
            names.iter().map(|name| PipelineKey::of_name(name).0.to_lowercase()).collect();
        assert_eq!(keys.len(), names.len(), "{keys:?}");
    }

    #[test]
    fn different_parts_have_different_keys() {
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
