//! From a 401 or 403 to its cause: a pure function, so that every row of the table can be tested.

use jiff::{SignedDuration, Timestamp};

use super::{Claims, Code, Diagnosis, Token};

/// What is known of the token that a request went with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Where it came from, as reports name it.
    pub source: String,
    /// The same, as a sentence names it.
    pub place: String,
    /// The first 8 hexadecimal digits of its SHA-256.
    pub fingerprint: String,
    /// Its claims, if it is a JWT.
    pub claims: Option<Claims>,
    /// It is the empty text, so no header was sent.
    pub empty: bool,
}

impl TokenFacts {
    /// What can be said of `token` without showing it.
    pub fn of(token: &Token) -> Self {
        Self {
            source: token.source().to_string(),
            place: token.source().place(),
            fingerprint: token.fingerprint(),
            claims: Claims::read(token.expose()),
            empty: token.expose().is_empty(),
        }
    }

    /// One line of evidence.
    fn line(&self) -> String {
        let mut line = format!("the token is from {}, sha256 {}", self.place, self.fingerprint);
        match &self.claims {
            None => line.push_str(", and is not a JWT"),
            Some(claims) => {
                line.push_str(match claims.kind.as_deref() {
                    Some("PERSONAL") => ", a personal access token",
                    Some("SESSION") => ", a session token",
                    Some("SERVICE_ACCOUNT") => ", a service account's token",
                    _ => ", a JWT",
                });
                if let Some(actor) = claims.actor_urn() {
                    line.push_str(" of ");
                    line.push_str(&actor);
                }
            }
        }
        line
    }
}

/// GMS answered 401 or 403.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    /// Method and address, for example `POST http://gms:8080/aspects?action=ingestProposalBatch`.
    pub request: &'a str,
    /// 401 or 403.
    pub status: u16,
    /// What the answer says, if it says anything; free of secrets.
    pub message: &'a str,
    /// The token that the request went with.
    pub token: Option<&'a TokenFacts>,
    /// The clock here.
    pub now: Timestamp,
    /// The server's clock, from its `Date` header.
    pub server_time: Option<Timestamp>,
}

/// Which cause a 401 or 403 has.
pub fn refusal(observed: &Refusal<'_>) -> Diagnosis {
    if observed.status == 403 {
        return forbidden(observed);
    }
    let mut evidence =
        vec![format!("401 from {} (its body does not tell why; GMS's never does)", observed.request)];
    let Some(token) = observed.token else {
        return missing(evidence);
    };
    if token.empty {
        return empty(evidence, token);
    }
    evidence.push(token.line());
    let Some(claims) = &token.claims else {
        return opaque(evidence, token);
    };
    let now = observed.server_time.unwrap_or(observed.now);
    if let Some(expires_at) = claims.expires_at.filter(|expires_at| *expires_at <= now) {
        evidence.push(format!("its exp claim is {}; {}", seconds(expires_at), clock(observed)));
        return Diagnosis {
            code: Code::TokenExpired,
            summary: format!(
                "GMS refused the token: it expired {} ago",
                rough(now.duration_since(expires_at))
            ),
            evidence,
            fixes: vec![new_token(token)],
        };
    }
    if let Some(not_before) = claims.not_before.filter(|not_before| *not_before > now) {
        evidence.push(format!("its nbf claim is {}; {}", seconds(not_before), clock(observed)));
        return Diagnosis {
            code: Code::TokenNotYetValid,
            summary: format!(
                "GMS refused the token: it becomes valid in {}",
                rough(not_before.duration_since(now))
            ),
            evidence,
            fixes: vec![
                format!("wait until {} and run again", seconds(not_before)),
                "compare the clock of the token's issuer with the server's, if it should be valid already"
                    .into(),
            ],
        };
    }
    match claims.expires_at {
        Some(expires_at) => {
            evidence.push(format!(
                "its exp claim is {}, which is not over; {}",
                seconds(expires_at),
                clock(observed)
            ));
        }
        None => evidence.push("it has no exp claim, so it does not expire".into()),
    }
    unknown(evidence, token)
}

fn missing(evidence: Vec<String>) -> Diagnosis {
    Diagnosis {
        code: Code::TokenMissing,
        summary: "GMS wants a token, and none was sent".into(),
        evidence,
        fixes: vec![
            "make a token in DataHub under Settings > Access Tokens, and set it: export DATAHUB_GMS_TOKEN=<token>".into(),
            "then add to the recipe, under sink.config:  token: ${DATAHUB_GMS_TOKEN}".into(),
        ],
    }
}

