//! The cause of a 401. GMS does not give it, so it is derived from the token's claims, both clocks and the
//! path that the request took.

use jiff::{SignedDuration, Timestamp};

use super::fixes::{foreign_issuer, new_token};
use super::html_page::{self, Page};
use super::observation::{Observation, ResponseInfo};
use super::response_evidence::{foreign_page, status};
use crate::auth::{Claims, TokenInfo, TokenSource};
use crate::diagnosis::{ClockReading, Code, Diagnosis, Evidence, Fix, HeaderMistake, Summary};

/// Clocks that differ by less are treated as equal.
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(120);

/// The beginning of an error message that is shown, in characters.
const SHOWN_MESSAGE_CHARS: usize = 200;

/// Messages of every 401 (`AuthenticationEnforcementFilter`, Spring Boot, the frontend).
const GENERIC_MESSAGES: [&str; 3] =
    ["Unauthorized", "Unauthorized to perform this action.", "Authentication required"];

/// The cause of a 401 from GMS or from a server in front of it.
pub(super) fn diagnose(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    let page = html_page::identify(info);
    let message = info.message.trim();
    let mut evidence = if page.is_some() || message.is_empty() || GENERIC_MESSAGES.contains(&message) {
        vec![Evidence::UnexplainedStatus {
            status: info.status,
            request: observation.request.line.to_owned(),
        }]
    } else {
        let beginning = message.chars().take(SHOWN_MESSAGE_CHARS).collect();
        vec![status(observation, info), Evidence::BodyMessage(beginning)]
    };
    if info.challenge {
        evidence.push(Evidence::Challenge);
    } else if page == Some(Page::Other) {
        evidence.push(foreign_page(info));
    }
    if observation.server.through_frontend && info.body.trim().is_empty() {
        evidence.push(Evidence::EmptyFrontendBody);
        if observation.token.is_some_and(|token| !token.empty) {
            return proxy_session(observation, evidence);
        }
    }
    cause(observation, evidence, info.server_time)
}

/// GMS reports the caller as anonymous, and would respond 401 to a write.
pub(super) fn anonymous(observation: &Observation<'_>, server_time: Option<Timestamp>) -> Diagnosis {
    let evidence = vec![Evidence::Anonymous {
        request: observation.request.line.to_owned(),
        token_sent: observation.token.is_some_and(|token| !token.empty),
    }];
    cause(observation, evidence, server_time)
}

fn cause(
    observation: &Observation<'_>,
    mut evidence: Vec<Evidence>,
    server_time: Option<Timestamp>,
) -> Diagnosis {
    let Some(token) = observation.token else {
        return Diagnosis::new(Code::TokenMissing, Summary::TokenMissing)
            .with_evidence(evidence)
            .with_fixes(new_token(None, &observation.server));
    };
    if token.empty {
        return empty(observation, evidence, token);
    }
    evidence.push(token.evidence());
    if token.source == TokenSource::ExtraHeaders {
        evidence.push(Evidence::AuthorizationHeader);
    }
    if let Some(mistake) = token.header_mistake {
        return authorization_header(evidence, mistake);
    }
    let Some(claims) = &token.claims else {
        return opaque(observation, evidence, token);
    };
    let clock = Clock { local: observation.now, server: server_time };
    if let Some(diagnosis) = clock.invalid_now(observation, &evidence, token, claims) {
        return diagnosis;
    }
    evidence.extend(clock.evidence_of_validity(claims));
    unknown(observation, evidence, token, claims)
}

fn empty(observation: &Observation<'_>, evidence: Vec<Evidence>, token: &TokenInfo) -> Diagnosis {
    let from_recipe = token.source == TokenSource::Recipe;
    Diagnosis::new(Code::TokenEmpty, Summary::TokenEmpty(token.source.clone()))
        .with_evidence(evidence)
        .with_evidence([Evidence::EmptyToken(token.source.clone())])
        .with_fixes(from_recipe.then_some(Fix::SetTokenVariable))
        .with_fixes(new_token(Some(token), &observation.server))
}

fn authorization_header(evidence: Vec<Evidence>, mistake: HeaderMistake) -> Diagnosis {
    let code = match mistake {
        HeaderMistake::NoScheme | HeaderMistake::Wrapped => Code::TokenNotAHeader,
        HeaderMistake::SchemeTwice => Code::TokenDoubledBearer,
        HeaderMistake::Unexpanded => Code::TokenUnexpanded,
    };
    Diagnosis::new(code, Summary::AuthorizationHeader(mistake))
        .with_evidence(evidence)
        .with_fixes([Fix::ReplaceAuthorizationHeader, Fix::CorrectAuthorizationHeader])
}

fn opaque(observation: &Observation<'_>, evidence: Vec<Evidence>, token: &TokenInfo) -> Diagnosis {
    let system_client = token.source == TokenSource::SystemClient;
    let summary = if system_client { Summary::SystemClientRefused } else { Summary::TokenOpaque };
    Diagnosis::new(Code::TokenOpaqueRefused, summary)
        .with_evidence(evidence)
        .with_fixes((!system_client).then(|| Fix::CheckTokenForm(token.source.clone())))
        .with_fixes(new_token(Some(token), &observation.server))
}

