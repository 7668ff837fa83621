//! What an answer means for what was sent: one pure function.

use std::time::Duration;

use super::{Reply, TransportFault, TransportKind};

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// GMS took it.
    Delivered,
    /// The same request may be sent again.
    Retry(Trouble),
    /// 401: the token was refused.
    Unauthorized,
    /// 403: the caller may not do this.
    Forbidden,
    /// The request is at fault; sending the same again would fail again.
    Rejected,
    /// An old GMS that does not know `ingestProposalBatch`; single proposals it takes.
    UnknownBatch,
    /// What answered is no GMS: a redirect, a page of HTML.
    NotGms,
    /// No request can be sent at all, and no retry would help.
    Hopeless,
}

/// What stands in the way of a request that may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection; nothing was sent.
    NoConnection,
    /// No answer, or half of one; GMS may have taken it.
    OutcomeUnknown,
    /// GMS, or what stands in front of it, asks to wait.
    Throttled {
        /// For so long, if it said.
        after: Option<Duration>,
    },
    /// GMS is in trouble.
    Server {
        /// For so long, if it said.
        after: Option<Duration>,
    },
}

/// The statuses that are tried again by default, as in the Python client.
pub(super) const RETRY_STATUSES: [u16; 5] = [429, 500, 502, 503, 504];

/// What a POST to GMS came to. `retry_statuses` are the statuses that the user wants tried again (429 always is).
///
/// A 500 is tried again unless its words show that the request is at fault: GMS answers 500 also for an aspect that
/// it cannot parse, or a change type that a time-series aspect does not take (`AspectResource.java`).
pub(crate) fn classify(attempt: Result<&Reply, &TransportFault>, retry_statuses: &[u16]) -> Verdict {
    let reply = match attempt {
        Ok(reply) => reply,
        Err(fault) => {
            return match fault.kind {
                TransportKind::Unsendable | TransportKind::Tls | TransportKind::NoToken => Verdict::Hopeless,
                kind if kind.nothing_sent() => Verdict::Retry(Trouble::NoConnection),
                _ => Verdict::Retry(Trouble::OutcomeUnknown),
            };
        }
    };
    let status = reply.status.as_u16();
    let after = reply.retry_after();
    match status {
        200..=299 if reply.content_type().starts_with("text/html") => Verdict::NotGms,
        200..=299 if reply.is_json_or_empty() => Verdict::Delivered,
        200..=299 => Verdict::Retry(Trouble::OutcomeUnknown),
        300..=399 => Verdict::NotGms,
        401 => Verdict::Unauthorized,
        403 => Verdict::Forbidden,
        407 => Verdict::Hopeless,
        429 => Verdict::Retry(Trouble::Throttled { after }),
        400 | 404 | 500 if does_not_know_batches(&reply.message()) => Verdict::UnknownBatch,
        500 if retry_statuses.contains(&500) && !blames_the_request(&reply.message()) => {
            Verdict::Retry(Trouble::Server { after })
        }
        501..=599 | 400..=499 if retry_statuses.contains(&status) => {
            Verdict::Retry(Trouble::Server { after })
        }
        _ => Verdict::Rejected,
    }
}

/// Rest.li's words for an action that a resource does not have.
fn does_not_know_batches(message: &str) -> bool {
    message.contains("ingestProposalBatch not supported on resource")
}

