//! A proxy on the loopback interface, through which a child process reaches the run's GMS.
//!
//! It replaces the child's token by the run's. So the child uses the run's TLS settings, proxies and renewed
//! tokens, never sees the token of GMS, and a refusal is diagnosed in one place. Requests need a random
//! token that only the child has, because every user of this machine can connect to the port.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};

use crate::gms::Client;
use crate::hex::hex;
use crate::source::GraphAddress;
use crate::{Error, ErrorKind};

/// The longest request that is passed on.
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// Starts the proxy on the current runtime. It ends with the runtime.
///
/// # Errors
/// Of kind [`ErrorKind::Internal`] when no port can be opened.
pub(super) fn start(gms: Client) -> Result<GraphAddress, Error> {
    let cannot = |error: std::io::Error| {
        Error::new(ErrorKind::Internal, "cannot open a local port for the source").with_source(error)
    };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
    listener.set_nonblocking(true).map_err(cannot)?;
    let listener = TcpListener::from_std(listener).map_err(cannot)?;
    let port = listener.local_addr().map_err(cannot)?.port();
    let token = random_token(&gms);
    let address = GraphAddress::new(format!("http://127.0.0.1:{port}"), token.clone());
    tokio::spawn(serve(listener, Arc::new(Proxy { gms, authorization: format!("Bearer {token}") })));
    Ok(address)
}

/// 256 random bits in hexadecimal.
fn random_token(gms: &Client) -> String {
    let mut hasher = Sha256::new();
    for _ in 0..4 {
        hasher.update(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0).to_le_bytes());
    }
    hasher.update(gms.clock().now().as_nanosecond().to_le_bytes());
    hex(&hasher.finalize())
}

struct Proxy {
    gms: Client,
    /// The Authorization header that the child sends.
    authorization: String,
}

async fn serve(listener: TcpListener, proxy: Arc<Proxy>) {
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(serve_connection(connection, Arc::clone(&proxy)));
    }
}

async fn serve_connection(connection: TcpStream, proxy: Arc<Proxy>) {
    let service = service_fn(move |request| {
        let proxy = Arc::clone(&proxy);
        async move { Ok::<_, Infallible>(proxy.respond(request).await) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
    if let Err(error) = served.await {
        tracing::debug!("a connection of the source ended: {error}");
    }
}

type Response = hyper::Response<Whole>;

impl Proxy {
    async fn respond(&self, request: hyper::Request<Incoming>) -> Response {
        let given = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        if !given.is_some_and(|given| is_equal(given, self.authorization.as_bytes())) {
            return text(StatusCode::UNAUTHORIZED, "this port belongs to a run of datahub-emit");
        }
        let (parts, body) = request.into_parts();
        let Some(body) = read(body).await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large or was cut short");
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        match self.gms.forward(parts.method, path, &passed_on(&parts.headers), body).await {
            Ok((status, headers, body)) => {
                let mut response = hyper::Response::new(Whole(Some(body)));
                *response.status_mut() = status;
                if let Some(content_type) = headers.get(CONTENT_TYPE) {
                    response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
                }
                response
            }
            Err(message) => text(StatusCode::BAD_GATEWAY, &message),
        }
    }
}

/// Compares in constant time, so that the time does not tell how much of a guess is right.
fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len() && given.iter().zip(expected).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn text(status: StatusCode, message: &str) -> Response {
    let mut response = hyper::Response::new(Whole(Some(Bytes::copy_from_slice(message.as_bytes()))));
    *response.status_mut() = status;
    response
}

async fn read(mut body: Incoming) -> Option<Bytes> {
    let mut read = BytesMut::new();
    loop {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        match frame {
            None => return Some(read.freeze()),
            Some(Err(_)) => return None,
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { continue };
                if read.len() + data.len() > MAX_REQUEST_BYTES {
                    return None;
                }
                read.extend_from_slice(data);
            }
        }
    }
}

/// A body that is in memory.
struct Whole(Option<Bytes>);

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// The headers of the child that GMS needs; the others belong to the connection between the two.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let is_passed = |name: &str| {
        matches!(name, "accept" | "content-type" | "user-agent")
            || name.starts_with("x-restli-")
            || name.starts_with("x-datahub-")
    };
    headers
        .iter()
        .filter(|(name, _)| is_passed(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