fn proxy_session(observation: &Observation<'_>, evidence: Vec<Evidence>) -> Diagnosis {
    // GMS usually listens there, beside the frontend.
    let gms = format!("http://{}:8080", observation.server.host);
    Diagnosis::new(Code::ProxySession, Summary::ProxySession)
        .with_evidence(evidence)
        .with_evidence(observation.token.map(TokenInfo::evidence))
        .with_fixes([Fix::EnableFrontendAuthentication, Fix::BypassFrontend(gms)])
}

fn unknown(
    observation: &Observation<'_>,
    mut evidence: Vec<Evidence>,
    token: &TokenInfo,
    claims: &Claims,
) -> Diagnosis {
    let cookie = observation.cookie && observation.server.through_frontend;
    if cookie {
        evidence.push(Evidence::CookieReplacesToken);
    }
    if let Some(issuer) = foreign_issuer(token) {
        evidence.push(Evidence::ForeignIssuer(issuer.to_owned()));
        return Diagnosis::new(Code::TokenUnknown, Summary::ForeignIssuer(issuer.to_owned()))
            .with_evidence(evidence)
            .with_fixes(new_token(Some(token), &observation.server));
    }
    if claims.issuer.is_some() {
        if !matches!(claims.version.as_deref(), Some("1" | "2")) {
            evidence.push(Evidence::UnknownVersion);
        }
        let foreign = claims.algorithm.as_deref().filter(|name| *name != "HS256");
        evidence.extend(foreign.map(|algorithm| Evidence::ForeignAlgorithm(algorithm.to_owned())));
    }
    let session = claims.kind.as_deref() == Some("SESSION");
    if session {
        evidence.push(Evidence::SessionToken);
    }
    let frontend = observation.server.frontend.to_owned();
    Diagnosis::new(Code::TokenUnknown, Summary::TokenUnknown)
        .with_evidence(evidence)
        .with_fixes(cookie.then_some(Fix::RemoveCookie))
        .with_fixes((!session).then_some(Fix::CheckTokenIsListed { frontend }))
        .with_fixes(new_token(Some(token), &observation.server))
        .with_fixes([Fix::CheckUser(claims.actor_urn()), Fix::LogAuthenticatorExceptions])
}

/// The local time and the server's.
struct Clock {
    local: Timestamp,
    server: Option<Timestamp>,
}

impl Clock {
    /// The server's time, which decides; the local time where it is not known.
    fn now(&self) -> Timestamp {
        self.server.unwrap_or(self.local)
    }

    fn reading(&self) -> ClockReading {
        self.server.map_or(ClockReading::Local(self.local), ClockReading::Server)
    }

    /// By how much the server's clock is ahead, if that is more than is tolerated.
    fn skew(&self) -> Option<SignedDuration> {
        let ahead = self.server?.duration_since(self.local);
        (ahead.abs() > TOLERATED_SKEW).then_some(ahead)
    }

    /// The diagnosis of a token that has expired or is not valid yet.
    fn invalid_now(
        &self,
        observation: &Observation<'_>,
        evidence: &[Evidence],
        token: &TokenInfo,
        claims: &Claims,
    ) -> Option<Diagnosis> {
        let (now, clock) = (self.now(), self.reading());
        if let Some(expires_at) = claims.expires_at.filter(|expires_at| *expires_at <= now) {
            let claim = Evidence::Expired { expires_at, clock };
            let valid_by_local_clock = expires_at > self.local;
            if let Some(skew) = self.skew().filter(|_| valid_by_local_clock) {
                return Some(self.skewed(
                    evidence,
                    Summary::ClockSkew { expired: true, server_ahead: skew },
                    claim,
                ));
            }
            let ago = now.duration_since(expires_at);
            return Some(
                Diagnosis::new(Code::TokenExpired, Summary::TokenExpired { ago })
                    .with_evidence(evidence.iter().cloned())
                    .with_evidence([claim])
                    .with_fixes(new_token(Some(token), &observation.server)),
            );
        }
        let not_before = claims.not_before.filter(|not_before| *not_before > now)?;
        let claim = Evidence::NotYetValid { not_before, clock };
        let valid_by_local_clock = not_before <= self.local;
        if let Some(skew) = self.skew().filter(|_| valid_by_local_clock) {
            return Some(self.skewed(
                evidence,
                Summary::ClockSkew { expired: false, server_ahead: skew },
                claim,
            ));
        }
        let until = not_before.duration_since(now);
        Some(
            Diagnosis::new(Code::TokenNotYetValid, Summary::TokenNotYetValid { until })
                .with_evidence(evidence.iter().cloned())
                .with_evidence([claim])
                .with_fixes([Fix::WaitUntil(not_before), Fix::CompareIssuerClock]),
        )
    }

    fn skewed(&self, evidence: &[Evidence], summary: Summary, claim: Evidence) -> Diagnosis {
        Diagnosis::new(Code::ClockSkew, summary)
            .with_evidence(evidence.iter().cloned())
            .with_evidence([claim, Evidence::LocalClock(self.local)])
            .with_fixes([Fix::CheckClock, Fix::SynchronizeClocks])
    }

    /// The evidence that the token is valid at this time.
    fn evidence_of_validity(&self, claims: &Claims) -> Vec<Evidence> {
        let clock = self.reading();
        let expiry = claims
            .expires_at
            .map_or(Evidence::NoExpiry, |expires_at| Evidence::NotExpired { expires_at, clock });
        std::iter::once(expiry).chain(self.skew().map(Evidence::ClockDifference)).collect()
    }
}
