//! Records which keys the readers of a recipe ask for, so that a schema can be derived from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The form of a key's value, as its reader asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyForm {
    /// The reader only looked whether the key is there, or reads its value by itself.
    Any,
    String,
    Boolean,
    /// The expected number, in words.
    Number(String),
    Seconds,
    Duration,
    Choice(Vec<&'static str>),
    Strings,
    /// The expected items, in words.
    Numbers(String),
    StringMap,
    Block,
    Blocks,
    BlocksByName,
}

/// The findings about one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordedKey {
    /// The forms that were asked for, the most specific ones last.
    pub(crate) forms: BTreeSet<KeyForm>,
    /// Why the key has no effect.
    pub(crate) ignored: Option<String>,
    /// A reader reported that it is missing.
    pub(crate) is_missing: bool,
}

/// The keys that were asked for, by their path: `sink.config.token`, `transformers[0].type`.
#[derive(Debug, Default)]
pub(crate) struct KeyRecorder {
    keys: Mutex<BTreeMap<String, RecordedKey>>,
}

impl KeyRecorder {
    pub(super) fn asked(&self, path: String, form: KeyForm) {
        self.change(path, |key| {
            key.forms.insert(form);
        });
    }

    pub(super) fn missing(&self, path: String) {
        self.change(path, |key| key.is_missing = true);
    }

    pub(super) fn ignored(&self, path: String, why: &str) {
        self.change(path, |key| key.ignored = Some(why.to_owned()));
    }

    fn change(&self, path: String, change: impl FnOnce(&mut RecordedKey)) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        change(keys.entry(path).or_default());
    }

    /// Takes what was recorded.
    pub(crate) fn take(&self) -> BTreeMap<String, RecordedKey> {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
