//! From a 403 to who may not do what.

use super::observation::{Answer, Observation};
use super::page::{self, Page};
use super::refusal::served_by;
use super::{Claims, TokenFacts};
use crate::diagnosis::{Code, Diagnosis};

/// GMS knows the caller, who may not do what was asked.
pub(super) fn explain(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    let claims = observation.token.and_then(|token| token.claims.as_ref());
    let actor = actor_in(answer.message).or_else(|| claims.and_then(Claims::actor_urn));
    let who = actor.unwrap_or_else(|| "the caller".into());
    let mut evidence = vec![format!("403 from {}", observation.request)];
    let web_page = page::of(answer).filter(|page| *page != Page::Gms);
    if web_page.is_some() {
        evidence.push(format!("its body is a web page, which is not GMS's{}", served_by(answer)));
    } else if !answer.message.is_empty() {
        // It may list every entity of a batch.
        let beginning: String = answer.message.chars().take(400).collect();
        let more = if beginning.len() < answer.message.len() { "…" } else { "" };
        evidence.push(format!("GMS says: {beginning}{more}"));
    }
    evidence.extend(observation.token.map(TokenFacts::line));
    if observation.cookie && observation.server.through_frontend {
        evidence.push(
            "extra_headers sends a Cookie: the frontend acts as its session's user, and not as the token's"
                .into(),
        );
    }
    if web_page.is_none() && is_inactive(answer.message) {
        return inactive(&who, evidence);
    }
    if web_page.is_some() {
        return Diagnosis {
            code: Code::Forbidden,
            summary: "something in front of GMS forbids it: GMS's own 403 is no web page".into(),
            evidence,
            fixes: vec![
                format!(
                    "ask whoever runs what stands in front of {} to let requests to GMS's API pass from this machine",
                    observation.server.url
                ),
                "or go past it, to GMS itself, usually on port 8080 inside the cluster".into(),
            ],
        };
    }
    let asked = Asked::of(observation.request, answer.message);
    let mut fixes = vec![asked.fix(&who), "or use the token of a user who has that privilege".into()];
    if asked.operation == "write" {
        fixes.extend(special_fixes(&asked.types));
    }
    if observation.request.contains("/openapi/v3/") {
        // `EntityController` asks for CREATE on the type, `AspectResource` for UPDATE on the URN.
        evidence.push(
            "OpenAPI v3 wants Create Entity or Edit Entity on the whole entity type; Rest.li wants Edit Entity on each URN \
             alone"
                .into(),
        );
        fixes.push(
            "if a policy gives that privilege on some entities only; in the recipe, under sink.config:  endpoint: restli"
                .into(),
        );
    }
    let on = if asked.types.is_empty() { "what was sent".into() } else { asked.types.join(", ") };
    Diagnosis {
        code: Code::Forbidden,
        summary: format!("GMS knows {who}, who may not {} {on}", asked.operation),
        evidence,
        fixes,
    }
}

/// What the status says already, these words make precise (`ActorAccessException`).
fn is_inactive(message: &str) -> bool {
    message.contains("Actor is not active")
}

fn inactive(who: &str, evidence: Vec<String>) -> Diagnosis {
    Diagnosis {
        code: Code::ActorInactive,
        summary: format!(
            "GMS knows the token, and its user is not active: {who} is suspended, deleted, or was never set up"
        ),
        evidence,
        fixes: vec![
            format!(
                "have an administrator look {who} up in DataHub under Settings > Users & Groups, and reactivate it"
            ),
            "or use the token of a user who is active".into(),
        ],
    }
}

/// What GMS was asked for, as far as its words and the request tell.
struct Asked {
    /// `write`, `create`, `delete` or `read`.
    operation: &'static str,
    /// The privileges of which one is enough (`PoliciesConfig`).
    privilege: &'static str,
    /// The entity types that it is about.
    types: Vec<String>,
}

impl Asked {
    fn of(request: &str, message: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let (operation, privilege) = if has(&["to DELETE ", "to delete "]) {
            ("delete", "Delete Entity")
        } else if has(&["to READ ", "to get ", "to EXISTS ", "check entity existence"])
            || request.starts_with("GET ")
        {
            ("read", "View Entity Page")
        } else if has(&["to CREATE "]) {
            ("create", "Create Entity or Edit Entity")
        } else {
            ("write", "Edit Entity")
        };
        let mut types = entity_types(message);
        if let (true, Some((_, path))) = (types.is_empty(), request.split_once("/openapi/v3/entity/")) {
            // OpenAPI's words name no entity, but its path names their type.
            types.extend(path.split(['/', '?']).next().map(str::to_owned));
        }
        Self { operation, privilege, types }
    }

    fn fix(&self, who: &str) -> String {
        let on = if self.types.is_empty() {
            "the entity types of this file".into()
        } else {
            self.types.join(", ")
        };
        let but = if self.operation == "write" {
            " (Edit Tags and the like do not count for ingestion)"
        } else {
            ""
        };
        format!(
            "in DataHub under Settings > Permissions, give {who} a metadata policy with the privilege {} on {on}{but}",
            self.privilege
        )
    }
}

/// Entity types for which a platform privilege does (`PoliciesConfig`).
fn special_fixes(types: &[String]) -> Vec<String> {
    const SPECIAL: [(&str, &str); 6] = [
        ("corpuser", "Manage Users & Groups"),
        ("corpGroup", "Manage Users & Groups"),
        ("dataHubPolicy", "Manage Policies"),
        ("dataHubIngestionSource", "Manage Metadata Ingestion"),
        ("dataHubSecret", "Manage Secrets"),
        ("dataHubAccessToken", "Manage All Access Tokens"),
    ];
    let found = SPECIAL.iter().filter(|(entity_type, _)| types.iter().any(|found| found == entity_type));
    found
        .map(|(entity_type, privilege)| {
            format!("for {entity_type} the platform privilege {privilege} does as well")
        })
        .collect()
}

/// Who GMS says is refused: the URN before "is unauthorized".
fn actor_in(message: &str) -> Option<String> {
    let (before, _) = message.split_once(" is unauthorized")?;
    let word = before.rsplit(' ').next()?;
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@".contains(c));
    (word.starts_with("urn:li:corpuser:") && plain).then(|| word.to_owned())
}

/// The entity types that GMS's words name (`AspectResource`: `HttpStatus: 403 Urn: …`), each once.
fn entity_types(message: &str) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    let after = message.split_once(" unauthorized").map_or(message, |(_, after)| after);
    for (at, mark) in after.match_indices("urn:li:") {
        let (before, found) = after.split_at(at);
        let found = found.strip_prefix(mark).unwrap_or_default();
        // A URN may hold others.
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
    fn types_are_those_of_the_entities_and_not_of_what_their_names_hold() {
        let message = "User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: \
                       urn:li:dataJob:(urn:li:dataFlow:(a,b,c),d), HttpStatus: 403 Urn: urn:li:dataset:(urn:li:dataPlatform:x,y,z), \
                       HttpStatus: 403 Urn: urn:li:dataset:(p,q,r)";
        assert_eq!(entity_types(message), ["dataJob", "dataset"]);
        assert_eq!(actor_in(message).as_deref(), Some("urn:li:corpuser:loader"));
        assert_eq!(entity_types("User is unauthorized to get entity urn:li:tag:a"), ["tag"]);
        assert_eq!(actor_in("User is unauthorized to get entity urn:li:tag:a"), None);
    }
}
