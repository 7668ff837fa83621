//! Places in an input, and how an input is known again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place between two records, where reading can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The number of the file among the input's [`files`](Input::files).
    pub file: u32,
    /// Records of that file that stand before it.
    pub record: u64,
    /// Bytes of that file's text, unpacked, that stand before it.
    pub offset: u64,
    /// How the text goes on there.
    pub form: Form,
}

/// What may come at a [`Position`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The file's first byte, which says what the file is.
    #[default]
    Start,
    /// In an array, behind an element: a comma, or the array's end.
    Array,
    /// In an array, behind a comma: an element.
    ArrayElement,
    /// Behind the array's end: nothing but white space.
    AfterArray,
    /// Objects with white space between them.
    Objects,
    /// Nothing more.
    End,
}

/// What a source reads, so that it is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Where it is: for files an absolute path.
    pub path: String,
    /// Its files, in the order in which they are read.
    pub files: Vec<InputFile>,
}

/// One file of an [`Input`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its name, without the directory.
    pub name: String,
    /// Bytes on the disk.
    pub size: u64,
    /// When it was last changed, RFC 3339.
    pub modified: String,
    /// SHA-256 of its first and its last 64 KiB, in hexadecimal digits.
    pub ends: String,
}

/// Changes that a message lists.
const LISTED: usize = 3;

impl Input {
    /// What is different in `now`, in words; `None` if nothing is.
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
            changes.push("its files come in another order".into());
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
            return Some(format!("the content of {name:?} is another one"));
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

/// How two inputs differ. Shown, it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes(Vec<String>);

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, change) in self.0.iter().take(LISTED).enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            f.write_str(change)?;
        }
        match self.0.len().saturating_sub(LISTED) {
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
    fn each_change_is_named() {
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
            ("the content of \"b\" is another one", |now| now.files[1].ends = "cd".into()),
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
    fn a_few_changes_stand_for_many() {
        let before = input((0..9).map(|number| file(&number.to_string())).collect());
        let said = before.changes(&input(Vec::new())).unwrap().to_string();
        assert!(said.ends_with("\"2\" is gone; and 6 more"), "{said}");
    }
}