/// Whether the words of a 500 show that the same request will fail again.
fn blames_the_request(message: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "Could not deserialize",
        "Unknown aspect",
        "Aspect name is required",
        "ChangeType not supported",
        "IllegalArgumentException",
        "Failed to validate",
        "Unknown entity",
        "Not supported for non-timeseries aspect",
    ];
    SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    fn reply(status: u16, body: &'static str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            capped: false,
            generation: 0,
        }
    }

    #[test]
    fn every_status_has_its_verdict() {
        let retried: Vec<u16> = (100..=599)
            .filter(|status| matches!(classify(Ok(&reply(*status, "")), &RETRY_STATUSES), Verdict::Retry(_)))
            .collect();
        assert_eq!(retried, RETRY_STATUSES);
        let delivered =
            (100..=599).filter(|s| classify(Ok(&reply(*s, "")), &RETRY_STATUSES) == Verdict::Delivered);
        assert_eq!(delivered.collect::<Vec<u16>>(), (200..=299).collect::<Vec<u16>>());
        let not_gms =
            (100..=599).filter(|s| classify(Ok(&reply(*s, "")), &RETRY_STATUSES) == Verdict::NotGms);
        assert_eq!(not_gms.collect::<Vec<u16>>(), (300..=399).collect::<Vec<u16>>());
        assert_eq!(classify(Ok(&reply(401, "")), &RETRY_STATUSES), Verdict::Unauthorized);
        assert_eq!(classify(Ok(&reply(403, "")), &RETRY_STATUSES), Verdict::Forbidden);
        assert_eq!(classify(Ok(&reply(407, "")), &RETRY_STATUSES), Verdict::Hopeless);
    }

    #[test]
    fn the_user_s_list_counts_and_429_always_does() {
        assert_eq!(classify(Ok(&reply(503, "")), &[]), Verdict::Rejected);
        assert_eq!(classify(Ok(&reply(418, "")), &[418]), Verdict::Retry(Trouble::Server { after: None }));
        assert_eq!(classify(Ok(&reply(429, "")), &[]), Verdict::Retry(Trouble::Throttled { after: None }));
        assert_eq!(classify(Ok(&reply(401, "")), &[401]), Verdict::Unauthorized);
    }

    #[test]
    fn a_500_for_a_bad_aspect_is_the_request_s_fault() {
        let body = r#"{"message":"java.lang.RuntimeException: Could not deserialize x for aspect status","status":500}"#;
        assert_eq!(classify(Ok(&reply(500, body)), &RETRY_STATUSES), Verdict::Rejected);
    }

    #[test]
    fn an_old_server_does_not_know_batches() {
        let body = r#"{"message":"POST operation named ingestProposalBatch not supported on resource 'com.linkedin.metadata.resources.entity.AspectResource' URI: '/aspects?action=ingestProposalBatch'"}"#;
        for status in [400, 404, 500] {
            assert_eq!(classify(Ok(&reply(status, body)), &RETRY_STATUSES), Verdict::UnknownBatch);
        }
        assert_eq!(classify(Ok(&reply(422, body)), &RETRY_STATUSES), Verdict::Rejected);
    }

    #[test]
    fn a_2xx_that_is_half_an_answer_is_an_unknown_outcome_and_html_is_no_gms() {
        assert_eq!(
            classify(Ok(&reply(200, "{\"value\":")), &RETRY_STATUSES),
            Verdict::Retry(Trouble::OutcomeUnknown)
        );
        let mut page = reply(200, "<html>");
        page.headers.insert("content-type", "text/html".parse().unwrap());
        assert_eq!(classify(Ok(&page), &RETRY_STATUSES), Verdict::NotGms);
    }

    #[test]
    fn transport_faults_are_told_apart() {
        let of = |kind| classify(Err(&TransportFault { kind, problem: String::new(), diagnosis: None }), &[]);
        assert_eq!(of(TransportKind::Connect), Verdict::Retry(Trouble::NoConnection));
        assert_eq!(of(TransportKind::Name), Verdict::Retry(Trouble::NoConnection));
        assert_eq!(of(TransportKind::Timeout), Verdict::Retry(Trouble::OutcomeUnknown));
        assert_eq!(of(TransportKind::Broken), Verdict::Retry(Trouble::OutcomeUnknown));
        assert_eq!(of(TransportKind::Tls), Verdict::Hopeless);
        assert_eq!(of(TransportKind::NoToken), Verdict::Hopeless);
        assert_eq!(of(TransportKind::NoTokenYet), Verdict::Retry(Trouble::NoConnection));
    }
}
