//! References from one entity to another: finding them, and taking them away (`DeleteEntityService`).
//!
//! GMS also looks for a form on the entities that have it, and for a structured property in the prompts of forms; these
//! are no relationships of the model, and stay here.

mod relationships;

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::failure::Failure;
use super::store::write::{self, Stamp};
use super::tree::{Node, NotText};
use super::{keys, system_metadata};
use crate::Urn;
use relationships::RELATIONSHIPS;

/// An aspect that refers to an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The URN of the entity whose aspect it is.
    pub(super) entity: String,
    pub(super) aspect: String,
    pub(super) relationship: &'static str,
    /// The aspect, as it is stored.
    metadata: String,
}

/// How many relationships these are: an entity has one of a name to another.
pub(super) fn relationships(references: &[Reference]) -> usize {
    let distinct: BTreeSet<_> = references.iter().map(|one| (&one.entity, one.relationship)).collect();
    distinct.len()
}

/// The references to an entity, in the order of the URNs of who refers.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn find(connection: &Connection, urn: &str) -> Result<Vec<Reference>, rusqlite::Error> {
    // What is stored may have escapes instead of other characters, so only these can be looked for in the text.
    let plain = urn.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'/'));
    let mut statement = connection.prepare_cached(
        "SELECT urn, aspect, metadata FROM aspect
         WHERE version = 0 AND (?1 IS NULL OR instr(metadata, ?1) > 0) ORDER BY urn, aspect",
    )?;
    let mut rows = statement.query([plain.then_some(urn)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (entity, aspect, metadata): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let mut names = BTreeSet::new();
        for (_, path, relationship) in RELATIONSHIPS.iter().filter(|(name, ..)| *name == aspect) {
            let taken = take_away(&mut Node::new(metadata.as_str()), &steps(path), urn);
            if matches!(taken, Ok(Taken::Something | Taken::All) | Err(Stuck::Required(_)))
                && names.insert(*relationship)
            {
                let (entity, aspect, metadata) = (entity.clone(), aspect.clone(), metadata.clone());
                found.push(Reference { entity, aspect, relationship, metadata });
            }
        }
    }
    Ok(found)
}

/// Takes references away: of an array the element goes, of a record the field, or where it is required the record.
///
/// # Errors
/// 500 where a required field would be missing then.
pub(super) fn remove(
    connection: &Connection,
    references: &[Reference],
    urn: &str,
    stamp: &Stamp,
) -> Result<(), Failure> {
    let aspects: BTreeSet<_> =
        references.iter().map(|one| (&one.entity, &one.aspect, &one.metadata)).collect();
    for (entity, aspect, metadata) in aspects {
        let mut value = Node::new(metadata.as_str());
        let mut gone = false;
        for (_, path, _) in RELATIONSHIPS.iter().filter(|(name, ..)| name == aspect) {
            gone |= take_away(&mut value, &steps(path), urn)? == Taken::All;
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
enum Step {
    Element,
    Field { name: &'static str, optional: bool },
}

fn steps(path: &'static str) -> Vec<Step> {
    path.split('.')
        .map(|step| match step.strip_suffix('?') {
            _ if step == "*" => Step::Element,
            Some(name) => Step::Field { name, optional: true },
            None => Step::Field { name: step, optional: false },
        })
        .collect()
}

/// What was taken away of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Nothing,
    Something,
    /// It cannot be without what was taken away.
    All,
}

/// Why nothing can be taken away.
#[derive(Debug)]
enum Stuck {
    NotText(NotText),
    Required(&'static str),
}

impl From<NotText> for Stuck {
    fn from(error: NotText) -> Self {
        Self::NotText(error)
    }
}

impl From<Stuck> for Failure {
    fn from(stuck: Stuck) -> Self {
        Self::internal(match stuck {
            Stuck::NotText(error) => format!("java.lang.RuntimeException: {error}"),
            Stuck::Required(name) => format!(
                "java.lang.UnsupportedOperationException: Delete failed! Failed to field with name {name} from \
                 DataMap. The field is required!"
            ),
        })
    }
}

/// Takes a URN away at the end of a path (`DeleteEntityUtils.removeValueBasedOnPath`).
fn take_away(value: &mut Node, path: &[Step], urn: &str) -> Result<Taken, Stuck> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(if value.is_string() && value.as_text() == urn { Taken::All } else { Taken::Nothing });
    };
    match *step {
        Step::Element => {
            let Some(elements) = value.elements()? else { return Ok(Taken::Nothing) };
            let mut done = Taken::Nothing;
            let mut left = Vec::with_capacity(elements.len());
            for mut element in elements.drain(..) {
                let taken = take_away(&mut element, rest, urn)?;
                if taken != Taken::Nothing {
                    done = Taken::Something;
                }
                if taken != Taken::All {
                    left.push(element);
                }
            }
            *elements = left;
            Ok(done)
        }
        Step::Field { name, optional } => {
            let Some(members) = value.members()? else { return Ok(Taken::Nothing) };
            let Some(member) = members.get_mut(name) else { return Ok(Taken::Nothing) };
            match take_away(member, rest, urn)? {
                Taken::All if optional => {
                    members.remove(name);
                    Ok(Taken::Something)
                }
                Taken::All if rest.is_empty() || members.iter().count() == 1 => Ok(Taken::All),
                Taken::All => Err(Stuck::Required(name)),
                taken => Ok(taken),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "urn:li:tag:t";

    fn taken(aspect: &str, text: &str) -> (String, Taken) {
        let mut value = Node::new(text);
        let mut done = Taken::Nothing;
        for (_, path, _) in RELATIONSHIPS.iter().filter(|(name, ..)| *name == aspect) {
            match take_away(&mut value, &steps(path), TAG).unwrap() {
                Taken::Nothing => {}
                taken => done = taken,
            }
        }
        (value.to_string(), done)
    }

    #[test]
    fn elements_fields_and_records_go() {
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
            assert_eq!(taken(aspect, before), (after.to_owned(), Taken::Something), "{aspect}");
            assert_eq!(taken(aspect, after).1, Taken::Nothing);
        }
        assert_eq!(taken("container", r#"{"container":"urn:li:tag:t"}"#).1, Taken::All);
    }

    #[test]
    fn a_required_record_stays() {
        let text = r#"{"parentDocument":{"document":"urn:li:tag:t"},"n":1}"#;
        let path = [
            Step::Field { name: "parentDocument", optional: false },
            Step::Field { name: "document", optional: false },
        ];
        let stuck = take_away(&mut Node::new(text), &path, TAG).unwrap_err();
        assert!(
            Failure::from(stuck).message().ends_with("parentDocument from DataMap. The field is required!")
        );
    }
}
