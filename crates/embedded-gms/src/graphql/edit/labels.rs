//! Tags, glossary terms and domains.

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{EDIT_ENTITY, Edit, Resource, Resources, Target, column, list, random_id, run, targets};
use crate::failure::Failure;
use crate::graphql::call::Call;
use crate::graphql::context::urn;
use crate::graphql::error::{bad_request, server_error, unauthorized};
use crate::store::read;
use crate::urn::Urn;

/// A kind of label.
#[derive(Clone, Copy)]
struct Kind {
    entity_type: &'static str,
    aspect: &'static str,
    list: &'static str,
    member: &'static str,
}

const TAG: Kind = Kind { entity_type: "tag", aspect: "globalTags", list: "tags", member: "tag" };
const TERM: Kind =
    Kind { entity_type: "glossaryTerm", aspect: "glossaryTerms", list: "terms", member: "urn" };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Labels {
    tag_urn: Option<String>,
    #[serde(default)]
    tag_urns: Vec<String>,
    term_urn: Option<String>,
    #[serde(default)]
    term_urns: Vec<String>,
}

/// `addTag` and its kin (`LabelUtils`).
pub(in crate::graphql) async fn tags(call: &Call<'_>, add: bool) -> Result<Value> {
    let whole = ["EDIT_ENTITY_TAGS", EDIT_ENTITY];
    label(call, TAG, add, &whole, &["EDIT_DATASET_COL_TAGS", EDIT_ENTITY]).await
}

/// `addTerm` and its kin.
pub(in crate::graphql) async fn terms(call: &Call<'_>, add: bool) -> Result<Value> {
    let whole = ["EDIT_ENTITY_GLOSSARY_TERMS", EDIT_ENTITY];
    label(call, TERM, add, &whole, &["EDIT_DATASET_COL_GLOSSARY_TERMS", EDIT_ENTITY]).await
}

async fn label(call: &Call<'_>, kind: Kind, add: bool, whole: &[&str], column: &[&str]) -> Result<Value> {
    let labels: Labels = call.input()?;
    let resources: Resources = call.input()?;
    let single = labels.tag_urn.into_iter().chain(labels.term_urn);
    let texts: Vec<String> = labels.tag_urns.into_iter().chain(labels.term_urns).chain(single).collect();
    let mut urns = Vec::new();
    for text in &texts {
        let label = urn(text)?;
        if label.entity_type() != kind.entity_type {
            return Err(bad_request(format!("Urn {label} is not a {}.", kind.entity_type)));
        }
        urns.push(label);
    }
    let targets = targets(call.caller, resources.all(), whole, column).await?;
    run(call.caller, move |edit| {
        for label in urns.iter().filter(|_| add) {
            edit.check_exists(label)?;
        }
        for target in &targets {
            change(edit, kind, target, &urns, add)?;
        }
        Ok(())
    })
    .await?;
    Ok(true.into())
}

fn change(edit: &Edit<'_>, kind: Kind, target: &Target, urns: &[Urn], add: bool) -> Result<(), Failure> {
    edit.check_exists(&target.urn)?;
    let Some(path) = &target.column else {
        let default = empty(edit, kind);
        return edit.aspect(&target.urn, kind.aspect, default, |record| apply(edit, kind, record, urns, add));
    };
    edit.check_column(&target.urn, path)?;
    edit.aspect(&target.urn, "editableSchemaMetadata", json!({"editableSchemaFieldInfo": []}), |record| {
        let column = column(record, path)?;
        let mut labels = column.get(kind.aspect).cloned().unwrap_or_else(|| empty(edit, kind));
        apply(edit, kind, &mut labels, urns, add)?;
        if let Some(members) = column.as_object_mut() {
            members.insert(kind.aspect.to_owned(), labels);
        }
        Ok(())
    })
}

fn empty(edit: &Edit<'_>, kind: Kind) -> Value {
    match kind.list {
        "terms" => json!({"terms": [], "auditStamp": edit.stamp}),
        name => json!({(name): []}),
    }
}

