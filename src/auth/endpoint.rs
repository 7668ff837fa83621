//! From a server that is away, in trouble or no GMS to its diagnosis: pure functions, as for refusals.

use super::{Code, Diagnosis};

/// No answer came, or none that says what became of the request.
#[derive(Clone, Debug)]
pub struct Unreachable<'a> {
    /// How it failed: one of the `endpoint.…` codes but `endpoint.not-gms`.
    pub code: Code,
    /// Method and address.
    pub request: &'a str,
    /// What the transport or the server said, for example `connection refused`.
    pub problem: &'a str,
    /// The server's host.
    pub host: &'a str,
    /// The server's address, as the recipe has it.
    pub server: &'a str,
    /// How often it was tried.
    pub attempts: u32,
}

/// Says that a server cannot be reached, or is in trouble.
pub fn unreachable(observed: &Unreachable<'_>) -> Diagnosis {
    let host = observed.host;
    let mut evidence = vec![format!("{}: {}", observed.request, observed.problem)];
    if observed.attempts > 1 {
        evidence.push(format!("tried {} times", observed.attempts));
    }
    let look = format!("see what answers at that address:  curl -i {}/config", observed.server);
    let ports =
        "GMS usually listens on port 8080, and behind DataHub's frontend at http://<frontend>:9002/api/gms";
    let (summary, fixes) = match observed.code {
        Code::NameUnknown => (
            format!("the name {host} is unknown here"),
            vec![
                "correct the host in sink.config.server".to_owned(),
                format!("see whether the name is known on this machine:  getent hosts {host}"),
            ],
        ),
        Code::Tls => (
            format!("no secure connection to {host} came about"),
            vec![
                "if the server's certificate was signed by your own authority, name that authority's PEM file in \
                 sink.config.ca_certificate_path"
                    .to_owned(),
                "if the port speaks plain HTTP, write http:// in sink.config.server".to_owned(),
            ],
        ),
        Code::Timeout => (
            format!("{host} did not answer in time"),
            vec![look, "give it more time with sink.config.timeout_sec (in seconds; 30 by default)".to_owned()],
        ),
        Code::ServerError => (
            format!("GMS at {host} is in trouble"),
            vec![look, "look into GMS's log, and run again when it is well".to_owned()],
        ),
        Code::Throttled => (
            format!("GMS at {host} takes no more for now"),
            vec![
                "run again later, or with fewer requests at a time: sink.config.max_threads".to_owned(),
                "let it try for longer: sink.config.retry_max_times".to_owned(),
            ],
        ),
        Code::ProxyAuthentication => (
            format!("a proxy on the way to {host} wants credentials"),
            vec![
                "put them into the proxy's variable: export HTTPS_PROXY=http://<user>:<password>@<proxy>:<port>"
                    .to_owned(),
                format!("or go past the proxy: export NO_PROXY={host}"),
            ],
        ),
        _ => {
            let mut fixes = vec![look, ports.to_owned()];
            if matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]") {
                fixes.push(
                    "inside a container, localhost is the container itself: use the host's or the service's name".to_owned(),
                );
            }
            (format!("no GMS can be reached at {host}"), fixes)
        }
    };
    Diagnosis { code: observed.code, summary, evidence, fixes }
}

/// Something answered `GET /config`, but not as a GMS does.
#[derive(Clone, Debug)]
pub struct NotGms<'a> {
    /// Method and address.
    pub request: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The answer's content type.
    pub content_type: &'a str,
    /// The beginning of the answer, free of secrets.
    pub body: &'a str,
    /// Where a redirect pointed, without its query.
    pub location: Option<&'a str>,
}

/// Says what answers in place of a GMS.
pub fn not_gms(observed: &NotGms<'_>) -> Diagnosis {
    let mut evidence = vec![format!("{} from {}", observed.status, observed.request)];
    if !observed.content_type.is_empty() {
        evidence.push(format!("its content type is {}", observed.content_type));
    }
    if let Some(location) = observed.location {
        evidence.push(format!(
            "it redirects to {location}, and redirects are not followed: the token must not go elsewhere"
        ));
    }
    let body = observed.body.trim();
    if !body.is_empty() {
        evidence.push(format!("its body begins: {body}"));
    }
    let frontend = observed.content_type.starts_with("text/html") || body.contains("datahub-frontend");
    let mut fixes = Vec::new();
    if frontend {
        fixes.push("if this is DataHub's frontend (port 9002), add /api/gms to sink.config.server".into());
    }
    if let Some(location) = observed.location {
        fixes.push(format!("if {location} is the right place, write that server into sink.config.server"));
    }
    fixes.push("set sink.config.server to GMS's own address, usually http://<host>:8080".into());
    Diagnosis {
        code: Code::NotGms,
        summary: "what answers at that address is not a GMS".into(),
        evidence,
        fixes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_being_away_has_its_code_and_its_remedy() {
        for (code, name, remedy) in [
            (Code::Unreachable, "endpoint.unreachable", "curl -i http://localhost:8080/config"),
            (Code::NameUnknown, "endpoint.name-unknown", "getent hosts localhost"),
            (Code::Tls, "endpoint.tls", "ca_certificate_path"),
            (Code::Timeout, "endpoint.timeout", "timeout_sec"),
            (Code::ServerError, "endpoint.server-error", "log"),
            (Code::Throttled, "endpoint.throttled", "max_threads"),
            (Code::ProxyAuthentication, "endpoint.proxy-authentication", "NO_PROXY=localhost"),
        ] {
            let diagnosis = unreachable(&Unreachable {
                code,
                request: "GET http://localhost:8080/config",
                problem: "it failed",
                host: "localhost",
                server: "http://localhost:8080",
                attempts: 5,
            });
            assert_eq!(
                (diagnosis.code.as_str(), diagnosis.code.kind()),
                (name, crate::ErrorKind::Unreachable)
            );
            assert!(diagnosis.fixes.join(" ").contains(remedy), "{diagnosis:?}");
            assert_eq!(diagnosis.evidence, ["GET http://localhost:8080/config: it failed", "tried 5 times"]);
        }
    }

    #[test]
    fn html_is_taken_for_the_frontend() {
        let observed = NotGms {
            request: "GET http://host:9002/config",
            status: 200,
            content_type: "text/html; charset=utf-8",
            body: "<!doctype html>",
            location: None,
        };
        assert!(not_gms(&observed).fixes[0].contains("/api/gms"));
    }
}
