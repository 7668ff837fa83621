//! The cause of a 403: the privilege that the caller lacks.

use super::html_page::{self, Page};
use super::observation::{Observation, RequestKind, ResponseInfo};
use super::response_evidence::{foreign_page, status};
use crate::auth::{Claims, TokenInfo};
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, Operation, Privilege, Summary};

/// The beginning of an error message that is shown, in characters. It may name every entity of a batch.
const SHOWN_MESSAGE_CHARS: usize = 400;

/// The cause of a 403.
pub(super) fn diagnose(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    let claims = observation.token.and_then(|token| token.claims.as_ref());
    let actor = actor_in(info.message).or_else(|| claims.and_then(Claims::actor_urn));
    let in_front_of_gms = html_page::identify(info).is_some_and(|page| page != Page::Gms);
    let mut evidence = vec![status(observation, info)];
    if in_front_of_gms {
        evidence.push(foreign_page(info));
    } else if !info.message.is_empty() {
        let message: String = info.message.chars().take(SHOWN_MESSAGE_CHARS).collect();
        let cut = message.len() < info.message.len();
        evidence.push(Evidence::GmsMessage { message, cut });
    }
    evidence.extend(observation.token.map(TokenInfo::evidence));
    if observation.cookie && observation.server.through_frontend {
        evidence.push(Evidence::CookieDecidesUser);
    }
    if in_front_of_gms {
        let server = observation.server.url.to_owned();
        return Diagnosis::new(Code::Forbidden, Summary::ForbiddenInFrontOfGms)
            .with_evidence(evidence)
            .with_fixes([Fix::AskProxyOwner { server }, Fix::BypassProxy]);
    }
    if is_inactive(info.message) {
        return Diagnosis::new(Code::ActorInactive, Summary::ActorInactive(actor.clone()))
            .with_evidence(evidence)
            .with_fixes([Fix::ActivateUser(actor), Fix::UseActiveUser]);
    }
    missing_privilege(observation, evidence, actor, info.message)
}

/// Whether this is the message of `ActorAccessException`. The status is the same without it.
fn is_inactive(message: &str) -> bool {
    message.contains("Actor is not active")
}

fn missing_privilege(
    observation: &Observation<'_>,
    evidence: Vec<Evidence>,
    actor: Option<String>,
    message: &str,
) -> Diagnosis {
    let kind = observation.request.kind;
    let (operation, privilege) = refused_operation(kind, message);
    let mut entity_types = entity_types(message);
    // OpenAPI's message names no entity, but such a request has one entity type.
    if let (RequestKind::OpenapiWrite { entity_type }, true) = (kind, entity_types.is_empty()) {
        entity_types.push(entity_type.clone());
    }
    let alternatives = match operation {
        Operation::Write => alternative_privileges(&entity_types),
        _ => Vec::new(),
    };
    let over_openapi = matches!(kind, RequestKind::OpenapiWrite { .. });
    Diagnosis::new(
        Code::Forbidden,
        Summary::Forbidden { actor: actor.clone(), operation, entity_types: entity_types.clone() },
    )
    .with_evidence(evidence)
    // `EntityController` requires CREATE on the type, `AspectResource` UPDATE on the URN.
    .with_evidence(over_openapi.then_some(Evidence::OpenapiPrivileges))
    .with_fixes([Fix::GrantPrivilege { actor, privilege, entity_types, operation }, Fix::UsePrivilegedToken])
    .with_fixes(alternatives)
    .with_fixes(over_openapi.then_some(Fix::UseRestli))
}

/// The refused operation, and the privileges of which one is enough (`PoliciesConfig`).
fn refused_operation(kind: &RequestKind, message: &str) -> (Operation, Privilege) {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["to DELETE ", "to delete "]) {
        (Operation::Delete, Privilege::DeleteEntity)
    } else if has(&["to READ ", "to get ", "to EXISTS ", "check entity existence"])
        || *kind == RequestKind::Read
    {
        (Operation::Read, Privilege::ViewEntityPage)
    } else if has(&["to CREATE "]) {
        (Operation::Create, Privilege::CreateOrEditEntity)
    } else {
        (Operation::Write, Privilege::EditEntity)
    }
}

/// Platform privileges that are enough for entities of these types (`PoliciesConfig`).
fn alternative_privileges(entity_types: &[String]) -> Vec<Fix> {
    const ALTERNATIVES: [(&str, Privilege); 6] = [
        ("corpuser", Privilege::ManageUsersAndGroups),
        ("corpGroup", Privilege::ManageUsersAndGroups),
        ("dataHubPolicy", Privilege::ManagePolicies),
        ("dataHubIngestionSource", Privilege::ManageMetadataIngestion),
        ("dataHubSecret", Privilege::ManageSecrets),
        ("dataHubAccessToken", Privilege::ManageAllAccessTokens),
    ];
    ALTERNATIVES
        .into_iter()
        .filter(|(entity_type, _)| entity_types.iter().any(|refused| refused == entity_type))
        .map(|(entity_type, privilege)| Fix::AlternativePrivilege { entity_type, privilege })
        .collect()
}

/// The caller's URN in GMS's message: the word before "is unauthorized".
fn actor_in(message: &str) -> Option<String> {
    let (before, _) = message.split_once(" is unauthorized")?;
    let word = before.rsplit(' ').next()?;
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@".contains(c));
    (word.starts_with("urn:li:corpuser:") && plain).then(|| word.to_owned())
}

/// The entity types that GMS's message names (`AspectResource`: `HttpStatus: 403 Urn: …`), each once.
fn entity_types(message: &str) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    let after = message.split_once(" unauthorized").map_or(message, |(_, after)| after);
    for (at, mark) in after.match_indices("urn:li:") {
        let (before, found) = after.split_at(at);
        let found = found.strip_prefix(mark).unwrap_or_default();
        // A URN may contain others.
        let nested = before.ends_with(['(', ',']);
        let entity_type: String = found.chars().take_while(char::is_ascii_alphanumeric).collect();
        if !nested && !entity_type.is_empty() && !types.contains(&entity_type) {
            types.push(entity_type);
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_nested_urns_are_not_counted() {
        let message = "User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: \
                       urn:li:dataJob:(urn:li:dataFlow:(a,b,c),d), HttpStatus: 403 Urn: urn:li:dataset:(urn:li:dataPlatform:x,y,z), \
                       HttpStatus: 403 Urn: urn:li:dataset:(p,q,r)";
        assert_eq!(entity_types(message), ["dataJob", "dataset"]);
        assert_eq!(actor_in(message).as_deref(), Some("urn:li:corpuser:loader"));
        assert_eq!(entity_types("User is unauthorized to get entity urn:li:tag:a"), ["tag"]);
        assert_eq!(actor_in("User is unauthorized to get entity urn:li:tag:a"), None);
    }
}