fn empty(mut evidence: Vec<String>, token: &TokenFacts) -> Diagnosis {
    evidence.push(format!(
        "the token from {} is the empty text, so no Authorization header was sent",
        token.place
    ));
    Diagnosis {
        code: Code::TokenEmpty,
        summary: format!("GMS wants a token, and the one from {} is empty", token.place),
        evidence,
        fixes: vec![match token.source.strip_prefix("env:") {
            Some(variable) => format!("export {variable}=<token>"),
            None => {
                "set the variable that the recipe's sink.config.token names, or write the token there".into()
            }
        }],
    }
}

fn opaque(evidence: Vec<String>, token: &TokenFacts) -> Diagnosis {
    Diagnosis {
        code: Code::TokenOpaqueRefused,
        summary: "GMS refused the token, and it is no token that DataHub makes".into(),
        evidence,
        fixes: vec![
            format!(
                "look at what {} really holds: DataHub's tokens are JWTs, three parts with dots between them",
                token.place
            ),
            new_token(token),
        ],
    }
}

fn unknown(evidence: Vec<String>, token: &TokenFacts) -> Diagnosis {
    Diagnosis {
        code: Code::TokenUnknown,
        summary: "GMS does not know the token: it was revoked, was issued by another DataHub or before the signing key \
                  changed, its user is gone or suspended, or GMS cannot reach its token store; a client cannot tell \
                  these apart"
            .into(),
        evidence,
        fixes: vec![
            "look the token up in DataHub under Settings > Access Tokens: if it is not listed there, it was revoked or \
             belongs to another DataHub"
                .into(),
            new_token(token),
            "ask whoever runs GMS to set METADATA_SERVICE_AUTHENTICATOR_EXCEPTIONS_ENABLED=true: its log then names \
             the cause"
                .into(),
        ],
    }
}

fn forbidden(observed: &Refusal<'_>) -> Diagnosis {
    let actor = observed.token.and_then(|token| token.claims.as_ref()).and_then(Claims::actor_urn);
    let who = actor.clone().unwrap_or_else(|| "the caller".into());
    let mut evidence = vec![format!("403 from {}", observed.request)];
    if !observed.message.is_empty() {
        // It may list every entity of a batch.
        let beginning: String = observed.message.chars().take(400).collect();
        let more = if beginning.len() < observed.message.len() { "…" } else { "" };
        evidence.push(format!("GMS says: {beginning}{more}"));
    }
    if let Some(token) = observed.token {
        evidence.push(token.line());
    }
    let mut types = entity_types(observed.message);
    if let (true, Some((_, path))) = (types.is_empty(), observed.request.split_once("/openapi/v3/entity/")) {
        // OpenAPI's words name no entity, but its path names their type.
        types.extend(path.split(['/', '?']).next().map(str::to_owned));
    }
    let on = if types.is_empty() { "the entity types of this file".into() } else { types.join(", ") };
    let mut fixes = vec![
        format!(
            "in DataHub under Settings > Permissions, give {who} a metadata policy with the privilege Edit Entity on {on} \
             (Edit Tags and the like do not count for ingestion)"
        ),
        "or use the token of a user who has that privilege".into(),
    ];
    if observed.request.contains("/openapi/v3/") {
        // `EntityController` asks for CREATE on the type, `AspectResource` for UPDATE on the URN.
        evidence.push(
            "OpenAPI v3 wants Create Entity or Edit Entity on the whole entity type; Rest.li wants Edit Entity on each URN \
             alone"
                .into(),
        );
        fixes.push(
            "if a policy gives that privilege on some entities only, write `endpoint: restli` under sink.config".into(),
        );
    }
    Diagnosis {
        code: Code::Forbidden,
        summary: format!("GMS knows {who}, who may not write what was sent"),
        evidence,
        fixes,
    }
}

/// The entity types that GMS's words name (`AspectResource`: `HttpStatus: 403 Urn: …`), each once.
fn entity_types(message: &str) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for found in message.split("Urn: urn:li:").skip(1) {
        let entity_type: String = found.chars().take_while(char::is_ascii_alphanumeric).collect();
        if !entity_type.is_empty() && !types.contains(&entity_type) {
            types.push(entity_type);
        }
    }
    types
}

/// What to do to have another token where this one came from.
fn new_token(token: &TokenFacts) -> String {
    format!("make a new token in DataHub under Settings > Access Tokens, and put it into {}", token.place)
}

fn clock(observed: &Refusal<'_>) -> String {
    match observed.server_time {
        Some(time) => format!("the server's clock reads {}", seconds(time)),
        None => format!("the clock here reads {}", seconds(observed.now)),
    }
}

pub(super) fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).map_or_else(|_| time.to_string(), |time| time.to_string())
}

