//! What a diagnosis is made of.

use jiff::Timestamp;

use super::TokenFacts;

/// All that is known of a request that came to nothing. Its texts are free of secrets.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// Method and address, for example `POST http://gms:8080/aspects?action=ingestProposalBatch`.
    pub request: &'a str,
    /// The server that was asked.
    pub server: Address<'a>,
    /// What came of it.
    pub observed: Observed<'a>,
    /// How often it was tried.
    pub attempts: u32,
    /// The token that the request went with.
    pub token: Option<&'a TokenFacts>,
    /// The recipe's `extra_headers` send a Cookie.
    pub cookie: bool,
    /// The clock here.
    pub now: Timestamp,
    /// Where a GMS was found instead, for example below the frontend's `/api/gms`.
    pub found_at: Option<&'a str>,
    /// This process runs inside a container.
    pub in_container: bool,
}

/// What is known of a server's address.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// As the recipe has it, without a slash at the end.
    pub url: &'a str,
    /// The host, IPv6 addresses in brackets.
    pub host: &'a str,
    /// Requests stay on this machine.
    pub loopback: bool,
    /// Requests go through DataHub's frontend: its path ends with `/api/gms`.
    pub through_frontend: bool,
    /// Where DataHub's frontend probably is.
    pub frontend: &'a str,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Observed<'a> {
    /// An answer.
    Answer(Answer<'a>),
    /// GMS's `/config?verbose=true` takes the caller for anonymous.
    Anonymous {
        /// The server's clock, from its `Date` header.
        server_time: Option<Timestamp>,
    },
    /// No answer.
    Silence(Silence<'a>),
}

/// An answer that is a refusal, a server's trouble, or none of a GMS's.
#[derive(Clone, Debug, Default)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The content type, or nothing.
    pub content_type: &'a str,
    /// The first bytes of the body, as text.
    pub body: &'a str,
    /// The words that the body has for people, if it is of a form that is known.
    pub message: &'a str,
    /// The body ended before its end.
    pub cut_short: bool,
    /// Where a redirect points.
    pub redirect: Option<Redirect<'a>>,
    /// The server's clock, from its `Date` header.
    pub server_time: Option<Timestamp>,
    /// It has the header `WWW-Authenticate`, which GMS never sends.
    pub challenge: bool,
    /// Its `Server` header.
    pub server: Option<&'a str>,
}

/// Where a redirect points.
#[derive(Clone, Debug)]
pub struct Redirect<'a> {
    /// Without its query, which may hold a secret.
    pub to: &'a str,
    /// The names of its query's parameters, without their values.
    pub parameters: Vec<&'a str>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'a> {
    /// How far the request got.
    pub fault: Fault,
    /// In words, for example `connection refused`.
    pub problem: &'a str,
}

/// How far a request got before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No connection.
    Connect,
    /// The host's name is unknown.
    Name,
    /// The server's certificate is not trusted, or is not this host's.
    Certificate,
    /// The server wants a client's certificate, or another one.
    ClientCertificate,
    /// The TLS handshake failed in another way.
    Tls,
    /// TLS was begun, and what answered was not TLS.
    PlainPort,
    /// Plain HTTP was sent, and what answered was not HTTP.
    NotHttp,
    /// No connection within the time limit.
    ConnectTimeout,
    /// No answer within the time limit.
    Timeout,
    /// The connection broke after the request began.
    Broken,
}
