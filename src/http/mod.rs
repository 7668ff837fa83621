//! HTTP below GMS and identity providers: single requests, TLS, proxies, time limits and transport errors.
//!
//! An [`HttpService`] sends one request and returns one response, or a [`TransportError`] that says how far
//! the request got. [`HttpClient`] is the production implementation. The same service carries the requests to
//! GMS and those to an identity provider, so trust roots, client certificates, proxy settings and time limits
//! apply to both.
//!
//! This layer neither retries nor follows redirects: `gms` has the only retry logic, and a redirect would
//! carry the token to another server or lose it.

mod body;
mod client;
mod config;
mod name_lookup;
mod proxy;
mod service;
mod tls;
mod tls_probe;
mod tracked_body;
mod transport_error;
mod trust_file;

pub use body::Body;
pub use client::HttpClient;
pub use config::HttpConfig;
pub use proxy::ProxyInfo;
pub use service::{HttpService, Request, Response, ResponseFuture};
pub use tls::TlsSettings;
pub use transport_error::{TransportError, TransportErrorKind};
