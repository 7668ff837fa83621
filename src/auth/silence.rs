//! From no answer, or a server in trouble, to the cause.

use super::answer::recipe_server;
use super::observation::{Fault, Observation, Silence};
use crate::diagnosis::{Code, Diagnosis};
use crate::shell;

/// The cause of no answer.
pub(super) fn explain(observation: &Observation<'_>, silence: &Silence<'_>) -> Diagnosis {
    let evidence = vec![format!("{}: {}", observation.request, silence.problem)];
    match silence.fault {
        Fault::Name => away(observation, Code::NameUnknown, evidence),
        Fault::ConnectTimeout | Fault::Timeout => away(observation, Code::Timeout, evidence),
        Fault::PlainPort => speak_plainly(observation, evidence),
        Fault::NotHttp => speak_tls(observation, evidence),
        Fault::Certificate | Fault::ClientCertificate | Fault::Tls => {
            tls(observation, silence.fault, evidence)
        }
        Fault::Connect | Fault::Broken => away(observation, Code::Unreachable, evidence),
    }
}

/// A server that is away, starting, or in trouble.
pub(super) fn away(observation: &Observation<'_>, code: Code, mut evidence: Vec<String>) -> Diagnosis {
    let (host, url) = (observation.server.host, observation.server.url);
    let look = format!("see what answers there:  curl -i {}/config", shell::word(url));
    let (summary, fixes) = match code {
        Code::NameUnknown => (
            format!("the name {host} is unknown here"),
            vec![
                format!("see whether this machine knows the name:  getent hosts {}", shell::word(host)),
                "correct the host in sink.config.server; inside Docker or Kubernetes it is the service's name, as \
                 datahub-gms, and only from within"
                    .to_owned(),
            ],
        ),
        Code::Timeout => (
            format!("{host} did not answer in time"),
            vec![
                look,
                "if it is only slow, give it more time; in the recipe, under sink.config:  timeout_sec: 120".to_owned(),
                "if nothing comes back at all, a firewall on the way drops the packets".to_owned(),
            ],
        ),
        Code::NotReady => (
            format!("GMS at {host} is not ready: it is starting, or going down"),
            vec![
                format!("wait until this answers 200:  curl -i {}/health", shell::word(url)),
                "have a run wait longer for it; in the recipe, under sink.config:  wait_for_server: 10m".to_owned(),
                "if it stays like this, GMS's log says what it waits for (its database, Elasticsearch, Kafka)".to_owned(),
            ],
        ),
        Code::ServerError => (
            format!("GMS at {host} is in trouble"),
            vec![look, "look into GMS's log, and run again when it is well".to_owned()],
        ),
        Code::Throttled => (
            format!("GMS at {host} takes no more for now"),
            vec![
                "run again later, with fewer requests at a time; in the recipe, under sink.config:  max_threads: 2".to_owned(),
                "or let it try for longer; in the recipe, under sink.config:  retry_max_times: 20".to_owned(),
            ],
        ),
        Code::ProxyAuthentication => (
            format!("a proxy on the way to {host} wants credentials"),
            vec![
                format!("go past the proxy:  export NO_PROXY={}", shell::word(host)),
                "or give it what it wants, in its own variable: HTTPS_PROXY (HTTP_PROXY for http://) takes \
                 http://USER:PASSWORD@PROXY:PORT"
                    .to_owned(),
            ],
        ),
        _ => unreachable(observation, &mut evidence, look),
    };
    Diagnosis { code, summary, evidence, fixes }
}

fn unreachable(
    observation: &Observation<'_>,
    evidence: &mut Vec<String>,
    look: String,
) -> (String, Vec<String>) {
    let (host, url) = (observation.server.host, observation.server.url);
    let mut fixes = Vec::new();
    if observation.server.loopback && observation.in_container {
        evidence.push("this runs inside a container, where localhost is the container itself".into());
        let outside = url.replacen(host, "host.docker.internal", 1);
        fixes.push(recipe_server(&outside));
        fixes.push("or the service's name, if GMS runs in a container beside this one:  server: http://datahub-gms:8080".into());
    }
    fixes.push(look);
    if observation.server.loopback && !observation.in_container {
        fixes.push(
            "to try things out without a DataHub, start the GMS in the box:  datahub-emit gms serve".into(),
        );
    }
    fixes.push(
        "GMS usually listens on port 8080, and behind DataHub's frontend at http://<host>:9002/api/gms"
            .into(),
    );
    (format!("no GMS can be reached at {host}"), fixes)
}

/// `https` to a port that speaks plain HTTP.
fn speak_plainly(observation: &Observation<'_>, mut evidence: Vec<String>) -> Diagnosis {
    evidence.push("TLS was begun, and what answered was not TLS".into());
    let url = observation.server.url.replacen("https://", "http://", 1);
    Diagnosis {
        code: Code::Tls,
        summary: format!("{} speaks plain HTTP at that port, and no TLS", observation.server.host),
        evidence,
        fixes: vec![recipe_server(&url)],
    }
}

/// Plain HTTP to a port that speaks TLS.
pub(super) fn speak_tls(observation: &Observation<'_>, mut evidence: Vec<String>) -> Diagnosis {
    evidence
        .push("plain HTTP was sent, and what answered speaks something else, as a port for TLS does".into());
    let url = observation.server.url.replacen("http://", "https://", 1);
    Diagnosis {
        code: Code::Tls,
        summary: format!("{} speaks no plain HTTP at that port, but probably TLS", observation.server.host),
        evidence,
        fixes: vec![recipe_server(&url)],
    }
}

fn tls(observation: &Observation<'_>, fault: Fault, evidence: Vec<String>) -> Diagnosis {
    let host = observation.server.host;
    let authority = "if your own authority signed the server's certificate; in the recipe, under sink.config:  \
                     ca_certificate_path: /path/to/ca.pem";
    let (summary, fixes) = match fault {
        Fault::Certificate => (
            format!("the certificate of {host} is not trusted, or is not that host's"),
            vec![
                authority.to_owned(),
                "or write the host into sink.config.server as the certificate names it".to_owned(),
            ],
        ),
        Fault::ClientCertificate => (
            format!("{host} wants a client's certificate, or another one"),
            vec![
                "in the recipe, under sink.config:  client_certificate_path: /path/to/client.pem".to_owned(),
                "and, if the key is in a file of its own:  client_key_path: /path/to/client.key".to_owned(),
            ],
        ),
        _ => (
            format!("no secure connection to {host} came about"),
            vec![
                authority.to_owned(),
                "if the port speaks plain HTTP, write http:// in sink.config.server".to_owned(),
            ],
        ),
    };
    Diagnosis { code: Code::Tls, summary, evidence, fixes }
}
