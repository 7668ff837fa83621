//! Makes observations, with what is usual for whatever a row leaves out.

use datahub_emitter::auth::{
    Address, Answer, Claims, Fault, Observation, Observed, Silence, TokenFacts, diagnose,
};
use datahub_emitter::diagnosis::Diagnosis;
use datahub_emitter::gms::ServerAddress;
use jiff::Timestamp;

/// 2026-11-25T12:00:00Z.
pub(super) const NOW: i64 = 1_795_608_000;

pub(super) fn at(offset: i64) -> Timestamp {
    Timestamp::from_second(NOW + offset).unwrap()
}

/// A request to a server.
pub(super) struct To {
    server: ServerAddress,
    request: String,
    token: Option<TokenFacts>,
    cookie: bool,
    attempts: u32,
    found_at: Option<&'static str>,
    in_container: bool,
}

impl To {
    /// A batch of proposals.
    pub(super) fn write(server: &str) -> Self {
        Self::path(server, "POST", "/aspects?action=ingestProposalBatch")
    }

    /// The first question.
    pub(super) fn config(server: &str) -> Self {
        Self::path(server, "GET", "/config")
    }

    pub(super) fn path(server: &str, method: &str, path: &str) -> Self {
        let server = ServerAddress::parse(server).unwrap();
        Self {
            request: format!("{method} {}", server.at(path)),
            server,
            token: None,
            cookie: false,
            attempts: 1,
            found_at: None,
            in_container: false,
        }
    }

    pub(super) fn with(self, token: TokenFacts) -> Self {
        Self { token: Some(token), ..self }
    }

    pub(super) fn cookie(self) -> Self {
        Self { cookie: true, ..self }
    }

    pub(super) fn tried(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    pub(super) fn found(self, at: &'static str) -> Self {
        Self { found_at: Some(at), ..self }
    }

    pub(super) fn in_container(self) -> Self {
        Self { in_container: true, ..self }
    }

    pub(super) fn answered(&self, answer: Answer<'_>) -> Diagnosis {
        self.came_to(Observed::Answer(answer))
    }

    /// A status, and a body for programs.
    pub(super) fn refused(&self, status: u16, body: &str) -> Diagnosis {
        self.answered(Answer {
            status,
            content_type: "application/json",
            body,
            message: &message(body),
            server_time: Some(at(1)),
            ..Answer::default()
        })
    }

    /// A status, and a web page.
    pub(super) fn showed(&self, status: u16, body: &str) -> Diagnosis {
        self.answered(Answer { status, content_type: "text/html", body, message: body, ..Answer::default() })
    }

    pub(super) fn failed(&self, fault: Fault, problem: &str) -> Diagnosis {
        self.came_to(Observed::Silence(Silence { fault, problem }))
    }

    pub(super) fn anonymous(&self) -> Diagnosis {
        self.came_to(Observed::Anonymous { server_time: Some(at(1)) })
    }

    fn came_to(&self, observed: Observed<'_>) -> Diagnosis {
        diagnose(&Observation {
            request: &self.request,
            server: Address {
                url: &self.server.to_string(),
                host: self.server.host(),
                loopback: self.server.is_loopback(),
                through_frontend: self.server.is_frontend(),
                frontend: &self.server.frontend(),
            },
            observed,
            attempts: self.attempts,
            token: self.token.as_ref(),
            cookie: self.cookie,
            now: at(0),
            found_at: self.found_at,
            in_container: self.in_container,
        })
    }
}

/// The words in a body, as the client finds them.
fn message(body: &str) -> String {
    let parsed: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let found = parsed["message"].as_str().or(parsed["error"].as_str());
    found.unwrap_or(body).to_owned()
}

/// A personal access token of DataHub's for `loader`, from a file.
pub(super) fn pat() -> TokenFacts {
    token("file:/run/secrets/datahub-token", "the file /run/secrets/datahub-token")
}

/// The same from somewhere else.
pub(super) fn token(source: &str, place: &str) -> TokenFacts {
    TokenFacts {
        source: source.into(),
        place: place.into(),
        fingerprint: "3f9a01c2".into(),
        claims: Some(Claims {
            actor_id: Some("loader".into()),
            kind: Some("PERSONAL".into()),
            expires_at: Some(at(86_400)),
            issuer: Some("datahub-metadata-service".into()),
            version: Some("2".into()),
            algorithm: Some("HS256".into()),
            ..Claims::default()
        }),
        empty: false,
        header_slip: None,
    }
}

/// The token with other claims.
pub(super) fn but(token: TokenFacts, change: impl FnOnce(&mut Claims)) -> TokenFacts {
    let mut claims = token.claims.clone().unwrap_or_default();
    change(&mut claims);
    TokenFacts { claims: Some(claims), ..token }
}
