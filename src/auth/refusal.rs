//! From a 401 to its cause. GMS never tells it, so the token's claims, both clocks and the way that the request took have
//! to.

use jiff::{SignedDuration, Timestamp};

use super::facts::HeaderSlip;
use super::observation::{Answer, Observation};
use super::page::{self, Page};
use super::remedy::{foreign_issuer, new_token};
use super::{Claims, TokenFacts};
use crate::diagnosis::{Code, Diagnosis};

/// Clocks that differ by less are taken to agree.
const SKEW: SignedDuration = SignedDuration::from_secs(120);

/// What GMS says to everyone (`AuthenticationEnforcementFilter`, Spring Boot, the frontend).
const GENERIC: [&str; 3] =
    ["Unauthorized", "Unauthorized to perform this action.", "Authentication required"];

/// GMS, or what stands in front of it, answered 401.
pub(super) fn unauthorized(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    let page = page::of(answer);
    let words = answer.message.trim();
    let mut evidence = vec![format!("401 from {}", observation.request)];
    if page.is_some() || words.is_empty() || GENERIC.contains(&words) {
        evidence =
            vec![format!("401 from {} (its body does not tell why; GMS's never does)", observation.request)];
    } else {
        let beginning: String = words.chars().take(200).collect();
        evidence.push(format!("its body says: {beginning}"));
    }
    if answer.challenge {
        evidence.push(
            "it has a WWW-Authenticate header, which GMS never sends: something in front of GMS may have answered".into(),
        );
    } else if page == Some(Page::Other) {
        evidence.push(format!("its body is a web page, which is not GMS's{}", served_by(answer)));
    }
    let by_frontend = observation.server.through_frontend && answer.body.trim().is_empty();
    if by_frontend {
        evidence.push("its body is empty, as that of DataHub's frontend is, and GMS's is not".into());
        if observation.token.is_some_and(|token| !token.empty) {
            return proxy_session(observation, evidence);
        }
    }
    cause(observation, evidence, answer.server_time)
}

/// GMS takes the caller for anonymous: what it would answer 401 to.
pub(super) fn anonymous(observation: &Observation<'_>, server_time: Option<Timestamp>) -> Diagnosis {
    let what = if observation.token.is_some_and(|token| !token.empty) {
        "GMS does not take the token"
    } else {
        "GMS wants a token"
    };
    let evidence = vec![format!("200 from {} with userType \"anonymous\": {what}", observation.request)];
    cause(observation, evidence, server_time)
}

fn cause(
    observation: &Observation<'_>,
    mut evidence: Vec<String>,
    server_time: Option<Timestamp>,
) -> Diagnosis {
    let Some(token) = observation.token else {
        return missing(observation, evidence);
    };
    if token.empty {
        return empty(observation, evidence, token);
    }
    evidence.push(token.line());
    if token.source == "extra-headers" {
        evidence
            .push("extra_headers.Authorization goes as it is, and no other token counts beside it".into());
    }
    if let Some(slip) = token.header_slip {
        return header(evidence, slip);
    }
    let Some(claims) = &token.claims else {
        return opaque(observation, evidence, token);
    };
    let clock = Clock { here: observation.now, server: server_time };
    clock.judge(observation, &mut evidence, token, claims).unwrap_or_else(|| {
        clock.witness(&mut evidence, claims);
        unknown(observation, evidence, token, claims)
    })
}

fn missing(observation: &Observation<'_>, evidence: Vec<String>) -> Diagnosis {
    Diagnosis {
        code: Code::TokenMissing,
        summary: "GMS wants a token, and none was sent".into(),
        evidence,
        fixes: new_token(None, &observation.server),
    }
}

fn empty(observation: &Observation<'_>, mut evidence: Vec<String>, token: &TokenFacts) -> Diagnosis {
    evidence.push(format!(
        "the token from {} is the empty text, so no Authorization header was sent",
        token.place
    ));
    let mut fixes = new_token(Some(token), &observation.server);
    if token.source == "recipe" {
        fixes
            .insert(0, "set the variable that sink.config.token of the recipe names; it is empty now".into());
    }
    Diagnosis {
        code: Code::TokenEmpty,
        summary: format!("GMS wants a token, and the one from {} is empty", token.place),
        evidence,
        fixes,
    }
}

