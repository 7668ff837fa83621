//! The places of an aspect at which the rules of rewriting change.

/// A place inside an aspect, and the places below it that are not [`PLAIN`].
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    members: &'static [(&'static str, &'static Self)],
    items: Option<&'static Self>,
    values: Option<&'static Self>,
}

/// What an object at a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A record: an object of one member may be the mark of a nullable field.
    Plain,
    /// A union: an object of one member is its tag.
    Union,
    /// A union with aliases for its members: Avro has it as a record of all of them and a `fieldDiscriminator` that names
    /// the one that is meant, GMS as an object of that one.
    AliasedUnion,
    /// A map: its keys are the user's own words.
    Map,
    /// Something below a map: nothing is known of it, and nothing is rewritten.
    Opaque,
    /// Anything in an aspect that the model does not know: only its shape tells what it is.
    Unknown,
}

/// A record without unions and maps.
pub(super) static PLAIN: Node = Node::of(Role::Plain);
/// A union.
pub(super) static UNION: Node = Node::of(Role::Union);
/// A union with aliases for its members.
pub(super) static ALIASED_UNION: Node = Node::of(Role::AliasedUnion);
/// A map whose values hold no union.
pub(super) static MAP: Node = Node::of(Role::Map);
/// A map's value.
static OPAQUE: Node = Node::of(Role::Opaque);
/// An aspect that the model does not know, and all that is in it.
pub(crate) static UNKNOWN: Node = Node::of(Role::Unknown);

impl Node {
    const fn of(role: Role) -> Self {
        Self { role, members: &[], items: None, values: None }
    }

    /// A record with these members, and others that need no node.
    pub(super) const fn record(members: &'static [(&'static str, &'static Self)]) -> Self {
        Self { members, ..Self::of(Role::Plain) }
    }

    /// An array of such items.
    pub(super) const fn array(items: &'static Self) -> Self {
        Self { items: Some(items), ..Self::of(Role::Plain) }
    }

    /// A map of such values.
    pub(super) const fn map(values: &'static Self) -> Self {
        Self { values: Some(values), ..Self::of(Role::Map) }
    }

    /// The place of the member `key` of an object at this place; `key` is decoded.
    pub(crate) fn member(&self, key: &[u8]) -> &'static Self {
        match self.role {
            Role::Plain if self.members.is_empty() => &PLAIN,
            Role::Plain => {
                self.members.iter().find(|(name, _)| name.as_bytes() == key).map_or(&PLAIN, |(_, node)| *node)
            }
            Role::Union | Role::AliasedUnion => &PLAIN,
            Role::Map => self.values.unwrap_or(&OPAQUE),
            Role::Opaque => &OPAQUE,
            Role::Unknown => &UNKNOWN,
        }
    }

    /// The place of an item of an array at this place.
    pub(crate) fn item(&self) -> &'static Self {
        match self.role {
            Role::Plain => self.items.unwrap_or(&PLAIN),
            Role::Union | Role::AliasedUnion => &PLAIN,
            Role::Map | Role::Opaque => &OPAQUE,
            Role::Unknown => &UNKNOWN,
        }
    }

    #[cfg(test)]
    pub(super) fn children(&self) -> impl Iterator<Item = (&'static str, &'static Self)> {
        self.members
            .iter()
            .copied()
            .chain(self.items.map(|node| ("[]", node)))
            .chain(self.values.map(|node| ("{}", node)))
    }
}