/// A span of time in its largest unit: "3 days".
pub(super) fn rough(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn facts(claims: Option<Claims>) -> TokenFacts {
        TokenFacts {
            source: "file:/run/token".into(),
            place: "the file /run/token".into(),
            fingerprint: "3f9a01c2".into(),
            claims,
            empty: false,
        }
    }

    fn facts_of(claims: Claims) -> TokenFacts {
        facts(Some(claims))
    }

    fn refused<'a>(status: u16, token: Option<&'a TokenFacts>, message: &'a str) -> Refusal<'a> {
        Refusal {
            request: "POST http://gms:8080/aspects?action=ingestProposalBatch",
            status,
            message,
            token,
            now: at(1_000_000),
            server_time: Some(at(1_000_060)),
        }
    }

    fn claims(expires_at: Option<i64>, not_before: Option<i64>) -> Claims {
        Claims {
            actor_id: Some("loader".into()),
            kind: Some("PERSONAL".into()),
            expires_at: expires_at.map(at),
            not_before: not_before.map(at),
            issuer: None,
        }
    }

    #[test]
    fn each_cause_of_a_401_is_told_apart() {
        let empty = TokenFacts { empty: true, ..facts(None) };
        let rows = [
            (None, Code::TokenMissing),
            (Some(empty), Code::TokenEmpty),
            (Some(facts(None)), Code::TokenOpaqueRefused),
            (Some(facts_of(claims(Some(1_000_060), None))), Code::TokenExpired),
            (Some(facts_of(claims(Some(1_000_061), None))), Code::TokenUnknown),
            (Some(facts_of(claims(None, None))), Code::TokenUnknown),
            (Some(facts_of(claims(None, Some(1_000_061)))), Code::TokenNotYetValid),
            (Some(facts_of(claims(None, Some(1_000_060)))), Code::TokenUnknown),
        ];
        for (token, code) in rows {
            let diagnosis = refusal(&refused(401, token.as_ref(), ""));
            assert_eq!(diagnosis.code, code, "{token:?}");
            assert_eq!(diagnosis.code.kind(), crate::ErrorKind::Refused);
            assert!(!diagnosis.fixes.is_empty() && !diagnosis.evidence.is_empty());
        }
    }

    #[test]
    fn the_server_s_clock_decides_and_the_local_one_stands_in() {
        let token = facts_of(claims(Some(1_000_030), None));
        assert_eq!(refusal(&refused(401, Some(&token), "")).code, Code::TokenExpired);
        let observed = Refusal { server_time: None, ..refused(401, Some(&token), "") };
        assert_eq!(refusal(&observed).code, Code::TokenUnknown);
    }

    #[test]
    fn an_expired_token_reads_as_in_the_documentation() {
        let token = facts_of(claims(Some(1_000_060 - 3 * 86_400), None));
        let diagnosis = refusal(&refused(401, Some(&token), ""));
        insta::assert_snapshot!(diagnosis.summary, @"GMS refused the token: it expired 3 days ago");
        insta::assert_snapshot!(diagnosis.evidence.join("\n"), @r"
        401 from POST http://gms:8080/aspects?action=ingestProposalBatch (its body does not tell why; GMS's never does)
        the token is from the file /run/token, sha256 3f9a01c2, a personal access token of urn:li:corpuser:loader
        its exp claim is 1970-01-09T13:47:40Z; the server's clock reads 1970-01-12T13:47:40Z
        ");
        insta::assert_snapshot!(diagnosis.fixes.join("\n"), @"make a new token in DataHub under Settings > Access Tokens, and put it into the file /run/token");
    }

    #[test]
    fn a_403_over_openapi_may_pass_over_restli() {
        let message = "urn:li:corpuser:loader is unauthorized to CREATE entities.";
        let request = "POST http://gms:8080/openapi/v3/entity/dataset?async=true";
        let diagnosis = refusal(&Refusal { request, ..refused(403, None, message) });
        assert!(diagnosis.fixes.iter().any(|fix| fix.contains("endpoint: restli")), "{diagnosis:?}");
        let restli = refusal(&refused(403, None, message));
        assert!(!restli.fixes.iter().any(|fix| fix.contains("endpoint: restli")), "{restli:?}");
    }

    #[test]
    fn a_403_names_who_and_which_entity_types() {
        let token = facts_of(claims(None, None));
        let message = "User urn:li:corpuser:loader is unauthorized to modify entity: HttpStatus: 403 Urn: \
                       urn:li:dataJob:(urn:li:dataFlow:(a,b,c),d), HttpStatus: 403 Urn: urn:li:dataset:(x,y,z), \
                       HttpStatus: 403 Urn: urn:li:dataset:(p,q,r)";
        let diagnosis = refusal(&refused(403, Some(&token), message));
        assert_eq!(diagnosis.code, Code::Forbidden);
        assert!(diagnosis.summary.contains("urn:li:corpuser:loader"));
        assert!(diagnosis.fixes[0].contains("Edit Entity on dataJob, dataset"), "{:?}", diagnosis.fixes);
    }
}
