//! Positions in an input, and the identity of an input.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A position between two records, from which reading can continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The index of the file in [`Input::files`].
    pub file: u32,
    /// The number of records of that file before the position.
    pub record: u64,
    /// The number of bytes of that file's uncompressed text before the position.
    pub offset: u64,
    /// The structure of the text after the position.
    pub form: Form,
}

/// The structure of the text after a [`Position`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The start of the file, whose first byte determines the structure.
    #[default]
    Start,
    /// In an array, after an element: a comma, or the end of the array.
    Array,
    /// In an array, after a comma: an element.
    ArrayElement,
    /// After the end of the array: nothing but white space.
    AfterArray,
    /// Objects with white space between them.
    Objects,
    /// The end of the file.
    End,
}

/// The identity of the input of a source, by which a later run recognises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its location; for files an absolute path.
    pub path: String,
    /// Its files, in the order in which they are read.
    pub files: Vec<InputFile>,
}

/// One file of an [`Input`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// The name without the directory.
    pub name: String,
    /// The size on disk, in bytes.
    pub size: u64,
    /// The time of the last modification, RFC 3339.
    pub modified: String,
    /// The SHA-256 of the first and the last 64 KiB together, in hexadecimal.
    pub ends: String,
}

/// The maximum number of changes that a message lists.
const MAX_LISTED: usize = 3;

impl Input {
    /// The differences between this input and `now`; `None` if there are none.
    pub fn changes(&self, now: &Self) -> Option<Changes> {
        let mut changes = Vec::new();
        if self.path != now.path {
            changes.push(format!("it was {:?}, and is {:?}", self.path, now.path));
            return Some(Changes(changes));
        }
        let before = |name: &str| self.files.iter().find(|file| file.name == name);
        for file in &now.files {
            match before(&file.name) {
                None => changes.push(format!("{:?} is new", file.name)),
                Some(before) => changes.extend(before.changes(file)),
            }
        }
        for file in &self.files {
            if !now.files.iter().any(|other| other.name == file.name) {
                changes.push(format!("{:?} is gone", file.name));
            }
        }
        if changes.is_empty() && self.files != now.files {
            changes.push("its files are in another order".into());
        }
        (!changes.is_empty()).then_some(Changes(changes))
    }
}

impl InputFile {
    fn changes(&self, now: &Self) -> Option<String> {
        let name = &self.name;
        if self.size != now.size {
            return Some(format!("the size of {name:?} was {} bytes, and is {}", self.size, now.size));
        }
        if self.ends != now.ends {
            return Some(format!("the content of {name:?} has changed"));
        }
        (self.modified != now.modified).then(|| {
            format!(
                "the modification time (mtime) of {name:?} was {}, and is {}; its size, its beginning and its end are \
                 the same",
                self.modified, now.modified
            )
        })
    }
}

/// The differences between two inputs; [`Display`](fmt::Display) gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes(Vec<String>);

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, change) in self.0.iter().take(MAX_LISTED).enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            f.write_str(change)?;
        }
        match self.0.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> InputFile {
        InputFile { name: name.into(), size: 10, modified: "2026-11-25T10:00:00Z".into(), ends: "ab".into() }
    }

    fn input(files: Vec<InputFile>) -> Input {
        Input { path: "/data".into(), files }
    }

    #[test]
    fn each_change_is_described() {
        let before = input(vec![file("a"), file("b")]);
        assert_eq!(before.changes(&before), None);
        let changed = |change: fn(&mut Input)| {
            let mut now = before.clone();
            change(&mut now);
            before.changes(&now).expect("it changed").to_string()
        };
        for (words, change) in [
            ("it was \"/data\", and is \"/other\"", (|now| now.path = "/other".into()) as fn(&mut Input)),
            ("the size of \"a\" was 10 bytes, and is 11", |now| now.files[0].size = 11),
            ("the content of \"b\" has changed", |now| now.files[1].ends = "cd".into()),
            ("(mtime) of \"a\" was 2026-11-25T10:00:00Z, and is 2027", |now| {
                now.files[0].modified = "2027-01-01T00:00:00Z".into();
            }),
            ("\"c\" is new", |now| now.files.push(file("c"))),
            ("\"b\" is gone", |now| now.files.truncate(1)),
            ("another order", |now| now.files.reverse()),
        ] {
            let said = changed(change);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn only_the_first_changes_are_listed() {
        let before = input((0..9).map(|number| file(&number.to_string())).collect());
        let said = before.changes(&input(Vec::new())).unwrap().to_string();
        assert!(said.ends_with("\"2\" is gone; and 6 more"), "{said}");
    }
}