fn header(evidence: Vec<String>, slip: HeaderSlip) -> Diagnosis {
    let (code, what) = match slip {
        HeaderSlip::NoScheme => (Code::TokenNotAHeader, "does not begin with `Bearer `"),
        HeaderSlip::Wrapped => (Code::TokenNotAHeader, "has white space or quotes around the token"),
        HeaderSlip::Doubled => (Code::TokenDoubledBearer, "has the word Bearer twice"),
        HeaderSlip::Unexpanded => {
            (Code::TokenUnexpanded, "holds a reference to a variable that nobody has expanded")
        }
    };
    Diagnosis {
        code,
        summary: format!("the recipe's sink.config.extra_headers.Authorization {what}"),
        evidence,
        fixes: vec![
            "take that header out of extra_headers, and write under sink.config:  token: ${DATAHUB_GMS_TOKEN}".into(),
            "or write it as GMS reads it:  extra_headers: {Authorization: 'Bearer ${DATAHUB_GMS_TOKEN}'}".into(),
        ],
    }
}

fn opaque(observation: &Observation<'_>, evidence: Vec<String>, token: &TokenFacts) -> Diagnosis {
    if token.source == "system-client" {
        return Diagnosis {
            code: Code::TokenOpaqueRefused,
            summary: "GMS does not know this system client, or its secret is another".into(),
            evidence,
            fixes: new_token(Some(token), &observation.server),
        };
    }
    let mut fixes = vec![format!(
        "look at what {} really holds: DataHub's tokens are JWTs, three parts with dots between them",
        token.place
    )];
    fixes.extend(new_token(Some(token), &observation.server));
    Diagnosis {
        code: Code::TokenOpaqueRefused,
        summary: "GMS refused the token, and it is no token that DataHub makes".into(),
        evidence,
        fixes,
    }
}

fn proxy_session(observation: &Observation<'_>, mut evidence: Vec<String>) -> Diagnosis {
    evidence.extend(observation.token.map(TokenFacts::line));
    Diagnosis {
        code: Code::ProxySession,
        summary: "DataHub's frontend refused, before GMS saw the token: its own switch for tokens is off, and it lets only \
                  browser sessions through"
            .into(),
        evidence,
        fixes: vec![
            "set METADATA_SERVICE_AUTH_ENABLED=true for the frontend (datahub-frontend) as well as for GMS, and restart it"
                .into(),
            "or go past it, to GMS itself; in the recipe, under sink.config:  server: ".to_owned()
                + &beside_frontend(observation),
        ],
    }
}

/// GMS itself, where it usually listens beside the frontend.
fn beside_frontend(observation: &Observation<'_>) -> String {
    format!("http://{}:8080", observation.server.host)
}

fn unknown(
    observation: &Observation<'_>,
    mut evidence: Vec<String>,
    token: &TokenFacts,
    claims: &Claims,
) -> Diagnosis {
    if observation.cookie && observation.server.through_frontend {
        evidence.push(
            "extra_headers sends a Cookie: the frontend puts its session's token in place of this one".into(),
        );
    }
    if let Some(issuer) = foreign_issuer(token) {
        evidence.push(format!("its iss claim is {issuer}: not DataHub's own, but an identity provider's"));
        return Diagnosis {
            code: Code::TokenUnknown,
            summary: format!(
                "GMS does not take tokens that {issuer} issues, or does not know this one's audience or user"
            ),
            evidence,
            fixes: new_token(Some(token), &observation.server),
        };
    }
    let ours = claims.issuer.is_some();
    if ours && !matches!(claims.version.as_deref(), Some("1" | "2")) {
        evidence.push("its version claim is neither 1 nor 2, and GMS takes no other".into());
    }
    if let Some(algorithm) = claims.algorithm.as_deref().filter(|name| ours && *name != "HS256") {
        evidence.push(format!("it is signed with {algorithm}, and GMS signs with HS256 only"));
    }
    let mut fixes = Vec::new();
    let list = format!(
        "see whether it is listed at {}/settings/tokens: if it is not, it was revoked, or belongs to another DataHub",
        observation.server.frontend
    );
    if observation.cookie && observation.server.through_frontend {
        fixes.push("take Cookie out of sink.config.extra_headers".into());
    }
    if claims.kind.as_deref() == Some("SESSION") {
        evidence.push(
            "a session token is made for a browser, lives for a day, and ends with GMS's signing key".into(),
        );
    } else {
        fixes.push(list);
    }
    fixes.extend(new_token(Some(token), &observation.server));
    let user = claims.actor_urn().unwrap_or_else(|| "its user".into());
    fixes.push(format!("see that {user} is there, and is not suspended, under Settings > Users & Groups"));
    fixes.push(
        "if others are refused too, GMS cannot reach its token store, or its signing key has changed; whoever runs GMS sets \
         METADATA_SERVICE_AUTHENTICATOR_EXCEPTIONS_ENABLED=true, and its log names the cause"
            .into(),
    );
    Diagnosis {
        code: Code::TokenUnknown,
        summary: "GMS does not know the token: it was revoked, was issued by another DataHub or before the signing key \
                  changed, its user is gone or suspended, or GMS cannot reach its token store; a client cannot tell \
                  these apart"
            .into(),
        evidence,
        fixes,
    }
}

