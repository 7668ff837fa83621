//! Hints on a rejection that GMS's message does not give: size limits, and features that an older server
//! lacks.

use super::{Endpoint, ServerConfig};

/// The longest string that GMS reads, in characters (`INGESTION_MAX_SERIALIZED_STRING_LENGTH`). Over Rest.li
/// an aspect is one string.
const MAX_ASPECT_CHARS: usize = 16_000_000;

/// The version of DataHub whose model this crate knows.
const MODEL_VERSION: &str = "1.7";

/// A request that was rejected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RejectedRequest<'a> {
    pub(crate) status: u16,
    /// GMS's message.
    pub(crate) message: &'a str,
    pub(crate) endpoint: Endpoint,
    /// The bytes of the request's body.
    pub(crate) body_bytes: usize,
    /// The bytes of the longest aspect in the request.
    pub(crate) aspect_bytes: usize,
    /// The request holds a PATCH.
    pub(crate) patches: bool,
    /// It went through DataHub's frontend.
    pub(crate) frontend: bool,
    /// The server's configuration, if it was read.
    pub(crate) server: Option<&'a ServerConfig>,
}

/// The hint for a rejection, if there is one.
pub(crate) fn rejection_hint(rejected: &RejectedRequest<'_>) -> Option<String> {
    let RejectedRequest { status, message, body_bytes, aspect_bytes, .. } = *rejected;
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match status {
        413 if rejected.frontend => Some(format!(
            "DataHub's frontend takes at most 10 MB a request (DATAHUB_PLAY_MEM_BUFFER_SIZE), and this one has {body_bytes} \
             bytes: use the address of GMS itself, usually port 8080"
        )),
        413 => Some(format!(
            "a proxy in front of GMS does not take a request of {body_bytes} bytes (an nginx takes 1 MB unless it is \
             told otherwise: client_max_body_size)"
        )),
        400 if aspect_bytes > MAX_ASPECT_CHARS || says(&["String value length", "maximum string length"]) => {
            Some(format!(
                "GMS takes at most {MAX_ASPECT_CHARS} characters an aspect (INGESTION_MAX_SERIALIZED_STRING_LENGTH), and this \
                 one has {aspect_bytes} bytes"
            ))
        }
        403 if rejected.endpoint == Endpoint::Openapi => Some(OTHER_PRIVILEGE.to_owned()),
        _ if rejected.patches
            && rejected.server.is_some_and(|server| server.patch_capable == Some(false)) =>
        {
            rejected.server.map(|server| {
                format!(
                    "this GMS ({}) says that it takes no PATCH (patchCapable in its /config)",
                    server.version_name()
                )
            })
        }
        400 | 404 | 422 | 500
            if says(&["Unknown aspect", "Unknown entity", "nrecognized field found", "No enum constant"]) =>
        {
            rejected.server.map(|server| {
                format!(
                    "GMS {} does not know it; datahub-emitter {} speaks the model of DataHub {MODEL_VERSION}, and an older \
                     server knows less",
                    server.version_name(),
                    env!("CARGO_PKG_VERSION")
                )
            })
        }
        _ => None,
    }
}

/// The two endpoints require different privileges (`PoliciesConfig`, `EntityController`).
const OTHER_PRIVILEGE: &str = "OpenAPI v3 asks for Create Entity or Edit Entity on the whole entity type, where Rest.li asks \
                               for Edit Entity on the URN alone: `endpoint: restli` may pass";

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, message: &str) -> RejectedRequest<'_> {
        RejectedRequest {
            status,
            message,
            endpoint: Endpoint::Restli,
            body_bytes: 11_000_000,
            aspect_bytes: 10,
            patches: false,
            frontend: false,
            server: None,
        }
    }

    #[test]
    fn a_request_that_is_too_large_names_the_limit_and_its_owner() {
        let frontend = rejection_hint(&RejectedRequest { frontend: true, ..rejected(413, "") }).unwrap();
        assert!(frontend.contains("10 MB") && frontend.contains("11000000 bytes"), "{frontend}");
        assert!(rejection_hint(&rejected(413, "")).unwrap().contains("in front of GMS"));
        let words = "String value length (20000001) exceeds the maximum allowed (16000000)";
        assert!(rejection_hint(&rejected(400, words)).unwrap().contains("16000000 characters"));
        let long = RejectedRequest { aspect_bytes: 20_000_000, ..rejected(400, "") };
        assert!(rejection_hint(&long).unwrap().contains("20000000 bytes"));
        assert_eq!(rejection_hint(&rejected(400, "no")), None);
    }

    #[test]
    fn a_feature_that_an_older_server_lacks_names_both_versions() {
        let server = ServerConfig { version: Some("v0.13.1".into()), ..ServerConfig::default() };
        for (status, words) in
            [(500, "Unknown aspect forms for entity dataset"), (422, "unrecognized field found")]
        {
            let text = rejection_hint(&RejectedRequest { server: Some(&server), ..rejected(status, words) })
                .unwrap();
            assert!(text.contains("v0.13.1") && text.contains(env!("CARGO_PKG_VERSION")), "{text}");
        }
    }

    #[test]
    fn a_server_without_patch_and_an_endpoint_with_other_privileges_are_named() {
        let server = ServerConfig { patch_capable: Some(false), ..ServerConfig::default() };
        let patch = RejectedRequest { patches: true, server: Some(&server), ..rejected(400, "no") };
        assert!(rejection_hint(&patch).unwrap().contains("patchCapable"));
        let other = RejectedRequest { endpoint: Endpoint::Openapi, ..rejected(403, "no") };
        assert!(rejection_hint(&other).unwrap().contains("endpoint: restli"));
        assert_eq!(rejection_hint(&rejected(403, "no")), None);
    }
}
