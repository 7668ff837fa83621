//! References between entities: finding and removing them (`DeleteEntityService`).
//!
//! GMS also removes forms from entities and structured properties from the prompts of forms. These are not
//! relationships of the model and are not removed here.

pub(super) mod edges;

mod relationships;

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::failure::Failure;
use crate::store::row::AuditStamp;
use crate::store::write;
use crate::tree::{Node, NotText};
use crate::urn::Urn;
use crate::{keys, system_metadata};
use relationships::RELATIONSHIPS;

/// An aspect that refers to an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The URN of the entity that has the aspect.
    pub(super) entity: String,
    pub(super) aspect: String,
    pub(super) relationship: &'static str,
    /// The stored text of the aspect.
    metadata: String,
}

/// The number of distinct relationships: two entities have at most one of each name.
pub(super) fn relationships(references: &[Reference]) -> usize {
    let distinct: BTreeSet<_> = references.iter().map(|one| (&one.entity, one.relationship)).collect();
    distinct.len()
}

/// The references to an entity, ordered by the referring URN. The index must be up to date.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn find(connection: &Connection, urn: &str) -> Result<Vec<Reference>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT urn, aspect, metadata FROM aspect
         WHERE version = 0 AND (urn, aspect) IN (SELECT owner, aspect FROM edge WHERE destination = ?1)
         ORDER BY urn, aspect",
    )?;
    let mut rows = statement.query([urn])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (entity, aspect, metadata): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let mut names = BTreeSet::new();
        for (_, path, relationship) in RELATIONSHIPS.iter().filter(|(name, ..)| *name == aspect) {
            let taken = remove_at(&mut Node::new(metadata.as_str()), &steps(path), urn);
            if matches!(taken, Ok(Removal::Something | Removal::All) | Err(RemovalError::Required(_)))
                && names.insert(*relationship)
            {
                let (entity, aspect, metadata) = (entity.clone(), aspect.clone(), metadata.clone());
                found.push(Reference { entity, aspect, relationship, metadata });
            }
        }
    }
    Ok(found)
}

/// Removes references: the element of an array, the field of a record, or the record if the field is
/// required.
///
/// # Errors
/// 500 if a required field would be missing.
pub(super) fn remove(
    connection: &Connection,
    references: &[Reference],
    urn: &str,
    stamp: &AuditStamp,
) -> Result<(), Failure> {
    let aspects: BTreeSet<_> =
        references.iter().map(|one| (&one.entity, &one.aspect, &one.metadata)).collect();
    for (entity, aspect, metadata) in aspects {
        let mut value = Node::new(metadata.as_str());
        let mut gone = false;
        for (_, path, _) in RELATIONSHIPS.iter().filter(|(name, ..)| name == aspect) {
            gone |= remove_at(&mut value, &steps(path), urn)? == Removal::All;
        }
        if !gone {
            let system_metadata = system_metadata::default(stamp.time);
            write::put(connection, entity, aspect, &value.to_string(), &system_metadata, stamp)?;
        } else if Urn::parse(entity).is_ok_and(|urn| keys::aspect_name(urn.entity_type()) == *aspect) {
            write::delete_entity(connection, entity)?;
        } else {
            write::delete_aspect(connection, entity, aspect)?;
        }
    }
    Ok(())
}

/// A step of a path.
#[derive(Clone, Copy, Debug)]
enum PathStep {
    Element,
    Field { name: &'static str, optional: bool },
}

fn steps(path: &'static str) -> Vec<PathStep> {
    path.split('.')
        .map(|step| match step.strip_suffix('?') {
            _ if step == "*" => PathStep::Element,
            Some(name) => PathStep::Field { name, optional: true },
            None => PathStep::Field { name: step, optional: false },
        })
        .collect()
}

/// The parts that were removed from a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Nothing,
    Something,
    /// The value cannot exist without the removed part.
    All,
}

