//! The values between resolvers: entities, whose aspects are read when they are needed, and parts of aspects.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::Result;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::context::Caller;
use super::error::{failed, unauthorized};
use crate::authorization::ApiOperation;
use crate::keys;
use crate::store::read;
use crate::store::row::AspectRow;
use crate::urn::Urn;

/// A value that is not a scalar.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The root of an operation.
    Root,
    Entity(Arc<EntityNode>),
    /// A part of an aspect, or a computed record.
    Record {
        value: Arc<Value>,
        /// The entity with the aspect.
        owner: Option<Arc<EntityNode>>,
    },
}

/// An entity.
#[derive(Debug)]
pub(super) struct EntityNode {
    pub(super) urn: Urn,
    aspects: OnceCell<Aspects>,
}

/// The latest aspects of an entity.
#[derive(Debug, Default)]
pub(super) struct Aspects {
    values: BTreeMap<String, Value>,
    /// The greatest `lastObserved`, in milliseconds since 1970.
    pub(super) last_observed: Option<i64>,
}

impl Aspects {
    fn new(stored: Vec<AspectRow>) -> Self {
        let mut aspects = Self::default();
        for stored in stored {
            let system_metadata: Option<Value> = serde_json::from_str(&stored.system_metadata).ok();
            let observed = system_metadata.and_then(|text| text.get("lastObserved")?.as_i64());
            aspects.last_observed = aspects.last_observed.max(observed);
            if let Ok(value) = serde_json::from_str(&stored.metadata) {
                aspects.values.insert(stored.aspect, value);
            }
        }
        aspects
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

impl EntityNode {
    pub(super) fn new(urn: Urn) -> Self {
        Self { urn, aspects: OnceCell::new() }
    }

    /// The aspects, which the caller has to be allowed to read. Callers may always read themselves.
    ///
    /// # Errors
    /// 403, and 500 if the store cannot be read.
    pub(super) async fn aspects(&self, caller: &Caller) -> Result<&Aspects> {
        self.aspects
            .get_or_try_init(|| async {
                if self.urn.as_str() != caller.permissions.user()
                    && !caller.may(ApiOperation::Read, &self.urn).await?
                {
                    return Err(unauthorized());
                }
                let text = self.urn.to_string();
                let stored =
                    caller.server.store.read(move |connection| read::entity(connection, &text)).await;
                Ok(Aspects::new(stored.map_err(|failure| failed(&failure))?))
            })
            .await
    }

    /// The parts of the key.
    pub(super) fn key(&self) -> Vec<&str> {
        keys::parts(self.urn.key()).unwrap_or_else(|| vec![self.urn.key()])
    }

    /// The name in the key: its name where it has one, or the last part.
    pub(super) fn name(&self) -> String {
        let parts = self.key();
        let named = match self.urn.entity_type() {
            "dataset" | "mlModel" | "mlModelGroup" => parts.get(1),
            _ => parts.last(),
        };
        named.map_or_else(|| self.urn.to_string(), |name| (*name).to_owned())
    }
}

impl Node {
    /// The entity itself, or the one that a record belongs to.
    pub(super) fn owner(&self) -> Option<&Arc<EntityNode>> {
        match self {
            Self::Root => None,
            Self::Entity(entity) => Some(entity),
            Self::Record { owner, .. } => owner.as_ref(),
        }
    }

    /// The record; null for other nodes.
    pub(super) fn record(&self) -> &Value {
        match self {
            Self::Record { value, .. } => value,
            _ => &Value::Null,
        }
    }
}

/// The value at the end of a path, in which a number is an index, and `*` stands for every element.
pub(super) fn at(value: &Value, path: &str) -> Value {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let follow = |value: &Value| rest.map_or_else(|| value.clone(), |rest| at(value, rest));
    match value {
        Value::Array(items) if step == "*" => {
            items.iter().map(follow).filter(|found| !found.is_null()).collect()
        }
        Value::Array(items) => {
            step.parse().ok().and_then(|index: usize| items.get(index)).map(follow).unwrap_or_default()
        }
        Value::Object(members) => members.get(step).map(follow).unwrap_or_default(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_records_and_arrays() {
        let value = json!({"a": [{"b": 1}, {"c": 2}, {"b": 3}], "d": {"e": "f"}});
        for (path, expected) in [
            ("d.e", json!("f")),
            ("a.*.b", json!([1, 3])),
            ("a.1.c", json!(2)),
            ("a.9.c", Value::Null),
            ("x.y", Value::Null),
            ("d.e.f", Value::Null),
        ] {
            assert_eq!(at(&value, path), expected, "{path}");
        }
    }
}
