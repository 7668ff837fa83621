//! The cause of a request without a response, and of a server that is unavailable.

use super::observation::{NoResponse, Observation};
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary, TlsProblem};
use crate::http::TransportErrorKind;

/// The cause of a request without a response.
pub(super) fn diagnose(observation: &Observation<'_>, failure: &NoResponse<'_>) -> Diagnosis {
    let evidence = vec![Evidence::NoResponse {
        request: observation.request.line.to_owned(),
        problem: failure.problem.to_owned(),
    }];
    match failure.cause {
        TransportErrorKind::NameLookup => unavailable(observation, Code::NameUnknown, evidence),
        TransportErrorKind::ConnectTimeout
        | TransportErrorKind::WriteTimeout
        | TransportErrorKind::ResponseTimeout => unavailable(observation, Code::Timeout, evidence),
        TransportErrorKind::Connect
        | TransportErrorKind::ConnectionLost
        | TransportErrorKind::InvalidRequest => unavailable(observation, Code::Unreachable, evidence),
        TransportErrorKind::NotTls => plain_port(observation, evidence),
        TransportErrorKind::Proxy => unavailable(observation, Code::ProxyUnreachable, evidence),
        TransportErrorKind::ProxyAuthentication => {
            unavailable(observation, Code::ProxyAuthentication, evidence)
        }
        TransportErrorKind::ExpectsTls => tls_port(observation, evidence),
        TransportErrorKind::NotHttp => other_protocol(evidence),
        TransportErrorKind::Certificate => tls(observation, TlsProblem::Certificate, evidence)
            .with_fixes([Fix::TrustCertificateAuthority, Fix::CorrectHostForCertificate]),
        TransportErrorKind::ClientCertificate => tls(observation, TlsProblem::ClientCertificate, evidence)
            .with_fixes([Fix::SetClientCertificate, Fix::SetClientKey]),
        TransportErrorKind::Tls => tls(observation, TlsProblem::Handshake, evidence)
            .with_fixes([Fix::TrustCertificateAuthority, Fix::UsePlainHttp]),
    }
}

/// A server that cannot be reached, is starting, or responds with errors.
pub(super) fn unavailable(
    observation: &Observation<'_>,
    code: Code,
    mut evidence: Vec<Evidence>,
) -> Diagnosis {
    let (host, url) = (observation.server.host.to_owned(), observation.server.url.to_owned());
    if matches!(code, Code::ProxyAuthentication | Code::ProxyUnreachable)
        && let Some(proxy) = observation.server.proxy
    {
        let (address, variable) = (proxy.address.clone(), proxy.variable.clone());
        evidence.push(Evidence::Proxy { address, variable });
    }
    let (summary, fixes) = match code {
        Code::NameUnknown => {
            (Summary::NameUnknown(host.clone()), vec![Fix::ResolveHost(host), Fix::CorrectHostName])
        }
        Code::Timeout => {
            (Summary::Timeout(host), vec![Fix::ProbeServer(url), Fix::RaiseTimeout, Fix::CheckFirewall])
        }
        Code::NotReady => (
            Summary::NotReady(host),
            vec![Fix::WaitForHealth(url), Fix::WaitLonger, Fix::CheckGmsDependencies],
        ),
        Code::ServerError => (Summary::ServerError(host), vec![Fix::ProbeServer(url), Fix::CheckGmsLog]),
        Code::Throttled => (Summary::Throttled(host), vec![Fix::ReduceRequests, Fix::RaiseRetries]),
        Code::ProxyAuthentication => (
            Summary::ProxyAuthentication(host.clone()),
            vec![Fix::SkipProxy { host }, Fix::SetProxyCredentials],
        ),
        Code::ProxyUnreachable => {
            let variable = observation.server.proxy.map(|proxy| proxy.variable.clone());
            let fixes = [
                Some(Fix::SkipProxy { host: host.clone() }),
                variable.map(|variable| Fix::CorrectProxy { variable }),
            ];
            (Summary::ProxyUnreachable(host), fixes.into_iter().flatten().collect())
        }
        _ => (Summary::Unreachable(host), unreachable(observation, &mut evidence)),
    };
    Diagnosis::new(code, summary).with_evidence(evidence).with_fixes(fixes)
}

fn unreachable(observation: &Observation<'_>, evidence: &mut Vec<Evidence>) -> Vec<Fix> {
    let (host, url) = (observation.server.host, observation.server.url);
    let mut fixes = Vec::new();
    // The address is right if a GMS has answered there before.
    let is_new = !observation.server.is_known_gms;
    if is_new && observation.server.loopback && observation.in_container {
        evidence.push(Evidence::InContainer);
        fixes.push(Fix::SetServer(url.replacen(host, "host.docker.internal", 1)));
        fixes.push(Fix::UseServiceName);
    }
    fixes.push(Fix::ProbeServer(url.to_owned()));
    if is_new && observation.server.loopback && !observation.in_container {
        fixes.push(Fix::StartEmbeddedGms);
    }
    if is_new {
        fixes.push(Fix::UsualPorts);
    }
    fixes
}

/// TLS to a port that speaks plain HTTP.
fn plain_port(observation: &Observation<'_>, evidence: Vec<Evidence>) -> Diagnosis {
    let url = observation.server.url.replacen("https://", "http://", 1);
    tls(observation, TlsProblem::PlainPort, evidence)
        .with_evidence([Evidence::NotTls])
        .with_fixes([Fix::SetServer(url)])
}

/// Plain HTTP to a port that speaks TLS.
pub(super) fn tls_port(observation: &Observation<'_>, evidence: Vec<Evidence>) -> Diagnosis {
    let url = observation.server.url.replacen("http://", "https://", 1);
    tls(observation, TlsProblem::TlsPort, evidence)
        .with_evidence([Evidence::NotPlainHttp])
        .with_fixes([Fix::SetServer(url)])
}

/// Another service than GMS, for example SSH or a database.
fn other_protocol(evidence: Vec<Evidence>) -> Diagnosis {
    Diagnosis::new(Code::NotGms, Summary::NotGms)
        .with_evidence(evidence)
        .with_evidence([Evidence::OtherProtocol])
        .with_fixes([Fix::CorrectServer, Fix::UsualPorts])
}

fn tls(observation: &Observation<'_>, problem: TlsProblem, evidence: Vec<Evidence>) -> Diagnosis {
    Diagnosis::new(Code::Tls, Summary::Tls { host: observation.server.host.to_owned(), problem })
        .with_evidence(evidence)
}
