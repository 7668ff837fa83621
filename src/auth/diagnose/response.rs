//! The cause of a response that is not that of a healthy GMS.

use super::html_page::{self, Page};
use super::observation::{Observation, Redirect, RequestKind, ResponseInfo};
use super::response_evidence::{foreign_page, status};
use super::{forbidden, no_response, unauthorized};
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, RedirectChange, Summary};
use crate::display_text::display_text;

/// The beginning of a body that is shown, in characters.
const SHOWN_BODY_CHARS: usize = 200;

/// The part of an error message that is shown, in characters.
const SHOWN_MESSAGE_CHARS: usize = 300;

/// The cause of a response.
pub(super) fn diagnose(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    match info.status {
        401 | 403 if html_page::identify(info) == Some(Page::Login) => login_page(observation, info),
        401 => unauthorized::diagnose(observation, info),
        403 | 502..=504 if is_from_proxy(observation, info) => {
            unavailable(observation, info, Code::ProxyUnreachable)
        }
        403 => forbidden::diagnose(observation, info),
        407 => proxy_authentication(observation, info),
        408 => unavailable(observation, info, Code::Timeout),
        429 => unavailable(observation, info, Code::Throttled),
        502..=504 if is_starting(observation, info) => unavailable(observation, info, Code::NotReady),
        500..=599 => unavailable(observation, info, Code::ServerError),
        300..=399 => redirected(observation, info),
        400 if expects_tls(info) => no_response::tls_port(observation, description(observation, info)),
        200..=299 if info.cut_short => unavailable(observation, info, Code::ServerError),
        _ => not_gms(observation, info),
    }
}

