//! From an answer that is none of a GMS in good order to its cause.

use super::observation::{Answer, Observation, Redirect};
use super::page::{self, Page};
use super::{TokenFacts, forbidden, refusal, silence};
use crate::diagnosis::{Code, Diagnosis};

/// The cause of an answer.
pub(super) fn explain(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    match answer.status {
        401 | 403 if page::of(answer) == Some(Page::Login) => login_page(observation, answer),
        401 => refusal::unauthorized(observation, answer),
        403 => forbidden::explain(observation, answer),
        407 => proxy_authentication(observation, answer),
        408 => trouble(observation, answer, Code::Timeout),
        429 => trouble(observation, answer, Code::Throttled),
        502..=504 if is_starting(observation, answer) => trouble(observation, answer, Code::NotReady),
        500..=599 => trouble(observation, answer, Code::ServerError),
        300..=399 => redirected(observation, answer),
        400 if speaks_tls(answer) => plain_to_tls(observation, answer),
        200..=299 if answer.cut_short => trouble(observation, answer, Code::ServerError),
        _ => no_gms(observation, answer),
    }
}

fn head(observation: &Observation<'_>, answer: &Answer<'_>) -> Vec<String> {
    let mut evidence = vec![format!("{} from {}", answer.status, observation.request)];
    if !answer.content_type.is_empty() {
        evidence.push(format!("its content type is {}", answer.content_type));
    }
    evidence.extend(answer.server.map(|server| format!("its Server header is {server}")));
    let body: String =
        answer.body.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    if !body.is_empty() {
        evidence.push(format!("its body begins: {body}"));
    }
    evidence
}

/// 503 is what GMS says until it is up (`HealthCheckController`); and 502 is what the frontend says when it finds no GMS
/// behind it. In the middle of a run, both are a server in trouble.
fn is_starting(observation: &Observation<'_>, answer: &Answer<'_>) -> bool {
    let at_the_door = observation.request.contains("/config") || observation.request.contains("/health");
    at_the_door && (answer.status == 503 || observation.server.through_frontend)
}

fn trouble(observation: &Observation<'_>, answer: &Answer<'_>, code: Code) -> Diagnosis {
    let mut evidence = if answer.cut_short {
        vec![format!("{} from {}, but its body is cut short", answer.status, observation.request)]
    } else {
        vec![format!("{} from {}", answer.status, observation.request)]
    };
    if page::of(answer).is_some_and(|page| page != Page::Gms) {
        evidence.push(format!("its body is a web page, which is not GMS's{}", refusal::served_by(answer)));
    } else if !answer.cut_short && !answer.message.is_empty() {
        evidence.push(format!("its body says: {}", answer.message.chars().take(300).collect::<String>()));
    }
    silence::away(observation, code, evidence)
}

fn proxy_authentication(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    let mut evidence = vec![format!("{} from {}", answer.status, observation.request)];
    evidence.push("407 comes from a proxy on the way, and never from GMS".into());
    silence::away(observation, Code::ProxyAuthentication, evidence)
}

/// What servers say to plain HTTP at a port for TLS (nginx, Go, Apache, Jetty).
fn speaks_tls(answer: &Answer<'_>) -> bool {
    let body = answer.body.to_ascii_lowercase();
    [
        "http request was sent to https port",
        "http request to an https server",
        "speaking plain http to an ssl",
    ]
    .iter()
    .any(|words| body.contains(words))
}

fn plain_to_tls(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    silence::speak_tls(observation, head(observation, answer))
}

fn redirected(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    let Some(redirect) = &answer.redirect else { return no_gms(observation, answer) };
    if page::is_login(redirect) {
        return login_page(observation, answer);
    }
    let Some(target) = Target::of(observation.server.url, redirect) else {
        return no_gms(observation, answer);
    };
    let mut evidence = vec![
        format!("{} from {}", answer.status, observation.request),
        format!(
            "it redirects to {}, and redirects are not followed: the token must not go elsewhere",
            redirect.to
        ),
    ];
    if target.same_origin {
        evidence.extend(answer.server.map(|server| format!("its Server header is {server}")));
        return Diagnosis {
            code: Code::NotGms,
            summary: "what answers at that address is not a GMS, but redirects to another path".into(),
            evidence,
            fixes: vec![recipe_server(&target.server)],
        };
    }
    evidence.extend(observation.token.map(TokenFacts::line));
    Diagnosis {
        code: Code::Redirected,
        summary: format!("the server redirects to {}, where the token would not go along", target.what),
        evidence,
        fixes: vec![recipe_server(&target.server)],
    }
}

