//! Observations with default values.

use jiff::Timestamp;
use url::Url;

use crate::auth::{
    Claims, NoResponse, Observation, Observed, Request, RequestKind, ResponseInfo, ServerInfo, TokenInfo,
    TokenSource, diagnose,
};
use crate::diagnosis::Diagnosis;
use crate::http::{ProxyInfo, TransportErrorKind};

/// 2026-11-25T12:00:00Z.
pub(super) const NOW: i64 = 1_795_608_000;

pub(super) fn at(offset: i64) -> Timestamp {
    Timestamp::from_second(NOW + offset).unwrap()
}

/// A request to a server.
pub(super) struct To {
    server: String,
    line: String,
    kind: RequestKind,
    token: Option<TokenInfo>,
    cookie: bool,
    attempts: u32,
    found_at: Option<&'static str>,
    in_container: bool,
    proxy: Option<ProxyInfo>,
    is_known_gms: bool,
}

impl To {
    /// A batch of proposals over Rest.li.
    pub(super) fn write(server: &str) -> Self {
        Self::path(server, "POST", "/aspects?action=ingestProposalBatch", RequestKind::RestliWrite)
    }

    /// A batch of proposals for data sets over OpenAPI.
    pub(super) fn write_openapi(server: &str) -> Self {
        let kind = RequestKind::OpenapiWrite { entity_type: "dataset".into() };
        Self::path(server, "POST", "/openapi/v3/entity/dataset?async=true", kind)
    }

    /// The first request.
    pub(super) fn config(server: &str) -> Self {
        Self::path(server, "GET", "/config", RequestKind::Config)
    }

    /// The request that shows whether GMS accepts the token.
    pub(super) fn verbose_config(server: &str) -> Self {
        Self::path(server, "GET", "/config?verbose=true", RequestKind::Config)
    }

    pub(super) fn path(server: &str, method: &str, path: &str, kind: RequestKind) -> Self {
        // Without the default port, as the client shows it.
        let server = Url::parse(server).unwrap().as_str().trim_end_matches('/').to_owned();
        Self {
            line: format!("{method} {server}{path}"),
            kind,
            server,
            token: None,
            cookie: false,
            attempts: 1,
            found_at: None,
            in_container: false,
            proxy: None,
            is_known_gms: false,
        }
    }

    pub(super) fn with(self, token: TokenInfo) -> Self {
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

    pub(super) fn through_proxy(self) -> Self {
        Self { proxy: Some(ProxyInfo::new("HTTP_PROXY", "http://u:s3cr3t@proxy:3128")), ..self }
    }

    /// The server has already shown that it is a GMS.
    pub(super) fn known(self) -> Self {
        Self { is_known_gms: true, ..self }
    }

    pub(super) fn in_container(self) -> Self {
        Self { in_container: true, ..self }
    }

    pub(super) fn responded(&self, info: ResponseInfo<'_>) -> Diagnosis {
        self.diagnose(Observed::Response(info))
    }

    /// A status, and a body for programs.
    pub(super) fn refused(&self, status: u16, body: &str) -> Diagnosis {
        self.responded(ResponseInfo {
            status,
            content_type: "application/json",
            body,
            message: &message(body),
            server_time: Some(at(1)),
            ..ResponseInfo::default()
        })
    }

    /// A status, and a web page.
    pub(super) fn showed(&self, status: u16, body: &str) -> Diagnosis {
        self.responded(ResponseInfo {
            status,
            content_type: "text/html",
            body,
            message: body,
            ..ResponseInfo::default()
        })
    }

    pub(super) fn failed(&self, cause: TransportErrorKind, problem: &str) -> Diagnosis {
        self.diagnose(Observed::NoResponse(NoResponse { cause, problem }))
    }

    pub(super) fn anonymous(&self) -> Diagnosis {
        self.diagnose(Observed::Anonymous { server_time: Some(at(1)) })
    }

    fn diagnose(&self, observed: Observed<'_>) -> Diagnosis {
        let url = Url::parse(&self.server).unwrap();
        let host = url.host_str().unwrap();
        diagnose(&Observation {
            request: Request { line: &self.line, kind: &self.kind },
            server: ServerInfo {
                url: &self.server,
                host,
                loopback: host == "localhost",
                through_frontend: self.server.ends_with("/api/gms"),
                frontend: &format!("{}://{host}:9002", url.scheme()),
                proxy: self.proxy.as_ref(),
                is_known_gms: self.is_known_gms,
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

/// The error message in a body, as the client finds it.
fn message(body: &str) -> String {
    let parsed: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let found = parsed["message"].as_str().or(parsed["error"].as_str());
    found.unwrap_or(body).to_owned()
}

/// A personal access token of DataHub's for `loader`, from a file.
pub(super) fn pat() -> TokenInfo {
    token(TokenSource::File("/run/secrets/datahub-token".into()))
}

/// The same token from another source.
pub(super) fn token(source: TokenSource) -> TokenInfo {
    TokenInfo {
        source,
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
        header_mistake: None,
    }
}

/// The token with other claims.
pub(super) fn with_claims(token: TokenInfo, change: impl FnOnce(&mut Claims)) -> TokenInfo {
    let mut claims = token.claims.clone().unwrap_or_default();
    change(&mut claims);
    TokenInfo { claims: Some(claims), ..token }
}