fn apply(edit: &Edit<'_>, kind: Kind, record: &mut Value, urns: &[Urn], add: bool) -> Result<(), Failure> {
    let labels = list(record, kind.list)?;
    for urn in urns {
        let is_it = |label: &Value| label.get(kind.member).is_some_and(|known| known == urn.as_str());
        if add && !labels.iter().any(is_it) {
            labels.push(match kind.list {
                "terms" => json!({(kind.member): urn.as_str(), "actor": edit.stamp.actor}),
                _ => json!({(kind.member): urn.as_str()}),
            });
        } else if !add {
            labels.retain(|label| !is_it(label));
        }
    }
    if kind.list == "terms"
        && let Some(members) = record.as_object_mut()
    {
        members.insert("auditStamp".to_owned(), json!(edit.stamp));
    }
    Ok(())
}

/// `createTag`: its creator owns it.
pub(in crate::graphql) async fn create_tag(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    struct Input {
        id: Option<String>,
        name: String,
        description: Option<String>,
    }
    let Input { id, name, description } = call.input()?;
    let permissions = &call.caller.permissions;
    if !["CREATE_TAGS", "MANAGE_TAGS"].iter().any(|privilege| permissions.has_privilege(privilege)) {
        return Err(unauthorized());
    }
    let id = match id.filter(|id| !id.is_empty()) {
        Some(id) => id,
        None => random_id()?,
    };
    let tag = urn(&format!("urn:li:tag:{id}"))?;
    let text = tag.to_string();
    let known = call.caller.server.store.read({
        let text = text.clone();
        move |connection| read::has(connection, &text, "tagKey")
    });
    if known.await.map_err(|failure| crate::graphql::error::failed(&failure))? {
        return Err(server_error("java.lang.IllegalArgumentException: This Tag already exists!"));
    }
    run(call.caller, move |edit| {
        edit.put(
            &tag,
            "tagProperties",
            &json!({"name": name, "description": description.unwrap_or_default()}),
        )?;
        let owner = json!({
            "owner": edit.stamp.actor, "type": "TECHNICAL_OWNER",
            "typeUrn": "urn:li:ownershipType:__system__technical_owner",
        });
        edit.put(&tag, "ownership", &json!({"owners": [owner], "lastModified": edit.stamp}))
    })
    .await?;
    Ok(text.into())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DomainArguments {
    entity_urn: String,
    domain_urn: Option<String>,
}

/// `setDomain` and `unsetDomain`
pub(in crate::graphql) async fn domain(call: &Call<'_>) -> Result<Value> {
    let DomainArguments { entity_urn, domain_urn } = call.arguments()?;
    set_domain(call, domain_urn, vec![Resource { urn: entity_urn, sub_resource: None }]).await
}

/// `batchSetDomain`
pub(in crate::graphql) async fn domains(call: &Call<'_>) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Input {
        domain_urn: Option<String>,
    }
    let Input { domain_urn } = call.input()?;
    let resources: Resources = call.input()?;
    set_domain(call, domain_urn, resources.all()).await
}

async fn set_domain(call: &Call<'_>, domain: Option<String>, resources: Vec<Resource>) -> Result<Value> {
    let domain = domain.as_deref().map(urn).transpose()?;
    if let Some(other) = domain.as_ref().filter(|urn| urn.entity_type() != "domain") {
        return Err(bad_request(format!("Urn {other} is not a domain.")));
    }
    let privileges = ["EDIT_DOMAINS_PRIVILEGE", EDIT_ENTITY];
    let targets = targets(call.caller, resources, &privileges, &privileges).await?;
    run(call.caller, move |edit| {
        if let Some(domain) = &domain {
            edit.check_exists(domain)?;
        }
        for target in &targets {
            edit.check_exists(&target.urn)?;
            let urns: Vec<_> = domain.iter().map(Urn::as_str).collect();
            edit.put(&target.urn, "domains", &json!({"domains": urns}))?;
        }
        Ok(())
    })
    .await?;
    Ok(true.into())
}