/// The line of a recipe that names a server.
pub(super) fn recipe_server(url: &str) -> String {
    format!("in the recipe, under sink.config:  server: {url}")
}

/// Where a redirect leads.
struct Target {
    /// What would have to be written for a server.
    server: String,
    what: String,
    same_origin: bool,
}

impl Target {
    fn of(server: &str, redirect: &Redirect<'_>) -> Option<Self> {
        let base = url::Url::parse(server).ok()?;
        let to = base.join(redirect.to).ok()?;
        if to.cannot_be_a_base() || !to.username().is_empty() {
            return None;
        }
        let what = match (to.scheme() == base.scheme(), to.host_str() == base.host_str()) {
            (false, true) => to.scheme().to_owned(),
            (true, true) => "another port".into(),
            _ => to.host_str()?.to_owned(),
        };
        // What was asked for below the server's address is no part of it.
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
        Some(Self {
            server: url.as_str().trim_end_matches('/').to_owned(),
            what,
            same_origin: to.origin() == base.origin(),
        })
    }
}

fn login_page(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    let mut evidence = head(observation, answer);
    if let Some(redirect) = &answer.redirect {
        evidence.push(format!(
            "it redirects to {}, which is where one logs in; GMS and the API paths of DataHub's frontend never do",
            redirect.to
        ));
    } else {
        evidence.push("it is a page to log in at, which GMS never shows".into());
    }
    evidence.push("whatever shows it has not passed the token on to GMS".into());
    let url = observation.server.url;
    Diagnosis {
        code: Code::LoginPage,
        summary: "something in front of GMS wants a person to log in (oauth2-proxy, an identity-aware proxy, an ingress)".into(),
        evidence,
        fixes: vec![
            format!("have whoever runs it let requests with a Bearer token pass to {url}"),
            "or send what it wants; in the recipe, under sink.config:  extra_headers: {Proxy-Authorization: 'Bearer \
             ${PROXY_TOKEN}'}"
                .into(),
            "or go past it, to GMS's own address inside the network; in the recipe, under sink.config:  server: \
             http://datahub-gms:8080"
                .into(),
        ],
    }
}

fn no_gms(observation: &Observation<'_>, answer: &Answer<'_>) -> Diagnosis {
    let page = page::of(answer);
    if page == Some(Page::Login) {
        return login_page(observation, answer);
    }
    let mut evidence = head(observation, answer);
    if let Some(redirect) = &answer.redirect {
        evidence.push(format!("it redirects to {}", redirect.to));
    }
    let url = observation.server.url;
    let at_frontend = url.contains(":9002") && !observation.server.through_frontend;
    let mut fixes = Vec::new();
    if let Some(found) = observation.found_at {
        evidence.push(format!("GMS answers at {found}"));
        fixes.push(recipe_server(found));
    }
    if page == Some(Page::Frontend) || at_frontend {
        evidence.push(
            "this is DataHub's frontend, the web page; it passes requests on to GMS below /api/gms".into(),
        );
        if observation.found_at.is_none() {
            fixes.push(recipe_server(&format!("{}/api/gms", observation.server.frontend)));
        }
        fixes.push("or GMS itself, usually on port 8080".into());
        return Diagnosis {
            code: Code::Frontend,
            summary: "what answers at that address is DataHub's frontend, and not GMS".into(),
            evidence,
            fixes,
        };
    }
    if observation.found_at.is_none() {
        fixes.push(format!("see what answers there:  curl -i {url}/config"));
        fixes.push(
            "write GMS's own address into sink.config.server: usually http://<host>:8080, or \
             http://<host>:9002/api/gms through DataHub's frontend"
                .into(),
        );
    }
    Diagnosis {
        code: Code::NotGms,
        summary: "what answers at that address is not a GMS".into(),
        evidence,
        fixes,
    }
}
