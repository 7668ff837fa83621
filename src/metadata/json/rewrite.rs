//! A known aspect as GMS takes it, whichever of DataHub's clients wrote it.
//!
//! Files hold aspects in the dialect of Python's Avro classes, old files more of it than new ones. The rules, each
//! applied by place in the aspect ([`Node`]) and never by shape alone:
//!
//! - A member that is null is left out, at every depth; null in an array stays (`rest_emitter.py`'s
//!   `pre_json_transform` does the same). GMS takes an absent member for null, and refuses null itself.
//! - Where a union is, an object of one member is its tag and stays; a class there moves from
//!   `com.linkedin.pegasus2avro` to `com.linkedin`, where GMS has it.
//! - A text, a number or a boolean that stands in a union's place without a tag gets one, as Python's classes give it one:
//!   GMS takes no union without.
//! - Where a union with aliases is, a `fieldDiscriminator` is left out, and all but the member that it names.
//! - Anywhere else in a record, an object of one member named `string`, `int`, `long`, `float`, `double`, `boolean` or
//!   `array`, with a value of that type, is Avro's mark of a nullable field, and its value takes its place.
//! - Below a map nothing is rewritten, for its keys are the user's own, unless the model knows a union there.
//!
//! All is decided when an object closes, on what is left of it, so rewriting twice is the same as rewriting once.
//!
//! Of an aspect that the model does not know ([`Role::Unknown`]) there is nothing but its shape to go by, and the rules
//! are those of `pre_json_transform` to the letter: an object of one member, null or not, named by a class of Python's
//! moves to `com.linkedin`; an object with a `fieldDiscriminator` is reduced to the member that it names; all other
//! members that are null are left out.

mod mark;

use std::ops::Range;

use super::cursor::{Cursor, Kind};
use super::error::JsonError;
use super::walk::Visitor;
use crate::metadata::model::{Node, PYTHON_NAMESPACE, Role};
use mark::{Mark, decode, same_name};

/// What `com.linkedin.pegasus2avro.` has and `com.linkedin.` has not.
const LEFT_OUT: Range<usize> = "com.linkedin.".len()..PYTHON_NAMESPACE.len();

/// The member that names the one that is meant, of a union with aliases as Avro has it.
const DISCRIMINATOR: &[u8] = b"fieldDiscriminator";

/// Copies values by the rules; keeps its memory for the next one.
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    frames: Vec<Frame>,
    members: Vec<Member>,
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

/// The tag, opened, of a value in a union. Every union of the model that has a number has `double`.
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
    /// How many members are noted of the objects around it.
    members_before: usize,
    /// What the `fieldDiscriminator` says, where the text has it.
    discriminator: Option<Range<usize>>,
}

impl Frame {
    /// Whether its members are noted: it may be that only one of them is meant.
    fn notes_members(&self) -> bool {
        self.object && matches!(self.node.role, Role::AliasedUnion | Role::Unknown)
    }
}

/// A member of an open object.
#[derive(Debug)]
struct Member {
    /// Where the text has its name, without the quotes.
    name: Range<usize>,
    /// Where it starts in the output, without a comma; `None` if it is null and was left out.
    start: Option<usize>,
    /// Whether it is the `fieldDiscriminator`.
    discriminates: bool,
}

struct Pass<'a> {
    text: &'a [u8],
    /// What is before this is in `out`, or left out.
    copied: usize,
    out: &'a mut Vec<u8>,
    frames: &'a mut Vec<Frame>,
    /// Of the open objects that note them, the outer ones' first.
    members: &'a mut Vec<Member>,
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

    /// Closes an object whose members were noted.
    fn close_noted(&mut self, at: usize, frame: &Frame) {
        self.copy_to(at);
        let members = self.members.get(frame.members_before..).unwrap_or_default();
        let by_shape = frame.node.role == Role::Unknown;
        if let [only] = members
            && by_shape
            && frame.mark == Mark::PythonClass
        {
            if only.start.is_none() {
                // It is a union's tag, and what is null is the union's value.
                push_null(self.out, self.text, only);
            }
            self.out.drain(frame.name + LEFT_OUT.start..frame.name + LEFT_OUT.end);
        } else if let Some(named) = &frame.discriminator {
            let named = self.text.get(named.clone()).unwrap_or_default();
            let meant = members.iter().rposition(|member| {
                (by_shape || member.start.is_some())
                    && self.text.get(member.name.clone()).is_some_and(|name| same_name(name, named))
            });
            if let Some(meant) = meant {
                self.keep(frame, |index, _| index == meant);
            } else if !by_shape {
                // What it names is not there, so what is there must be it.
                self.keep(frame, |_, member| member.start.is_some() && !member.discriminates);
            }
        }
        self.members.truncate(frame.members_before);
    }

    /// Leaves only some of an object's members in the output.
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
            // Before the member behind it is a comma.
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
            self.out.drain(frame.name + LEFT_OUT.start..frame.name + LEFT_OUT.end);
        }
    }
}

/// Appends a member that was left out because it is null.
fn push_null(out: &mut Vec<u8>, text: &[u8], member: &Member) {
    out.push(b'"');
    out.extend_from_slice(text.get(member.name.clone()).unwrap_or_default());
    out.extend_from_slice(b"\":null");
}
