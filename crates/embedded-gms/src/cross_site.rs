//! Requests that another web site may have caused in the browser of a user.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

/// Content types that a form of another site can send without a CORS preflight.
const FORMS: &[&str] = &["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Whether another site may have caused this request: a change with a foreign `Origin`, or with the content
/// type of a form. A cookie, or the right to connect, does not prove the user's intent.
pub(crate) fn is_cross_site(parts: &Parts) -> bool {
    if [Method::GET, Method::HEAD].contains(&parts.method) {
        return false;
    }
    let foreign_site =
        text(&parts.headers, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = text(&parts.headers, "origin").is_some_and(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_none() || host != text(&parts.headers, "host")
    });
    foreign_site || foreign_origin || is_form(&parts.headers)
}

/// Whether the `Host` header is a name that only a foreign name server gives to this machine: a page of that
/// name would be of the same origin as this server (DNS rebinding). Addresses, `localhost` and names without
/// a dot cannot be registered.
pub(crate) fn has_foreign_host(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, "host") else { return false };
    if host.starts_with('[') {
        return false;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_end_matches('.');
    let local = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    name.contains('.') && !local && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// Whether a form can send this content type.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = text(headers, header::CONTENT_TYPE.as_str());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    FORMS.iter().any(|form| kind.eq_ignore_ascii_case(form))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_registered_are_foreign() {
        for (host, foreign) in [
            ("127.0.0.1:8080", false),
            ("[::1]:8080", false),
            ("localhost:8080", false),
            ("gms.localhost", false),
            ("datahub-gms:8080", false),
            ("evil.example.com:8080", true),
            ("localhost.example.com", true),
            ("127.0.0.1.example.com:8080", true),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(has_foreign_host(&headers), foreign, "{host}");
        }
        assert!(!has_foreign_host(&HeaderMap::new()));
    }
}
