//! Snapshots: an entity with some of its aspects, the older form in `entities?action=ingest` and `GET
//! /entities/{urn}`.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::change::{self, Change, ChangeType, Content};
use crate::failure::Failure;
use crate::store::row::AspectRow;
use crate::urn::Urn;
use crate::{json_text, model, proposal};
use axum::http::StatusCode;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotIngest<'a> {
    #[serde(borrow)]
    entity: SnapshotUnion<'a>,
    #[serde(borrow, default)]
    system_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotBatch<'a> {
    #[serde(borrow)]
    entities: Vec<SnapshotUnion<'a>>,
    #[serde(borrow, default)]
    system_metadata: Option<Vec<&'a RawValue>>,
}

/// `Entity.pdl`
#[derive(Deserialize)]
struct SnapshotUnion<'a> {
    #[serde(borrow)]
    value: Tagged<Snapshot<'a>>,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    urn: String,
    #[serde(borrow)]
    aspects: Vec<Tagged<&'a RawValue>>,
}

/// A member of a union: an object whose only key is the class.
pub(super) struct Tagged<T> {
    class: String,
    value: T,
}

/// Decodes the body of `entities?action=ingest` to one upsert for each aspect.
///
/// # Errors
/// 400 if it is not a snapshot; 422 if a proposal with this content would be refused too.
pub(super) fn single(body: &[u8]) -> Result<Vec<Change>, Failure> {
    let SnapshotIngest { entity, system_metadata } = proposal::parse(body)?;
    changes(entity, system_metadata)
}

/// Decodes the body of `entities?action=batchIngest`.
///
/// # Errors
/// As [`single`]; 412 if the numbers of entities and of system metadata differ.
pub(super) fn batch(body: &[u8]) -> Result<Vec<Change>, Failure> {
    let SnapshotBatch { entities, system_metadata } = proposal::parse(body)?;
    if system_metadata.as_ref().is_some_and(|list| list.len() != entities.len()) {
        return Err(Failure::new(
            StatusCode::PRECONDITION_FAILED,
            "entities and systemMetadata length must match",
        ));
    }
    let mut system_metadata = system_metadata.unwrap_or_default().into_iter();
    let mut all = Vec::new();
    for entity in entities {
        all.extend(changes(entity, system_metadata.next())?);
    }
    Ok(all)
}

fn changes(entity: SnapshotUnion<'_>, system_metadata: Option<&RawValue>) -> Result<Vec<Change>, Failure> {
    let Tagged { class, value: snapshot } = entity.value;
    let urn = change::checked_urn(&snapshot.urn)?;
    change::checked_key(&urn)?;
    let expected = model::snapshot_of(urn.entity_type());
    if class.rsplit('.').next() != expected.rsplit('.').next() {
        return Err(Failure::unprocessable(format!(
            "URN entity type does not match the snapshot. {urn} != {class}"
        )));
    }
    snapshot
        .aspects
        .into_iter()
        .map(|Tagged { class, value }| {
            let aspect = model::aspect_of(&class);
            if !value.get().starts_with('{') {
                return Err(Failure::unprocessable(format!(
                    "Invalid format for aspect: {aspect} of {urn}: expected a record"
                )));
            }
            let content = Content::Aspect(json_text::compact(value.get()));
            Change::new(urn.clone(), aspect, ChangeType::Upsert, content, (system_metadata, None))
        })
        .collect()
}

/// The aspects of an entity in the form of `GET /entities/{urn}`.
///
/// # Errors
/// 500 if the stored text is not JSON, which only a damaged file can cause.
pub(super) fn of(urn: &Urn, aspects: Vec<AspectRow>) -> Result<impl Serialize, Failure> {
    #[derive(Serialize)]
    struct SnapshotResponse<'a> {
        value: Tagged<SnapshotBody<'a>>,
    }
    #[derive(Serialize)]
    struct SnapshotBody<'a> {
        urn: &'a str,
        aspects: Vec<Tagged<Box<RawValue>>>,
    }
    let aspects = aspects
        .into_iter()
        .map(|stored| Ok(Tagged { class: model::class_of(&stored.aspect), value: raw(stored.metadata)? }))
        .collect::<Result<_, Failure>>()?;
    Ok(SnapshotResponse {
        value: Tagged {
            class: model::snapshot_of(urn.entity_type()),
            value: SnapshotBody { urn: urn.as_str(), aspects },
        },
    })
}

/// Stored text as part of a response, unchanged.
///
/// # Errors
/// 500 if it is not JSON, which only a damaged file can cause.
pub(super) fn raw(text: String) -> Result<Box<RawValue>, Failure> {
    RawValue::from_string(text).map_err(|error| {
        Failure::internal(format!("the data file holds an aspect that is not JSON: {error}"))
    })
}

impl<T> Tagged<T> {
    pub(super) fn new(class: String, value: T) -> Self {
        Self { class, value }
    }
}

impl<T: Serialize> Serialize for Tagged<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.class, &self.value)])
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tagged<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneKey<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneKey<T> {
            type Value = Tagged<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose one key is a class")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tagged<T>, A::Error> {
                let Some((class, value)) = map.next_entry()? else {
                    return Err(A::Error::invalid_length(0, &self));
                };
                match map.next_key::<String>()? {
                    None => Ok(Tagged { class, value }),
                    Some(_) => Err(A::Error::invalid_length(2, &self)),
                }
            }
        }

        deserializer.deserialize_map(OneKey(std::marker::PhantomData))
    }
}
