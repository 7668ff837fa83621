//! The proxy for a URL, by the variables `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
//!
//! They mean what they mean to Python's `requests` (`urllib.request.getproxies_environment`,
//! `requests.utils.should_bypass_proxies`), because recipes were written for it: a variable in lower case
//! replaces the one in upper case, also with an empty value, and an entry of `NO_PROXY` is a suffix of
//! `host` or `host:port`.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::environment::Environment;

/// The schemes of proxies that can be used.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// A proxy, and the variable that names it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyInfo {
    /// The address without credentials, for example `http://proxy:3128`.
    pub address: String,
    /// The name of the variable, for example `HTTPS_PROXY`.
    pub variable: String,
    url: Option<Url>,
}

/// The address as written may hold a password.
impl fmt::Debug for ProxyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxyInfo").field(&self.address).field(&self.variable).finish()
    }
}

impl ProxyInfo {
    /// A proxy that this variable names. An address without a scheme is an HTTP proxy's.
    pub fn new(variable: impl Into<String>, written: &str) -> Self {
        let written = written.trim();
        let written = if written.contains("://") { written.to_owned() } else { format!("http://{written}") };
        let url = Url::parse(&written).ok().filter(Url::has_host);
        let address = url.as_ref().map_or_else(|| "an address that is not a URL".to_owned(), shown);
        let url = url.filter(|url| SCHEMES.contains(&url.scheme()));
        Self { address, variable: variable.into(), url }
    }

    /// The URL with its credentials; `None` if no connection can be made through it.
    pub(super) fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }
}

fn shown(url: &Url) -> String {
    let port = url.port_or_known_default().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// The variables of one environment.
#[derive(Clone, Debug, Default)]
pub(super) struct ProxyVariables {
    http: Option<ProxyInfo>,
    https: Option<ProxyInfo>,
    all: Option<ProxyInfo>,
    bypassed: Vec<String>,
}

impl ProxyVariables {
    pub(super) fn read(environment: &Environment) -> Self {
        // A CGI server sets HTTP_PROXY to the `Proxy` header of its client.
        let is_cgi = environment.get("REQUEST_METHOD").is_some();
        let proxy = |lower: &str, upper: &str| {
            let upper_applies = !(is_cgi && lower == "http_proxy");
            let found = environment.get(lower).map(|value| (lower, value));
            let found =
                found.or_else(|| environment.get(upper).filter(|_| upper_applies).map(|v| (upper, v)));
            found
                .filter(|(_, value)| !value.trim().is_empty())
                .map(|(name, value)| ProxyInfo::new(name, value))
        };
        let bypassed =
            environment.get("no_proxy").or_else(|| environment.get("NO_PROXY")).unwrap_or_default();
        let bypassed = bypassed.split(',').map(|entry| entry.replace(' ', "").to_ascii_lowercase());
        Self {
            http: proxy("http_proxy", "HTTP_PROXY"),
            https: proxy("https_proxy", "HTTPS_PROXY"),
            all: proxy("all_proxy", "ALL_PROXY"),
            bypassed: bypassed.filter(|entry| !entry.is_empty()).collect(),
        }
    }

    /// Whether they name a proxy at all.
    pub(super) fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none() && self.all.is_none()
    }

    /// The proxy for requests to `url`.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<&ProxyInfo> {
        let own = if url.scheme() == "https" { &self.https } else { &self.http };
        own.as_ref().or(self.all.as_ref()).filter(|_| !self.bypasses(url))
    }

    fn bypasses(&self, url: &Url) -> bool {
        let (host, ip) = match url.host() {
            Some(Host::Domain(name)) => (name.to_ascii_lowercase(), None),
            Some(Host::Ipv4(ip)) => (ip.to_string(), Some(IpAddr::V4(ip))),
            Some(Host::Ipv6(ip)) => (ip.to_string(), Some(IpAddr::V6(ip))),
            None => return false,
        };
        let with_port = url.port_or_known_default().map(|port| match ip {
            Some(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            _ => format!("{host}:{port}"),
        });
        self.bypassed.iter().any(|entry| {
            if entry == "*" {
                return true;
            }
            let entry = entry.strip_prefix('*').unwrap_or(entry);
            match ip {
                Some(ip) => {
                    *entry == host
                        || entry.trim_matches(['[', ']']) == host
                        || with_port.as_deref() == Some(entry)
                        || is_in_network(ip, entry)
                }
                None => {
                    host.ends_with(entry)
                        || entry.strip_prefix('.') == Some(&host)
                        || with_port.as_ref().is_some_and(|host| host.ends_with(entry))
                }
            }
        })
    }
}

