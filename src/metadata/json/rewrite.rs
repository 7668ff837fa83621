//! A known aspect as GMS takes it, whichever of DataHub's clients wrote it.
//!
//! Files hold aspects in the dialect of Python's Avro classes, old files more of it than new ones. The rules, each
//! applied by place in the aspect ([`Node`]) and never by shape alone:
//!
//! - A member that is null is left out, at every depth; null in an array stays (`rest_emitter.py`'s
//!   `pre_json_transform` does the same). GMS takes an absent member for null, and refuses null itself.
//! - Where a union is, an object of one member is its tag and stays; a class there moves from
//!   `com.linkedin.pegasus2avro` to `com.linkedin`, where GMS has it.
//! - Anywhere else in a record, an object of one member named `string`, `int`, `long`, `float`, `double`, `boolean` or
//!   `array`, with a value of that type, is Avro's mark of a nullable field, and its value takes its place.
//! - Below a map nothing is rewritten, for its keys are the user's own, unless the model knows a union there.
//!
//! All is decided when an object closes, on what is left of it, so rewriting twice is the same as rewriting once.

use super::cursor::{Cursor, Kind};
use super::error::JsonError;
use super::walk::Visitor;
use crate::metadata::model::{Node, PYTHON_NAMESPACE, Role};

/// What `com.linkedin.pegasus2avro.` has and `com.linkedin.` has not.
const LEFT_OUT: std::ops::Range<usize> = "com.linkedin.".len()..PYTHON_NAMESPACE.len();

/// Copies values by the rules; keeps its memory for the next one.
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    frames: Vec<Frame>,
}

impl Rewriter {
    /// Copies the value that comes next to the end of `out`, compact and rewritten; `root` is what it is.
    ///
    /// # Errors
    /// When it is not JSON; `out` then ends with a part of it.
    pub(crate) fn rewrite(
        &mut self,
        cursor: &mut Cursor<'_>,
        root: &'static Node,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        self.frames.clear();
        cursor.skip_white_space();
        let mut pass =
            Pass { text: cursor.text(), copied: cursor.offset(), out, frames: &mut self.frames, root };
        let (_, end) = cursor.walk(&mut pass)?;
        pass.copy_to(end);
        Ok(())
    }
}

/// An open object or array.
#[derive(Debug)]
struct Frame {
    object: bool,
    node: &'static Node,
    /// The place of the value of the current member.
    member_node: &'static Node,
    /// How many members are kept so far.
    kept: usize,
    /// Where the current member starts in the output, with its comma.
    member: usize,
    /// Where the object opens in the output.
    open: usize,
    /// Of the first member that is kept: what its name says, and where name and value start in the output.
    mark: Mark,
    name: usize,
    value: usize,
    kind: Kind,
}

/// What a name says of the object whose only member it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    /// A class in Python's namespace.
    PythonClass,
    /// An Avro type without a name of its own.
    Text,
    Integer,
    Number,
    Boolean,
    Array,
}

impl Mark {
    fn of(name: &[u8]) -> Self {
        match name {
            b"string" => Self::Text,
            b"int" | b"long" => Self::Integer,
            b"float" | b"double" => Self::Number,
            b"boolean" => Self::Boolean,
            b"array" => Self::Array,
            name if name.starts_with(PYTHON_NAMESPACE.as_bytes()) => Self::PythonClass,
            _ => Self::None,
        }
    }

    /// Whether the name is that of the value's type.
    fn fits(self, kind: Kind) -> bool {
        match self {
            Self::None | Self::PythonClass => false,
            Self::Text => kind == Kind::String,
            Self::Integer => kind == Kind::Integer,
            Self::Number => matches!(kind, Kind::Integer | Kind::Fraction),
            Self::Boolean => kind == Kind::Boolean,
            Self::Array => kind == Kind::Array,
        }
    }
}

