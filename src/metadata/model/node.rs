//! The places of an aspect that decide how it is rewritten.

/// A place inside an aspect, and the places below it that are not [`PLAIN`].
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    members: &'static [(&'static str, &'static Self)],
    items: Option<&'static Self>,
    values: Option<&'static Self>,
}

/// The meaning of an object at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A record: an object of one member may be the Avro tag of a nullable field.
    Plain,
    /// A union: an object of one member is its tag.
    Union,
    /// A union with aliases for its members. In Avro it is a record of all members and a `fieldDiscriminator`
    /// that names the selected one; in GMS it is an object of the selected member.
    AliasedUnion,
    /// A map, whose keys the user chose.
    Map,
    /// A value below a map: nothing is known about it, and nothing is rewritten.
    Opaque,
    /// Any value in an aspect that the model does not know: only its shape is known.
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
/// An aspect that the model does not know, and everything in it.
pub(crate) static UNKNOWN: Node = Node::of(Role::Unknown);

impl Node {
    const fn of(role: Role) -> Self {
        Self { role, members: &[], items: None, values: None }
    }

    /// A record with these members, and others that are [`PLAIN`].
    pub(super) const fn record(members: &'static [(&'static str, &'static Self)]) -> Self {
        Self { members, ..Self::of(Role::Plain) }
    }

    /// An array of these items.
    pub(super) const fn array(items: &'static Self) -> Self {
        Self { items: Some(items), ..Self::of(Role::Plain) }
    }

    /// A map of these values.
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