/// Why a reference cannot be removed.
#[derive(Debug)]
enum RemovalError {
    NotText(NotText),
    Required(&'static str),
}

impl From<NotText> for RemovalError {
    fn from(error: NotText) -> Self {
        Self::NotText(error)
    }
}

impl From<RemovalError> for Failure {
    fn from(error: RemovalError) -> Self {
        Self::internal(match error {
            RemovalError::NotText(error) => format!("java.lang.RuntimeException: {error}"),
            RemovalError::Required(name) => format!(
                "java.lang.UnsupportedOperationException: Delete failed! Failed to field with name {name} from \
                 DataMap. The field is required!"
            ),
        })
    }
}

/// Removes a URN at the end of a path (`DeleteEntityUtils.removeValueBasedOnPath`).
fn remove_at(value: &mut Node, path: &[PathStep], urn: &str) -> Result<Removal, RemovalError> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(if value.is_string() && value.as_text() == urn { Removal::All } else { Removal::Nothing });
    };
    match *step {
        PathStep::Element => {
            let Some(elements) = value.elements()? else { return Ok(Removal::Nothing) };
            let mut done = Removal::Nothing;
            let mut left = Vec::with_capacity(elements.len());
            for mut element in elements.drain(..) {
                let taken = remove_at(&mut element, rest, urn)?;
                if taken != Removal::Nothing {
                    done = Removal::Something;
                }
                if taken != Removal::All {
                    left.push(element);
                }
            }
            *elements = left;
            Ok(done)
        }
        PathStep::Field { name, optional } => {
            let Some(members) = value.members()? else { return Ok(Removal::Nothing) };
            let Some(member) = members.get_mut(name) else { return Ok(Removal::Nothing) };
            match remove_at(member, rest, urn)? {
                Removal::All if optional => {
                    members.remove(name);
                    Ok(Removal::Something)
                }
                Removal::All if rest.is_empty() || members.iter().count() == 1 => Ok(Removal::All),
                Removal::All => Err(RemovalError::Required(name)),
                taken => Ok(taken),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "urn:li:tag:t";

    fn taken(aspect: &str, text: &str) -> (String, Removal) {
        let mut value = Node::new(text);
        let mut done = Removal::Nothing;
        for (_, path, _) in RELATIONSHIPS.iter().filter(|(name, ..)| *name == aspect) {
            match remove_at(&mut value, &steps(path), TAG).unwrap() {
                Removal::Nothing => {}
                taken => done = taken,
            }
        }
        (value.to_string(), done)
    }

    #[test]
    fn elements_fields_and_records_are_removed() {
        for (aspect, before, after) in [
            (
                "globalTags",
                r#"{"tags":[{"tag":"urn:li:tag:t","context":"c"},{"tag":"x","n":1.0}],"tag":"urn:li:tag:t"}"#,
                r#"{"tags":[{"tag":"x","n":1.0}],"tag":"urn:li:tag:t"}"#,
            ),
            ("domains", r#"{"domains":["a","urn:li:tag:t"]}"#, r#"{"domains":["a"]}"#),
            ("glossaryTermInfo", r#"{"parentNode":"urn:li:tag:t","n":1}"#, r#"{"n":1}"#),
            (
                "ownership",
                r#"{"owners":[{"owner":"o","typeUrn":"urn:li:tag:\u0074"}]}"#,
                r#"{"owners":[{"owner":"o"}]}"#,
            ),
            (
                "schemaMetadata",
                r#"{"fields":[{"fieldPath":"urn:li:tag:t","globalTags":{"tags":[{"tag":"urn:li:tag:t"}]}}]}"#,
                r#"{"fields":[{"fieldPath":"urn:li:tag:t","globalTags":{"tags":[]}}]}"#,
            ),
            ("chartInfo", r#"{"inputs":[{"string":"urn:li:tag:t"}]}"#, r#"{"inputs":[]}"#),
        ] {
            assert_eq!(taken(aspect, before), (after.to_owned(), Removal::Something), "{aspect}");
            assert_eq!(taken(aspect, after).1, Removal::Nothing);
        }
        assert_eq!(taken("container", r#"{"container":"urn:li:tag:t"}"#).1, Removal::All);
    }

    #[test]
    fn a_required_record_stays() {
        let text = r#"{"parentDocument":{"document":"urn:li:tag:t"},"n":1}"#;
        let path = [
            PathStep::Field { name: "parentDocument", optional: false },
            PathStep::Field { name: "document", optional: false },
        ];
        let error = remove_at(&mut Node::new(text), &path, TAG).unwrap_err();
        assert!(
            Failure::from(error).message().ends_with("parentDocument from DataMap. The field is required!")
        );
    }
}