struct Pass<'a> {
    text: &'a [u8],
    /// What is before this is in `out`, or left out.
    copied: usize,
    out: &'a mut Vec<u8>,
    frames: &'a mut Vec<Frame>,
    root: &'static Node,
}

impl Pass<'_> {
    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.text.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }

    /// Where in the output the text's byte `at` will be; nothing between it and what was copied is left out.
    fn position(&self, at: usize) -> usize {
        self.out.len() + (at - self.copied)
    }

    /// Notes that a value that is not null starts at `at`; returns its place.
    fn begin_value(&mut self, at: usize, kind: Kind) -> &'static Node {
        let position = self.position(at);
        let Some(frame) = self.frames.last_mut() else {
            return self.root;
        };
        if !frame.object {
            return frame.node.item();
        }
        if frame.kept == 0 {
            frame.value = position;
            frame.kind = kind;
        }
        frame.kept += 1;
        frame.member_node
    }
}

impl Visitor for Pass<'_> {
    fn white_space(&mut self, from: usize, to: usize) {
        self.copy_to(from);
        self.copied = to;
    }

    fn open(&mut self, at: usize, object: bool) {
        let node = self.begin_value(at, if object { Kind::Object } else { Kind::Array });
        let open = self.position(at);
        self.frames.push(Frame {
            object,
            node,
            member_node: node,
            kept: 0,
            member: open + 1,
            open,
            mark: Mark::None,
            name: open,
            value: open,
            kind: Kind::Null,
        });
    }

    fn key(&mut self, start: usize, end: usize, escaped: bool) {
        let position = self.position(start);
        let is_root = self.frames.len() == 1;
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let raw = self.text.get(start..end).unwrap_or_default();
        let decoded = if escaped { decode(raw) } else { None };
        let name = decoded.as_deref().unwrap_or(raw);
        frame.member_node = frame.node.member(name);
        if frame.kept == 0 {
            frame.mark = if is_root { Mark::None } else { Mark::of(name) };
            if escaped && frame.mark == Mark::PythonClass {
                // Its letters are not where they would be cut.
                frame.mark = Mark::None;
            }
            frame.name = position;
            if frame.mark == Mark::Array && frame.node.role == Role::Plain {
                frame.member_node = frame.node;
            }
        }
    }

    fn comma(&mut self, at: usize) {
        let position = self.position(at);
        match self.frames.last_mut() {
            Some(frame) if frame.object => {
                frame.member = position;
                if frame.kept == 0 {
                    // What it would separate from was left out.
                    self.copy_to(at);
                    self.copied = at + 1;
                }
            }
            _ => {}
        }
    }

    fn scalar(&mut self, start: usize, end: usize, kind: Kind) {
        if kind == Kind::Null
            && let Some(frame) = self.frames.last()
            && frame.object
        {
            let member = frame.member;
            self.copy_to(end);
            self.out.truncate(member);
            return;
        }
        self.begin_value(start, kind);
    }

    fn close(&mut self, at: usize, object: bool) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if !object || frame.kept != 1 {
            return;
        }
        if frame.node.role == Role::Plain && frame.mark.fits(frame.kind) {
            self.copy_to(at);
            self.copied = at + 1;
            self.out.drain(frame.open..frame.value);
            if let Some(outer) = self.frames.last_mut()
                && outer.kept == 1
            {
                outer.kind = frame.kind;
            }
        } else if matches!(frame.node.role, Role::Plain | Role::Union) && frame.mark == Mark::PythonClass {
            self.copy_to(at);
            self.out.drain(frame.name + LEFT_OUT.start..frame.name + LEFT_OUT.end);
        }
    }
}

/// The name that is meant by one with escapes, if a Rust string can hold it.
fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut quoted = Vec::with_capacity(raw.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
    let name = Cursor::new(&quoted, 0).ok()?.string().ok()?.decode().ok()?;
    Some(name.into_owned().into_bytes())
}
