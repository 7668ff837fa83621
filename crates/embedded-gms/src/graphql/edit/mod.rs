//! The mutations of entities. Each reads an aspect, changes it and writes it, in one transaction.

pub(super) mod connection;
pub(super) mod labels;
pub(super) mod owners;
pub(super) mod results;
pub(super) mod text;

use std::time::SystemTime;

use async_graphql::Result;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::Value;

use super::context::{Caller, urn};
use super::error::{bad_request, failed, unauthorized};
use crate::actor;
use crate::failure::{Cause, Failure};
use crate::store::row::AuditStamp;
use crate::store::{read, write};
use crate::urn::Urn;
use crate::{change, fields, keys, model, system_metadata, tokens};

/// An entity, or a column of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    #[serde(rename = "resourceUrn")]
    urn: String,
    /// The path of a column.
    sub_resource: Option<String>,
}

/// The input of an edit of one resource, or of several.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resources {
    resource_urn: Option<String>,
    sub_resource: Option<String>,
    #[serde(default)]
    #[serde(rename = "resources")]
    several: Vec<Option<Resource>>,
}

impl Resources {
    fn all(self) -> Vec<Resource> {
        let single = self.resource_urn.map(|urn| Resource { urn, sub_resource: self.sub_resource });
        self.several.into_iter().flatten().chain(single).collect()
    }
}

/// A resource that was checked.
struct Target {
    urn: Urn,
    column: Option<String>,
}

/// Checks that the caller may edit all resources, and parses their URNs. `whole` are the privileges for
/// entities, and `column` for columns; one of them is enough.
///
/// # Errors
/// 403, and 400 for an invalid URN.
async fn targets(
    caller: &Caller,
    resources: Vec<Resource>,
    whole: &[&str],
    column: &[&str],
) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for resource in resources {
        let urn = urn(&resource.urn)?;
        let privileges = if resource.sub_resource.is_some() { column } else { whole };
        let allowed = caller.permissions.may_any(privileges, &urn).await;
        if !allowed.map_err(|failure| failed(&failure))? {
            return Err(unauthorized());
        }
        targets.push(Target { urn, column: resource.sub_resource });
    }
    Ok(targets)
}

/// The privileges of a caller that edits everything of an entity.
const EDIT_ENTITY: &str = "EDIT_ENTITY";

/// One edit in the store.
struct Edit<'a> {
    connection: &'a Connection,
    check_fields: bool,
    stamp: &'a AuditStamp,
}

impl Edit<'_> {
    /// Changes an aspect, which is created from `default` if it does not exist.
    fn aspect(
        &self,
        urn: &Urn,
        aspect: &str,
        default: Value,
        change: impl FnOnce(&mut Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let stored = read::aspect(self.connection, urn.as_str(), aspect, 0)?;
        let stored = stored.and_then(|stored| serde_json::from_str(&stored.metadata).ok());
        let mut value: Value = stored.unwrap_or(default);
        change(&mut value)?;
        self.put(urn, aspect, &value)
    }

    /// Writes an aspect, and the key of its entity.
    fn put(&self, urn: &Urn, aspect: &str, value: &Value) -> Result<(), Failure> {
        let text = value.to_string();
        if self.check_fields {
            fields::check(urn, aspect, &text)?;
        }
        let system_metadata = system_metadata::default(self.stamp.time);
        if model::is_timeseries(aspect) {
            write::add_row(self.connection, urn.as_str(), aspect, &text, &system_metadata, self.stamp)?;
        } else {
            write::put(self.connection, urn.as_str(), aspect, &text, &system_metadata, self.stamp)?;
        }
        let key = change::checked_key(urn)?;
        let name = keys::aspect_name(urn.entity_type());
        write::ensure_key(self.connection, urn.as_str(), &name, &key, &system_metadata, self.stamp)?;
        Ok(())
    }

    /// Refuses an entity that does not exist.
    fn check_exists(&self, urn: &Urn) -> Result<(), Failure> {
        if read::has(self.connection, urn.as_str(), &keys::aspect_name(urn.entity_type()))? {
            return Ok(());
        }
        Err(Failure::bad_request(format!("Failed to update {urn}. {urn} does not exist.")))
    }

    /// Refuses a column that the schema of the entity does not have.
    fn check_column(&self, urn: &Urn, path: &str) -> Result<(), Failure> {
        let schema = read::aspect(self.connection, urn.as_str(), "schemaMetadata", 0)?;
        let schema: Option<Value> = schema.and_then(|schema| serde_json::from_str(&schema.metadata).ok());
        let fields = schema.as_ref().and_then(|schema| schema.get("fields")?.as_array());
        if fields.into_iter().flatten().any(|field| field.get("fieldPath").is_some_and(|known| known == path))
        {
            return Ok(());
        }
        Err(Failure::bad_request(format!(
            "Failed to update {urn}. Field {path} does not exist in its schema."
        )))
    }
}

/// Runs an edit in one transaction.
///
/// # Errors
/// 400 if the edit refuses it, and 500 if the store cannot be written.
async fn run<F>(caller: &Caller, edit: F) -> Result<()>
where
    F: FnOnce(&Edit<'_>) -> Result<(), Failure> + Send + 'static,
{
    let check_fields = caller.server.check_fields;
    let stamp = AuditStamp {
        actor: caller.permissions.user().to_owned(),
        time: tokens::milliseconds(SystemTime::now()),
    };
    let done = caller
        .server
        .store
        .write(move |connection| edit(&Edit { connection, check_fields, stamp: &stamp }))
        .await;
    caller.server.access_may_have_changed();
    done.map_err(|failure| match failure.cause() {
        Cause::Request | Cause::Proposal | Cause::Validation => bad_request(failure.message()),
        _ => failed(&failure),
    })
}

/// The entries of a list in a record, which is created if it is missing.
fn list<'v>(record: &'v mut Value, name: &str) -> Result<&'v mut Vec<Value>, Failure> {
    let broken = || Failure::internal(format!("java.lang.RuntimeException: the stored {name} is not a list"));
    let members = record.as_object_mut().ok_or_else(broken)?;
    let list = members.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut().ok_or_else(broken)
}

/// The entry of a column among the texts of people; it is created if it is missing.
fn column<'v>(record: &'v mut Value, path: &str) -> Result<&'v mut Value, Failure> {
    let all = list(record, "editableSchemaFieldInfo")?;
    let known = all.iter().position(|field| field.get("fieldPath").is_some_and(|known| known == path));
    let index = known.unwrap_or_else(|| {
        all.push(serde_json::json!({"fieldPath": path}));
        all.len() - 1
    });
    all.get_mut(index).ok_or_else(|| Failure::internal("java.lang.IndexOutOfBoundsException"))
}

/// A random key for a new entity.
fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| super::error::server_error(error.to_string()))?;
    let number = u128::from_be_bytes(bytes);
    Ok(format!("{number:032x}"))
}

/// The URN of an owner who is the caller.
fn is_user(urn: &str) -> bool {
    urn.starts_with(actor::USER_PREFIX)
}