/// Everything that tells which server responded.
fn description(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Vec<Evidence> {
    let mut evidence = vec![status(observation, info)];
    if !info.content_type.is_empty() {
        evidence.push(Evidence::ContentType(info.content_type.to_owned()));
    }
    evidence.extend(info.server.map(|server| Evidence::ServerHeader(server.to_owned())));
    let body = display_text(info.body, SHOWN_BODY_CHARS);
    if !body.is_empty() {
        evidence.push(Evidence::BodyStart(body));
    }
    evidence
}

/// GMS responds 503 until it has started (`HealthCheckController`), and the frontend responds 502 when it
/// finds no GMS behind it. Later in a run, both are errors of a server.
fn is_starting(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> bool {
    *observation.request.kind == RequestKind::Config
        && (info.status == 503 || observation.server.through_frontend)
}

fn unavailable(observation: &Observation<'_>, info: &ResponseInfo<'_>, code: Code) -> Diagnosis {
    let mut evidence = vec![if info.cut_short {
        Evidence::TruncatedResponse { status: info.status, request: observation.request.line.to_owned() }
    } else {
        status(observation, info)
    }];
    if html_page::identify(info).is_some_and(|page| page != Page::Gms) {
        evidence.push(foreign_page(info));
    } else if !info.cut_short && !info.message.is_empty() {
        evidence.push(Evidence::BodyMessage(info.message.chars().take(SHOWN_MESSAGE_CHARS).collect()));
    }
    no_response::unavailable(observation, code, evidence)
}

fn proxy_authentication(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    let evidence = vec![status(observation, info), Evidence::FromProxy];
    no_response::unavailable(observation, Code::ProxyAuthentication, evidence)
}

/// Whether the proxy of an `http` request has answered itself: GMS's own refusals and errors are JSON.
/// Through a tunnel, a proxy cannot answer.
fn is_from_proxy(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> bool {
    observation.server.proxy.is_some()
        && observation.server.url.starts_with("http://")
        && !info.content_type.contains("json")
        && !observation.server.through_frontend
}

/// Whether this is the response of nginx, Go, Apache or Jetty to plain HTTP on a TLS port.
fn expects_tls(info: &ResponseInfo<'_>) -> bool {
    let body = info.body.to_ascii_lowercase();
    [
        "http request was sent to https port",
        "http request to an https server",
        "speaking plain http to an ssl",
    ]
    .iter()
    .any(|message| body.contains(message))
}

fn redirected(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    let Some(redirect) = &info.redirect else { return not_gms(observation, info) };
    if html_page::is_login(redirect) {
        return login_page(observation, info);
    }
    let Some(target) = RedirectTarget::new(observation.server.url, redirect) else {
        return not_gms(observation, info);
    };
    let evidence = [status(observation, info), Evidence::RedirectNotFollowed(redirect.to.to_owned())];
    let fix = Fix::SetServer(target.server);
    match target.change {
        None => Diagnosis::new(Code::NotGms, Summary::RedirectedToPath)
            .with_evidence(evidence)
            .with_evidence(info.server.map(|server| Evidence::ServerHeader(server.to_owned())))
            .with_fixes([fix]),
        Some(change) => Diagnosis::new(Code::Redirected, Summary::Redirected(change))
            .with_evidence(evidence)
            .with_evidence(observation.token.map(crate::auth::TokenInfo::evidence))
            .with_fixes([fix]),
    }
}

/// Where a redirect leads.
struct RedirectTarget {
    /// The server address that would not be redirected.
    server: String,
    /// How the origin differs from the server's; `None` if it is the same.
    change: Option<RedirectChange>,
}

impl RedirectTarget {
    fn new(server: &str, redirect: &Redirect<'_>) -> Option<Self> {
        let base = url::Url::parse(server).ok()?;
        let to = base.join(redirect.to).ok()?;
        if to.cannot_be_a_base() || !to.username().is_empty() {
            return None;
        }
        let change = match (to.scheme() == base.scheme(), to.host_str() == base.host_str()) {
            _ if to.origin() == base.origin() => None,
            (false, true) => Some(RedirectChange::Scheme(to.scheme().to_owned())),
            (true, true) => Some(RedirectChange::Port),
            _ => Some(RedirectChange::Host(to.host_str()?.to_owned())),
        };
        // The path of the request is not part of the server's address.
        let path = to.path();
        let end = ["/config", "/aspects", "/entities", "/entitiesV2", "/openapi/"]
            .iter()
            .filter_map(|known| path.find(known))
            .min()
            .unwrap_or(path.len());
        let path = path.get(..end)?.trim_end_matches('/');
        let mut url = to.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(path);
        Some(Self { server: url.as_str().trim_end_matches('/').to_owned(), change })
    }
}

fn login_page(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    let login = match &info.redirect {
        Some(redirect) => Evidence::RedirectToLogin(redirect.to.to_owned()),
        None => Evidence::LoginPage,
    };
    Diagnosis::new(Code::LoginPage, Summary::LoginPage)
        .with_evidence(description(observation, info))
        .with_evidence([login, Evidence::TokenNotForwarded])
        .with_fixes([
            Fix::AllowBearerTokens { server: observation.server.url.to_owned() },
            Fix::SendProxyAuthorization,
            Fix::BypassLoginPage,
        ])
}

fn not_gms(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Diagnosis {
    let page = html_page::identify(info);
    if page == Some(Page::Login) {
        return login_page(observation, info);
    }
    let mut evidence = description(observation, info);
    evidence.extend(info.redirect.as_ref().map(|redirect| Evidence::Redirect(redirect.to.to_owned())));
    let url = observation.server.url;
    let at_frontend = url.contains(":9002") && !observation.server.through_frontend;
    let found = observation.found_at.map(str::to_owned);
    evidence.extend(found.clone().map(Evidence::GmsFoundAt));
    if page == Some(Page::Frontend) || at_frontend {
        evidence.push(Evidence::Frontend);
        let server = found.unwrap_or_else(|| format!("{}/api/gms", observation.server.frontend));
        return Diagnosis::new(Code::Frontend, Summary::Frontend)
            .with_evidence(evidence)
            .with_fixes([Fix::SetServer(server), Fix::UseGmsPort]);
    }
    let fixes = match found {
        Some(found) => vec![Fix::SetServer(found)],
        None => vec![Fix::ProbeServer(url.to_owned()), Fix::CorrectServer],
    };
    Diagnosis::new(Code::NotGms, Summary::NotGms).with_evidence(evidence).with_fixes(fixes)
}