/// What answered, where it says so.
pub(super) fn served_by(answer: &Answer<'_>) -> String {
    answer.server.map_or_else(String::new, |server| format!(" (its Server header: {server})"))
}

/// The time here, and at the server's.
struct Clock {
    here: Timestamp,
    server: Option<Timestamp>,
}

impl Clock {
    /// The server's time, which is what counts for it; the one here stands in.
    fn now(&self) -> Timestamp {
        self.server.unwrap_or(self.here)
    }

    /// By how much the server's clock is ahead, if that is worth a word.
    fn skew(&self) -> Option<SignedDuration> {
        let ahead = self.server?.duration_since(self.here);
        (ahead.abs() > SKEW).then_some(ahead)
    }

    fn reads(&self) -> String {
        match self.server {
            Some(time) => format!("the server's clock reads {}", seconds(time)),
            None => format!("the clock here reads {}", seconds(self.here)),
        }
    }

    fn difference(ahead: SignedDuration) -> String {
        let word = if ahead.is_positive() { "ahead of" } else { "behind" };
        format!("the server's clock is {} {word} the one here", rough(ahead))
    }

    /// What the token's times say, if they say that it is not good now.
    fn judge(
        &self,
        observation: &Observation<'_>,
        evidence: &mut Vec<String>,
        token: &TokenFacts,
        claims: &Claims,
    ) -> Option<Diagnosis> {
        let now = self.now();
        if let Some(expires_at) = claims.expires_at.filter(|expires_at| *expires_at <= now) {
            let mut evidence = std::mem::take(evidence);
            evidence.push(format!("its exp claim is {}; {}", seconds(expires_at), self.reads()));
            if let Some(skew) = self.skew().filter(|_| expires_at > self.here) {
                return Some(self.differ(evidence, skew, "has expired"));
            }
            return Some(Diagnosis {
                code: Code::TokenExpired,
                summary: format!(
                    "GMS refused the token: it expired {} ago",
                    rough(now.duration_since(expires_at))
                ),
                evidence,
                fixes: new_token(Some(token), &observation.server),
            });
        }
        let not_before = claims.not_before.filter(|not_before| *not_before > now)?;
        let mut evidence = std::mem::take(evidence);
        evidence.push(format!("its nbf claim is {}; {}", seconds(not_before), self.reads()));
        if let Some(skew) = self.skew().filter(|_| not_before <= self.here) {
            return Some(self.differ(evidence, skew, "is not valid yet"));
        }
        Some(Diagnosis {
            code: Code::TokenNotYetValid,
            summary: format!(
                "GMS refused the token: it becomes valid in {}",
                rough(not_before.duration_since(now))
            ),
            evidence,
            fixes: vec![
                format!("wait until {}, and run again", seconds(not_before)),
                "compare the clock of the token's issuer with the server's, if it should be valid already"
                    .into(),
            ],
        })
    }

    fn differ(&self, mut evidence: Vec<String>, skew: SignedDuration, what: &str) -> Diagnosis {
        evidence.push(format!("the clock here reads {}", seconds(self.here)));
        Diagnosis {
            code: Code::ClockSkew,
            summary: format!(
                "by the server's clock the token {what}, and by the one here it is good: {}",
                Self::difference(skew)
            ),
            evidence,
            fixes: vec![
                "see whether the clock here is right:  date -u".into(),
                "set the clock of the machine that is wrong, here or GMS's, by NTP; then the same token is good".into(),
            ],
        }
    }

    /// That the times are not at fault.
    fn witness(&self, evidence: &mut Vec<String>, claims: &Claims) {
        match claims.expires_at {
            Some(expires_at) => evidence.push(format!(
                "its exp claim is {}, which is not over; {}",
                seconds(expires_at),
                self.reads()
            )),
            None => evidence.push("it has no exp claim, so it does not expire".into()),
        }
        evidence.extend(self.skew().map(Self::difference));
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
