//! The input of a diagnosis.

use jiff::Timestamp;

use crate::auth::TokenInfo;
use crate::http::{ProxyInfo, TransportErrorKind};

/// Everything that is known about a request that failed. Its texts contain no secret.
#[derive(Clone, Debug)]
pub(crate) struct Observation<'a> {
    /// The request.
    pub(crate) request: Request<'a>,
    /// The server that it went to.
    pub(crate) server: ServerInfo<'a>,
    /// The response, or the reason that there is none.
    pub(crate) observed: Observed<'a>,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// The token that was sent with it.
    pub(crate) token: Option<&'a TokenInfo>,
    /// The extra headers contain a Cookie.
    pub(crate) cookie: bool,
    /// The local time.
    pub(crate) now: Timestamp,
    /// The address at which a GMS was found instead, for example below the frontend's `/api/gms`.
    pub(crate) found_at: Option<&'a str>,
    /// This process runs in a container.
    pub(crate) in_container: bool,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// Method and URL, for example `POST http://gms:8080/aspects?action=ingestProposalBatch`.
    pub(crate) line: &'a str,
    /// The purpose of the request.
    pub(crate) kind: &'a RequestKind,
}

/// The purpose of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Reads the server's `/config`.
    Config,
    /// Writes proposals over Rest.li.
    RestliWrite,
    /// Writes proposals over OpenAPI v3, all of one entity type.
    OpenapiWrite {
        /// The entity type.
        entity_type: String,
    },
    /// Reads an entity.
    Read,
    /// Any other request.
    #[default]
    Other,
}

/// A server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerInfo<'a> {
    /// The address as it was configured, without a slash at the end.
    pub(crate) url: &'a str,
    /// The host; IPv6 addresses are in brackets.
    pub(crate) host: &'a str,
    /// Requests stay on this machine.
    pub(crate) loopback: bool,
    /// Requests go through DataHub's frontend: the path ends with `/api/gms`.
    pub(crate) through_frontend: bool,
    /// The address that DataHub's frontend probably has.
    pub(crate) frontend: &'a str,
    /// The proxy that requests go through.
    pub(crate) proxy: Option<&'a ProxyInfo>,
    /// It has shown in this run that it is a GMS.
    pub(crate) is_known_gms: bool,
}

/// The response to a request, or the reason that there is none.
#[derive(Clone, Debug)]
pub(crate) enum Observed<'a> {
    /// There was a response.
    Response(ResponseInfo<'a>),
    /// GMS's `/config?verbose=true` reports the caller as anonymous.
    Anonymous {
        /// The server's clock, from its `Date` header.
        server_time: Option<Timestamp>,
    },
    /// There was no response.
    NoResponse(NoResponse<'a>),
}

/// A response that is a refusal, a server error, or not that of a GMS.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseInfo<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The content type, or nothing.
    pub(crate) content_type: &'a str,
    /// The first characters of the body.
    pub(crate) body: &'a str,
    /// The error message in the body, if the body has a known form.
    pub(crate) message: &'a str,
    /// The body is incomplete.
    pub(crate) cut_short: bool,
    /// The target of a redirect.
    pub(crate) redirect: Option<Redirect<'a>>,
    /// The server's clock, from its `Date` header.
    pub(crate) server_time: Option<Timestamp>,
    /// There is a `WWW-Authenticate` header, which GMS never sends.
    pub(crate) challenge: bool,
    /// The `Server` header.
    pub(crate) server: Option<&'a str>,
}

/// The target of a redirect.
#[derive(Clone, Debug)]
pub(crate) struct Redirect<'a> {
    /// The URL without its query, which may contain a secret.
    pub(crate) to: &'a str,
    /// The names of the query's parameters.
    pub(crate) parameters: Vec<&'a str>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoResponse<'a> {
    /// How far the request got.
    pub(crate) cause: TransportErrorKind,
    /// A description, for example `connection refused`.
    pub(crate) problem: &'a str,
}
