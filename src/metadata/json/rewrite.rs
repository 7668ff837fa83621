//! Rewrites an aspect to the form that GMS accepts.
//!
//! Metadata files contain aspects in the dialect of Python's Avro classes, old files more of it than new
//! ones. In an aspect that the model knows, each rule applies at certain places ([`Node`]), never to a shape
//! alone:
//!
//! - A null member is removed, at every depth; null in an array stays. GMS takes an absent member for null,
//!   and rejects null itself. `pre_json_transform` in `rest_emitter.py` does the same.
//! - At a union, an object of one member is the union's tag and stays. A class in `com.linkedin.pegasus2avro`
//!   moves to `com.linkedin`, where GMS has it.
//! - At a union, a string, a number or a boolean without a tag gets one, as from Python's classes: GMS
//!   rejects a union without a tag.
//! - At a union with aliases, the `fieldDiscriminator` and all members but the one that it names are removed.
//! - Anywhere else in a record, an object of one member named `string`, `int`, `long`, `float`, `double`,
//!   `boolean` or `array`, with a value of that type, is Avro's type tag of a nullable field. It is replaced
//!   by the value.
//! - Below a map, whose keys the user chose, nothing is rewritten unless the model knows a union there.
//!
//! Each decision is made when an object closes, on its remaining members, so rewriting twice equals rewriting
//! once.
//!
//! For an aspect that the model does not know ([`Role::Unknown`]) only the shape can decide, and the rules
//! are exactly those of `pre_json_transform`: the name of the only member of an object, null or not, moves to
//! `com.linkedin` if it is a class of Python's; an object with a `fieldDiscriminator` is reduced to the
//! member that it names; all other null members are removed.

mod mark;

use std::ops::Range;

use super::cursor::Cursor;
use super::error::JsonError;
use super::kind::Kind;
use super::walk::Visitor;
use crate::metadata::model::{Node, PYTHON_NAMESPACE, Role};
use mark::{Mark, decode, same_name};

/// The part of `com.linkedin.pegasus2avro.` that `com.linkedin.` lacks.
const PYTHON_ONLY: Range<usize> = "com.linkedin.".len()..PYTHON_NAMESPACE.len();

/// In Avro's form of a union with aliases, the member that names the selected member.
const DISCRIMINATOR: &[u8] = b"fieldDiscriminator";

/// Copies values by these rules, and reuses its memory.
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    frames: Vec<Frame>,
    members: Vec<Member>,
}

impl Rewriter {
    /// Appends the next value to `out`, compacted and rewritten; `root` is the place of the value in the
    /// model.
    ///
    /// # Errors
    /// When it is not valid JSON; `out` then ends with a part of it.
    pub(crate) fn rewrite(
        &mut self,
        cursor: &mut Cursor<'_>,
        root: &'static Node,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        self.frames.clear();
        self.members.clear();
        cursor.skip_white_space();
        let mut pass = Pass {
            text: cursor.text(),
            copied: cursor.offset(),
            out,
            frames: &mut self.frames,
            members: &mut self.members,
            root,
        };
        let (_, end) = cursor.walk(&mut pass)?;
        pass.copy_to(end);
        Ok(())
    }
}

