//! The exchange of one request for one response, as a trait.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use super::{Body, ProxyInfo, TransportError};

/// The future of a [`Response`].
pub type ResponseFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// Sends single requests. [`HttpClient`](super::HttpClient) is the production implementation; a simulation of
/// a network is another.
///
/// An implementation must not retry and must not follow redirects. Dropping the future cancels the exchange;
/// the server may have received the request then.
pub trait HttpService: fmt::Debug + Send + Sync {
    /// Sends one request and reads its response. Any status is a response, not an error.
    fn send(&self, request: Request) -> ResponseFuture<'_>;

    /// The proxy that requests to `url` go through. By default there is none.
    fn proxy_for(&self, url: &str) -> Option<ProxyInfo> {
        let _ = url;
        None
    }
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL, `http` or `https`.
    pub url: String,
    /// The headers, without `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body, if there is one.
    pub body: Option<Body>,
    /// How many bytes of the response's body are read, at most.
    pub max_response_bytes: usize,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning if it is [`truncated`](Self::truncated).
    pub body: Bytes,
    /// The body was longer than the request's limit.
    pub truncated: bool,
}
