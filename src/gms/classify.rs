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
    /// GMS has more to do than it can, or is about to come or go.
    Server {
        /// For so long, if it said.
        after: Option<Duration>,
    },
    /// GMS could not do this, and does not say whether it could do another.
    Failed {
        /// It may be done after so long, if it said.
        after: Option<Duration>,
    },
}

impl Trouble {
    /// How long whoever answered asks to wait.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled { after } | Self::Server { after } | Self::Failed { after } => {
                after.filter(|after| !after.is_zero()).map(|after| after.min(MAX_RETRY_AFTER))
            }
            Self::NoConnection | Self::OutcomeUnknown => None,
        }
    }

    /// GMS may have taken what was sent.
    pub(crate) fn may_be_taken(self) -> bool {
        matches!(self, Self::OutcomeUnknown | Self::Server { .. } | Self::Failed { .. })
    }

    /// Another request, too, would meet it.
    pub(crate) fn concerns_all(self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// A server that asks for more is not waited for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The statuses that are tried again by default, as in the Python client.
pub(super) const RETRY_STATUSES: [u16; 5] = [429, 500, 502, 503, 504];

/// What a POST to GMS came to. `retry_statuses` are the statuses that the user wants tried again; 408, 425 and 429 always
/// are, since who answers so has done nothing.
///
/// A 500 is tried again unless its words show that the request is at fault: GMS answers 500 also for an aspect that
/// it cannot parse, or a change type that a time-series aspect does not take (`AspectResource.java`). One whose words are
/// about the database or the time is tried again whatever the user wants. No other 5xx is ever a record's fault.
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
        // A PATCH is answered with the whole aspect that it led to, which may be longer than anything that is read here.
        200..=299 if reply.capped || reply.is_json_or_empty() => Verdict::Delivered,
        200..=299 => Verdict::Retry(Trouble::OutcomeUnknown),
        300..=399 => Verdict::NotGms,
        401 => Verdict::Unauthorized,
        403 => Verdict::Forbidden,
        429 => Verdict::Retry(Trouble::Throttled { after }),
        408 | 425 => Verdict::Retry(Trouble::Server { after }),
        400 | 404 | 500 if does_not_know_batches(&reply.message()) => Verdict::UnknownBatch,
        404 | 405 if reply.content_type().starts_with("text/html") => Verdict::NotGms,
        500 => failed(&reply.message(), retry_statuses.contains(&500), after),
        503 if blames_the_database(&reply.message()) => Verdict::Retry(Trouble::Failed { after }),
        501..=599 if retry_statuses.contains(&status) => Verdict::Retry(Trouble::Server { after }),
        407 | 501..=599 => Verdict::Hopeless,
        400..=499 if retry_statuses.contains(&status) => Verdict::Retry(Trouble::Failed { after }),
        _ => Verdict::Rejected,
    }
}

/// What a 500 means, by its words.
fn failed(message: &str, may_retry: bool, after: Option<Duration>) -> Verdict {
    if says_too_late(message) {
        return Verdict::Retry(Trouble::OutcomeUnknown);
    }
    if blames_the_database(message) || (may_retry && !blames_the_request(message)) {
        return Verdict::Retry(Trouble::Failed { after });
    }
    Verdict::Rejected
}

/// GMS cuts a request off after `RESTLI_TIMEOUT_SECONDS`, and may write all the same (`RestliHandlerServlet.java`).
fn says_too_late(message: &str) -> bool {
    message.contains("Server timeout after")
}

/// Whether two writes were in each other's way: the next try may pass.
fn blames_the_database(message: &str) -> bool {
    const SIGNS: [&str; 4] =
        ["batch flush on sql", "DATABASE_TRANSACTION_CONFLICT", "deadlock detected", "Deadlock found"];
    SIGNS.iter().any(|sign| message.contains(sign))
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
        assert_eq!(retried, [408, 425, 429, 500, 502, 503, 504]);
        let rejected = (100..=599).filter(|s| classify(Ok(&reply(*s, "")), &[]) == Verdict::Rejected);
        assert!(rejected.clone().all(|status| status < 501), "no other 5xx is a record's fault");
        assert!([400, 404, 409, 412, 413, 422].iter().all(|status| rejected.clone().any(|s| s == *status)));
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
        assert_eq!(classify(Ok(&reply(503, "")), &[]), Verdict::Hopeless);
        assert_eq!(classify(Ok(&reply(500, "")), &[]), Verdict::Rejected);
        assert_eq!(classify(Ok(&reply(418, "")), &[418]), Verdict::Retry(Trouble::Failed { after: None }));
        assert_eq!(classify(Ok(&reply(429, "")), &[]), Verdict::Retry(Trouble::Throttled { after: None }));
        assert_eq!(classify(Ok(&reply(401, "")), &[401]), Verdict::Unauthorized);
    }

    #[test]
    fn a_500_for_a_bad_aspect_is_the_request_s_fault() {
        let body = r#"{"message":"java.lang.RuntimeException: Could not deserialize x for aspect status","status":500}"#;
        assert_eq!(classify(Ok(&reply(500, body)), &RETRY_STATUSES), Verdict::Rejected);
    }

    #[test]
    fn the_words_of_a_500_tell_what_may_be_sent_again() {
        let conflict =
            r#"{"message":"Error when batch flush on sql: insert into metadata_aspect_v2","status":500}"#;
        assert_eq!(classify(Ok(&reply(500, conflict)), &[]), Verdict::Retry(Trouble::Failed { after: None }));
        let late = "Async processing: Server timeout after 60 seconds";
        assert_eq!(classify(Ok(&reply(500, late)), &[]), Verdict::Retry(Trouble::OutcomeUnknown));
    }

    #[test]
    fn a_page_that_is_not_there_is_no_gms_and_a_resource_may_be() {
        let mut page = reply(404, "<html>");
        assert_eq!(classify(Ok(&page), &RETRY_STATUSES), Verdict::Rejected);
        page.headers.insert("content-type", "text/html; charset=UTF-8".parse().unwrap());
        assert_eq!(classify(Ok(&page), &RETRY_STATUSES), Verdict::NotGms);
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