/// Whether `ip` is in `network`, for example `10.0.0.0/8`.
fn is_in_network(ip: IpAddr, network: &str) -> bool {
    let Some((base, bits)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(bits)) = (base.parse(), bits.parse::<u32>()) else { return false };
    let same =
        |ip: u128, base: u128, width: u32| bits <= width && (bits == 0 || (ip ^ base) >> (width - bits) == 0);
    match (ip, base) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => same(ip.to_bits().into(), base.to_bits().into(), 32),
        (IpAddr::V6(ip), IpAddr::V6(base)) => same(ip.to_bits(), base.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], url: &str) -> Option<(String, String)> {
        let variables = ProxyVariables::read(&Environment::from_pairs(variables.iter().copied()));
        let proxy = variables.proxy_for(&Url::parse(url).unwrap());
        proxy.map(|proxy| (proxy.variable.clone(), proxy.address.clone()))
    }

    #[test]
    fn the_variables_choose_as_in_requests() {
        let found = |variable: &str, address: &str| Some((variable.to_owned(), address.to_owned()));
        for (variables, url, expected) in [
            (&[][..], "http://gms:8080", None),
            (&[("HTTP_PROXY", "http://p:1")], "http://gms:8080", found("HTTP_PROXY", "http://p:1")),
            (&[("HTTP_PROXY", "http://p:1")], "https://gms", None),
            (&[("HTTPS_PROXY", "p:1")], "https://gms", found("HTTPS_PROXY", "http://p:1")),
            (&[("ALL_PROXY", "socks5h://u:s3cr3t@p")], "https://gms", found("ALL_PROXY", "socks5h://p")),
            (
                &[("HTTP_PROXY", "http://p:1"), ("http_proxy", "http://q:1")],
                "http://gms",
                found("http_proxy", "http://q:1"),
            ),
            (&[("HTTP_PROXY", "http://p:1"), ("http_proxy", "")], "http://gms", None),
            (&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], "http://gms", None),
            (
                &[("HTTP_PROXY", "http://p:1"), ("ALL_PROXY", "http://q:1")],
                "http://gms",
                found("HTTP_PROXY", "http://p:1"),
            ),
        ] {
            assert_eq!(chosen(variables, url), expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn no_proxy_is_a_list_of_suffixes_ports_and_networks() {
        for (no_proxy, url, bypassed) in [
            ("gms", "http://gms:8080", true),
            ("GMS:8080", "http://gms:8080", true),
            ("gms:8081", "http://gms:8080", false),
            ("gms:80", "http://gms", true),
            ("other, example.com", "http://gms.example.com", true),
            (".example.com", "http://gms.example.com", true),
            (".example.com", "http://example.com", true),
            ("*.example.com", "http://gms.example.com", true),
            ("example.com", "http://gms.example.org", false),
            ("*", "http://gms", true),
            ("10.0.0.0/8", "http://10.1.2.3:8080", true),
            ("10.0.0.0/8", "http://11.1.2.3:8080", false),
            ("0.0.0.0/0", "http://11.1.2.3:8080", true),
            ("10.1.2.3", "http://10.1.2.3:8080", true),
            ("10.1.2.3:8080", "http://10.1.2.3:8080", true),
            ("2.3", "http://10.1.2.3:8080", false),
            ("10.0.0.0/99", "http://10.1.2.3:8080", false),
            ("fd00::/8", "http://[fd00::1]:8080", true),
            ("::1", "http://[::1]:8080", true),
            ("", "http://gms", false),
        ] {
            let found = chosen(&[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", no_proxy)], url);
            assert_eq!(found.is_none(), bypassed, "{no_proxy} {url}");
        }
    }

    #[test]
    fn a_password_is_not_shown_and_an_unusable_address_is_kept() {
        let proxy = ProxyInfo::new("HTTP_PROXY", "http://user:s3cr3t@proxy:3128");
        assert_eq!(proxy.address, "http://proxy:3128");
        assert!(!format!("{proxy:?}").contains("s3cr3t"));
        for unusable in ["ftp://proxy:21", "http://", "http://a b"] {
            assert!(ProxyInfo::new("HTTP_PROXY", unusable).url().is_none(), "{unusable}");
        }
    }
}
