//! The address of GMS.

use std::fmt;

use url::Url;

use crate::redact::holds_jwt;

/// The path below which the frontend passes requests on to GMS.
const FRONTEND_PATH: &str = "/api/gms";

/// The port on which the frontend listens by default.
const FRONTEND_PORT: u16 = 9002;

/// The address of a GMS, or of the path below which a proxy shows one: `http://gms:8080`,
/// `https://datahub.example.com/api/gms`.
///
/// A path that ends with `/api/gms` is that of DataHub's frontend, which passes requests on to GMS.
///
/// It never holds a user, a password, a token or a query, so it can be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    url: Url,
    /// The URL without a slash at the end.
    base: String,
}

/// Why a text is not an address of a GMS. The message does not repeat the text, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No scheme, as in `gms:8080`.
    #[error("a server needs a scheme: write http://… or https://…")]
    NoScheme,
    /// A scheme other than HTTP and HTTPS.
    #[error("a server is reached by http:// or https://")]
    Scheme,
    /// `http://user:password@host`.
    #[error("a server's address holds neither user nor password; GMS takes a token, in sink.config.token")]
    Credentials,
    /// `http://host?x=1` or `http://host#x`.
    #[error("a server's address ends with its path: take away everything from the `?` or `#` on")]
    Query,
    /// `http://host/<token>`.
    #[error("a server's address holds no token; it belongs in sink.config.token")]
    Token,
    /// Anything else.
    #[error("not an address: {0}")]
    Malformed(url::ParseError),
}

impl ServerAddress {
    /// Reads an address; slashes at its end do not count.
    ///
    /// An address at `acryl.io` (DataHub Cloud) is corrected as DataHub's own client does (`cli_utils.py`):
    /// https, no port 8080, and GMS below `/gms`.
    ///
    /// # Errors
    /// When it has no scheme, or holds a user, a password, a token, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let scheme = text.split_once("://").ok_or(AddressError::NoScheme)?.0;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(AddressError::Scheme);
        }
        if holds_jwt(text) {
            return Err(AddressError::Token);
        }
        let mut url = Url::parse(text).map_err(AddressError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        if url.host_str().is_some_and(|host| host == "acryl.io" || host.ends_with(".acryl.io")) {
            correct_cloud_address(&mut url);
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, base })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether requests stay on this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether requests travel encrypted.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether requests reach GMS through DataHub's frontend, which accepts at most 10 MB per request.
    pub fn is_frontend(&self) -> bool {
        self.base.ends_with(FRONTEND_PATH)
    }

    /// The probable address of DataHub's frontend, the web page: this address without `/api/gms`, or the same
    /// host with port 9002 in place of 8080. At DataHub Cloud it is the address without `/gms`. DataHub's own
    /// client guesses the same (`cli_utils.py`).
    pub fn frontend(&self) -> String {
        if let Some(base) = self.base.strip_suffix(FRONTEND_PATH).or_else(|| self.base.strip_suffix("/gms")) {
            return base.to_owned();
        }
        match self.url.port() {
            None => self.origin(),
            Some(_) => format!("{}://{}:{FRONTEND_PORT}", self.url.scheme(), self.host()),
        }
    }

    /// The URL of `path_and_query`, which starts with a slash, for a PATCH. The frontend passes that method
    /// on below its own `/openapi` and not below `/api/gms` (`datahub-frontend/conf/routes`).
    pub fn patch_at(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base.strip_suffix(FRONTEND_PATH).unwrap_or(&self.base))
    }

    /// The URL of `path_and_query`, which starts with a slash.
    pub fn at(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base)
    }
}

/// Setting parts of an https URL with a host cannot fail, so the results of the setters are ignored.
fn correct_cloud_address(url: &mut Url) {
    url.set_scheme("https").ok();
    if url.port() == Some(8080) {
        url.set_port(None).ok();
    }
    let path = match url.path().trim_end_matches('/') {
        "" | "/api/gms" => "/gms".to_owned(),
        path => path.to_owned(),
    };
    url.set_path(&path);
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.base, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_are_ignored_and_a_path_is_kept() {
        for (text, config) in [
            ("http://gms:8080", "http://gms:8080/config"),
            ("http://gms:8080//", "http://gms:8080/config"),
            (" https://host/api/gms/ ", "https://host/api/gms/config"),
            ("http://[::1]:8080/", "http://[::1]:8080/config"),
            ("http://acme.acryl.io", "https://acme.acryl.io/gms/config"),
            ("https://acme.acryl.io:8080/api/gms", "https://acme.acryl.io/gms/config"),
            ("https://acme.acryl.io/gms", "https://acme.acryl.io/gms/config"),
            ("http://notacryl.io", "http://notacryl.io/config"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().at("/config"), config);
        }
    }

    #[test]
    fn loopback_names_and_addresses_are_recognised() {
        for (text, expected) in [
            ("http://localhost:8080", true),
            ("http://gms.localhost", true),
            ("http://127.8.9.1", true),
            ("http://[::1]:8080", true),
            ("http://gms:8080", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().is_loopback(), expected, "{text}");
        }
    }

    #[test]
    fn a_patch_through_the_frontend_has_another_path() {
        let patch = |text: &str| ServerAddress::parse(text).unwrap().patch_at("/openapi/v3/entity/tag");
        assert_eq!(patch("https://datahub/api/gms/"), "https://datahub/openapi/v3/entity/tag");
        assert_eq!(patch("https://proxy/data/api/gms"), "https://proxy/data/openapi/v3/entity/tag");
        assert_eq!(patch("http://gms:8080"), "http://gms:8080/openapi/v3/entity/tag");
        assert_eq!(patch("https://acme.acryl.io"), "https://acme.acryl.io/gms/openapi/v3/entity/tag");
    }

    #[test]
    fn the_address_of_the_frontend_is_guessed() {
        for (text, frontend) in [
            ("http://gms:8080", "http://gms:9002"),
            ("http://localhost:41234/", "http://localhost:9002"),
            ("http://datahub:9002/api/gms", "http://datahub:9002"),
            ("https://datahub.example.com/api/gms", "https://datahub.example.com"),
            ("https://gms.example.com", "https://gms.example.com"),
            ("https://acme.acryl.io", "https://acme.acryl.io"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().frontend(), frontend);
        }
    }

    #[test]
    fn an_address_with_a_possible_secret_is_refused_and_not_repeated() {
        for (text, error) in [
            ("http://user:s3cr3t-s3cr3t@gms:8080", AddressError::Credentials),
            ("http://s3cr3t-s3cr3t@gms:8080", AddressError::Credentials),
            ("http://gms:8080?token=s3cr3t-s3cr3t", AddressError::Query),
            ("http://gms:8080/#s3cr3t-s3cr3t", AddressError::Query),
            ("http://gms:8080/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsb2FkZXIifQ.s3cr3t", AddressError::Token),
            ("gms:8080", AddressError::NoScheme),
            ("ftp://gms", AddressError::Scheme),
        ] {
            let found = ServerAddress::parse(text).unwrap_err();
            assert_eq!(found, error);
            assert!(!found.to_string().contains("s3cr3t"));
        }
        assert!(matches!(ServerAddress::parse("http://"), Err(AddressError::Malformed(_))));
    }
}