/// The start of a tagged value of a union. Every union of the model that contains a number contains `double`.
fn union_tag(kind: Kind) -> Option<&'static [u8]> {
    match kind {
        Kind::String => Some(br#"{"string":"#),
        Kind::Integer | Kind::Fraction => Some(br#"{"double":"#),
        Kind::Boolean => Some(br#"{"boolean":"#),
        Kind::Null | Kind::Object | Kind::Array => None,
    }
}

/// An open object or array.
#[derive(Debug)]
struct Frame {
    object: bool,
    node: &'static Node,
    /// The node of the value of the current member.
    member_node: &'static Node,
    /// The number of members that were kept so far.
    kept: usize,
    /// The start of the current member in the output, including its comma.
    member: usize,
    /// The opening bracket in the output.
    open: usize,
    /// The meaning of the name of the first member that was kept, and the starts of its name and value in the
    /// output.
    mark: Mark,
    name: usize,
    value: usize,
    kind: Kind,
    /// The number of recorded members of the enclosing objects.
    members_before: usize,
    /// The value of the `fieldDiscriminator` in the text.
    discriminator: Option<Range<usize>>,
}

impl Frame {
    /// Whether its members are recorded, because only one of them may be kept.
    fn notes_members(&self) -> bool {
        self.object && matches!(self.node.role, Role::AliasedUnion | Role::Unknown)
    }
}

/// A member of an open object.
#[derive(Debug)]
struct Member {
    /// Its name in the text, without the quotes.
    name: Range<usize>,
    /// Its start in the output, without a comma; `None` if it is null and was removed.
    start: Option<usize>,
    /// It is the `fieldDiscriminator`.
    discriminates: bool,
}

struct Pass<'a> {
    text: &'a [u8],
    /// Everything before this offset has been copied or removed.
    copied: usize,
    out: &'a mut Vec<u8>,
    frames: &'a mut Vec<Frame>,
    /// The recorded members of the open objects, the outermost object first.
    members: &'a mut Vec<Member>,
    root: &'static Node,
}

impl Pass<'_> {
    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.text.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }

    /// The future offset in the output of the byte at `at`; nothing between the copied text and it is
    /// removed.
    fn position(&self, at: usize) -> usize {
        self.out.len() + (at - self.copied)
    }

    /// Records the start of a value that is not null; returns its node.
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

    /// Closes an object whose members were recorded.
    fn close_noted(&mut self, at: usize, frame: &Frame) {
        self.copy_to(at);
        let members = self.members.get(frame.members_before..).unwrap_or_default();
        let by_shape = frame.node.role == Role::Unknown;
        if let [only] = members
            && by_shape
            && frame.mark == Mark::PythonClass
        {
            if only.start.is_none() {
                // It is the tag of a union whose value is null.
                push_null(self.out, self.text, only);
            }
            self.out.drain(frame.name + PYTHON_ONLY.start..frame.name + PYTHON_ONLY.end);
        } else if let Some(named) = &frame.discriminator {
            let named = self.text.get(named.clone()).unwrap_or_default();
            let meant = members.iter().rposition(|member| {
                (by_shape || member.start.is_some())
                    && self.text.get(member.name.clone()).is_some_and(|name| same_name(name, named))
            });
            if let Some(meant) = meant {
                self.keep(frame, |index, _| index == meant);
            } else if !by_shape {
                // The named member is absent, so the members that are present are kept.
                self.keep(frame, |_, member| member.start.is_some() && !member.discriminates);
            }
        }
        self.members.truncate(frame.members_before);
    }

    /// Keeps only some of the members of an object in the output.
    fn keep(&mut self, frame: &Frame, is_kept: impl Fn(usize, &Member) -> bool) {
        let members = self.members.get(frame.members_before..).unwrap_or_default();
        let mut kept = Vec::new();
        for (index, member) in members.iter().enumerate().filter(|(index, member)| is_kept(*index, member)) {
            if !kept.is_empty() {
                kept.push(b',');
            }
            let Some(start) = member.start else {
                push_null(&mut kept, self.text, member);
                continue;
            };
            // The next member is preceded by a comma.
            let behind = members.get(index + 1..).unwrap_or_default().iter().find_map(|member| member.start);
            let end = behind.map_or(self.out.len(), |behind| behind - 1);
            kept.extend_from_slice(self.out.get(start..end).unwrap_or_default());
        }
        self.out.truncate(frame.open + 1);
        self.out.append(&mut kept);
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
            members_before: self.members.len(),
            discriminator: None,
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
        if frame.notes_members() {
            self.members.push(Member {
                name: start..end,
                start: Some(position - 1),
                discriminates: name == DISCRIMINATOR,
            });
        }
        if frame.kept == 0 {
            let is_record = is_root && frame.node.role == Role::Plain;
            frame.mark = if is_record { Mark::None } else { Mark::of(name) };
            if escaped && frame.mark == Mark::PythonClass {
                // The escapes shift the part that would be cut.
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
                    // The member before it was removed.
                    self.copy_to(at);
                    self.copied = at + 1;
                }
            }
            _ => {}
        }
    }

    fn scalar(&mut self, start: usize, end: usize, kind: Kind) {
        if let Some(frame) = self.frames.last_mut()
            && frame.object
        {
            let noted = if frame.notes_members() { self.members.last_mut() } else { None };
            if kind == Kind::Null {
                if let Some(member) = noted {
                    member.start = None;
                }
                let member = frame.member;
                self.copy_to(end);
                self.out.truncate(member);
                return;
            }
            if kind == Kind::String && noted.is_some_and(|member| member.discriminates) {
                frame.discriminator = Some(start + 1..end - 1);
            }
        }
        let node = self.begin_value(start, kind);
        if node.role == Role::Union
            && let Some(tag) = union_tag(kind)
        {
            self.copy_to(start);
            self.out.extend_from_slice(tag);
            self.copy_to(end);
            self.out.push(b'}');
        }
    }

    fn close(&mut self, at: usize, object: bool) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if frame.notes_members() {
            self.close_noted(at, &frame);
            return;
        }
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
            self.out.drain(frame.name + PYTHON_ONLY.start..frame.name + PYTHON_ONLY.end);
        }
    }
}

/// Appends a member that was removed because it is null.
fn push_null(out: &mut Vec<u8>, text: &[u8], member: &Member) {
    out.push(b'"');
    out.extend_from_slice(text.get(member.name.clone()).unwrap_or_default());
    out.extend_from_slice(b"\":null");
}
