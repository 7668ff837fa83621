//! The meaning of a response for the request that was sent: one pure function.

use std::time::Duration;

use super::{GmsResponse, SendError};
use crate::http::TransportErrorKind;

/// The meaning of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// GMS accepted the request.
    Delivered,
    /// The same request may be sent again.
    Retry(RetryReason),
    /// 401: the token was refused.
    Unauthorized,
    /// 403: the caller may not do this.
    Forbidden,
    /// The request is at fault; sending the same again would fail again.
    Rejected,
    /// An old GMS that does not know `ingestProposalBatch`, but accepts single proposals.
    UnknownBatch,
    /// The response is not from a GMS: a redirect, or an HTML page.
    NotGms,
    /// No request can be sent, and no retry would help.
    Fatal,
}

/// Why a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryReason {
    /// No connection; nothing was sent.
    NoConnection,
    /// No response, or a response that was cut short; GMS may have accepted the request.
    OutcomeUnknown,
    /// GMS, or a proxy in front of it, asks to slow down.
    Throttled {
        /// The wait that `Retry-After` asks for.
        after: Option<Duration>,
    },
    /// GMS is overloaded, starting or shutting down.
    Server {
        /// The wait that `Retry-After` asks for.
        after: Option<Duration>,
    },
    /// GMS failed at this request, and does not say whether it would fail at others.
    Failed {
        /// The wait that `Retry-After` asks for.
        after: Option<Duration>,
    },
}

impl RetryReason {
    /// The wait that the server asks for, at most [`MAX_RETRY_AFTER`].
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled { after } | Self::Server { after } | Self::Failed { after } => {
                after.filter(|after| !after.is_zero()).map(|after| after.min(MAX_RETRY_AFTER))
            }
            Self::NoConnection | Self::OutcomeUnknown => None,
        }
    }

    /// Whether GMS may have accepted the request.
    pub(crate) fn outcome_unknown(self) -> bool {
        matches!(self, Self::OutcomeUnknown | Self::Server { .. } | Self::Failed { .. })
    }

    /// Whether other requests would fail for the same reason.
    pub(crate) fn is_server_wide(self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// The longest wait that a server is granted: 5 minutes. A longer `Retry-After` is usually a maintenance
/// page's, and a run that sleeps for an hour looks hung.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The statuses that are retried by default, as in the Python client.
pub(super) const RETRY_STATUSES: [u16; 5] = [429, 500, 502, 503, 504];

/// The meaning of one attempt of a POST to GMS. `retry_statuses` are the statuses that the user wants
/// retried; 408, 425 and 429 always are, because they say that nothing was done.
///
/// A 500 is retried unless its message shows that the request is at fault: GMS answers 500 also for an aspect
/// that it cannot parse, or a change type that a time-series aspect does not support (`AspectResource.java`).
/// A 500 whose message is about the database or a timeout is retried even if the user does not want 500
/// retried. No other 5xx is ever a record's fault.
pub(crate) fn classify(attempt: Result<&GmsResponse, &SendError>, retry_statuses: &[u16]) -> Verdict {
    let response = match attempt {
        Ok(response) => response,
        Err(SendError::NoToken(no_token)) if no_token.transient => {
            return Verdict::Retry(RetryReason::NoConnection);
        }
        Err(SendError::NoToken(_)) => return Verdict::Fatal,
        Err(SendError::Transport(error)) => {
            return match error.kind {
                TransportErrorKind::InvalidRequest | TransportErrorKind::ProxyAuthentication => {
                    Verdict::Fatal
                }
                kind if kind.is_tls() => Verdict::Fatal,
                kind if kind.nothing_sent() => Verdict::Retry(RetryReason::NoConnection),
                _ => Verdict::Retry(RetryReason::OutcomeUnknown),
            };
        }
    };
    let status = response.status.as_u16();
    let after = response.retry_after();
    match status {
        200..=299 if response.is_page() => Verdict::NotGms,
        // The response to a PATCH holds the whole resulting aspect, which may be longer than the read limit.
        200..=299 if response.can_confirm_a_write() => Verdict::Delivered,
        200..=299 => Verdict::Retry(RetryReason::OutcomeUnknown),
        300..=399 => Verdict::NotGms,
        401 => Verdict::Unauthorized,
        403 => Verdict::Forbidden,
        429 => Verdict::Retry(RetryReason::Throttled { after }),
        408 | 425 => Verdict::Retry(RetryReason::Server { after }),
        400 | 404 | 500 if is_unknown_batch(&response.message()) => Verdict::UnknownBatch,
        404 | 405 if response.is_page() => Verdict::NotGms,
        500 => server_failure(&response.message(), retry_statuses.contains(&500), after),
        503 if is_database_conflict(&response.message()) => Verdict::Retry(RetryReason::Failed { after }),
        501..=599 if retry_statuses.contains(&status) => Verdict::Retry(RetryReason::Server { after }),
        407 | 501..=599 => Verdict::Fatal,
        400..=499 if retry_statuses.contains(&status) => Verdict::Retry(RetryReason::Failed { after }),
        _ => Verdict::Rejected,
    }
}

/// The meaning of a 500, from its message.
fn server_failure(message: &str, may_retry: bool, after: Option<Duration>) -> Verdict {
    if is_server_timeout(message) {
        return Verdict::Retry(RetryReason::OutcomeUnknown);
    }
    if is_database_conflict(message) || (may_retry && !is_request_at_fault(message)) {
        return Verdict::Retry(RetryReason::Failed { after });
    }
    Verdict::Rejected
}

/// GMS answers so after `RESTLI_TIMEOUT_SECONDS`, but may still finish the write
/// (`RestliHandlerServlet.java`).
fn is_server_timeout(message: &str) -> bool {
    message.contains("Server timeout after")
}

/// Two concurrent writes conflicted; a retry may succeed.
fn is_database_conflict(message: &str) -> bool {
    const PHRASES: [&str; 4] =
        ["batch flush on sql", "DATABASE_TRANSACTION_CONFLICT", "deadlock detected", "Deadlock found"];
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

/// Rest.li's message for an action that a resource does not have.
fn is_unknown_batch(message: &str) -> bool {
    message.contains("ingestProposalBatch not supported on resource")
}

/// Whether the message of a 500 shows that the same request will fail again.
fn is_request_at_fault(message: &str) -> bool {
    const PHRASES: [&str; 8] = [
        "Could not deserialize",
        "Unknown aspect",
        "Aspect name is required",
        "ChangeType not supported",
        "IllegalArgumentException",
        "Failed to validate",
        "Unknown entity",
        "Not supported for non-timeseries aspect",
    ];
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{ProviderError, TokenSource, TokenUnavailable};
    use crate::http::TransportError;

    fn response(status: u16, body: &'static str) -> GmsResponse {
        GmsResponse::with_body(status, body)
    }

    #[test]
    fn every_status_has_a_verdict() {
        let retried: Vec<u16> = (100..=599)
            .filter(|status| {
                matches!(classify(Ok(&response(*status, "")), &RETRY_STATUSES), Verdict::Retry(_))
            })
            .collect();
        assert_eq!(retried, [408, 425, 429, 500, 502, 503, 504]);
        let rejected = (100..=599).filter(|s| classify(Ok(&response(*s, "")), &[]) == Verdict::Rejected);
        assert!(rejected.clone().all(|status| status < 501), "no other 5xx is a record's fault");
        assert!([400, 404, 409, 412, 413, 422].iter().all(|status| rejected.clone().any(|s| s == *status)));
        let delivered =
            (100..=599).filter(|s| classify(Ok(&response(*s, "")), &RETRY_STATUSES) == Verdict::Delivered);
        assert_eq!(delivered.collect::<Vec<u16>>(), (200..=299).collect::<Vec<u16>>());
        let not_gms =
            (100..=599).filter(|s| classify(Ok(&response(*s, "")), &RETRY_STATUSES) == Verdict::NotGms);
        assert_eq!(not_gms.collect::<Vec<u16>>(), (300..=399).collect::<Vec<u16>>());
        assert_eq!(classify(Ok(&response(401, "")), &RETRY_STATUSES), Verdict::Unauthorized);
        assert_eq!(classify(Ok(&response(403, "")), &RETRY_STATUSES), Verdict::Forbidden);
        assert_eq!(classify(Ok(&response(407, "")), &RETRY_STATUSES), Verdict::Fatal);
    }

    #[test]
    fn the_user_chooses_the_retried_statuses_but_429_always_is() {
        assert_eq!(classify(Ok(&response(503, "")), &[]), Verdict::Fatal);
        assert_eq!(classify(Ok(&response(500, "")), &[]), Verdict::Rejected);
        assert_eq!(
            classify(Ok(&response(418, "")), &[418]),
            Verdict::Retry(RetryReason::Failed { after: None })
        );
        assert_eq!(
            classify(Ok(&response(429, "")), &[]),
            Verdict::Retry(RetryReason::Throttled { after: None })
        );
        assert_eq!(classify(Ok(&response(401, "")), &[401]), Verdict::Unauthorized);
    }

    #[test]
    fn a_500_for_a_bad_aspect_is_the_fault_of_the_request() {
        let body = r#"{"message":"java.lang.RuntimeException: Could not deserialize x for aspect status","status":500}"#;
        assert_eq!(classify(Ok(&response(500, body)), &RETRY_STATUSES), Verdict::Rejected);
    }

    #[test]
    fn the_message_of_a_500_decides_whether_it_is_retried() {
        let conflict =
            r#"{"message":"Error when batch flush on sql: insert into metadata_aspect_v2","status":500}"#;
        assert_eq!(
            classify(Ok(&response(500, conflict)), &[]),
            Verdict::Retry(RetryReason::Failed { after: None })
        );
        let late = "Async processing: Server timeout after 60 seconds";
        assert_eq!(classify(Ok(&response(500, late)), &[]), Verdict::Retry(RetryReason::OutcomeUnknown));
    }

    #[test]
    fn a_404_page_is_not_from_gms_but_a_404_without_html_may_be() {
        let mut page = response(404, "<html>");
        assert_eq!(classify(Ok(&page), &RETRY_STATUSES), Verdict::Rejected);
        page.headers.insert("content-type", "text/html; charset=UTF-8".parse().unwrap());
        assert_eq!(classify(Ok(&page), &RETRY_STATUSES), Verdict::NotGms);
    }

    #[test]
    fn an_old_server_does_not_know_batches() {
        let body = r#"{"message":"POST operation named ingestProposalBatch not supported on resource 'com.linkedin.metadata.resources.entity.AspectResource' URI: '/aspects?action=ingestProposalBatch'"}"#;
        for status in [400, 404, 500] {
            assert_eq!(classify(Ok(&response(status, body)), &RETRY_STATUSES), Verdict::UnknownBatch);
        }
        assert_eq!(classify(Ok(&response(422, body)), &RETRY_STATUSES), Verdict::Rejected);
    }

    #[test]
    fn a_truncated_2xx_is_an_unknown_outcome_and_a_2xx_page_is_not_from_gms() {
        assert_eq!(
            classify(Ok(&response(200, "{\"value\":")), &RETRY_STATUSES),
            Verdict::Retry(RetryReason::OutcomeUnknown)
        );
        let mut page = response(200, "<html>");
        page.headers.insert("content-type", "text/html".parse().unwrap());
        assert_eq!(classify(Ok(&page), &RETRY_STATUSES), Verdict::NotGms);
    }

    #[test]
    fn a_page_over_the_read_limit_is_no_delivery_whatever_its_content_type() {
        let page = |content_type: &'static str| {
            let mut page = response(200, "<!DOCTYPE html><html>");
            page.headers.insert("content-type", content_type.parse().unwrap());
            page.truncated = true;
            classify(Ok(&page), &RETRY_STATUSES)
        };
        for unknown in ["text/plain", "application/octet-stream", "application/json"] {
            assert_eq!(page(unknown), Verdict::Retry(RetryReason::OutcomeUnknown), "{unknown}");
        }
        for web_page in ["Text/HTML", "application/xhtml+xml"] {
            assert_eq!(page(web_page), Verdict::NotGms, "{web_page}");
        }
    }

    #[test]
    fn transport_errors_are_retried_by_how_far_the_request_got() {
        let verdict = |kind| classify(Err(&TransportError::new(kind, "").into()), &[]);
        assert_eq!(verdict(TransportErrorKind::Connect), Verdict::Retry(RetryReason::NoConnection));
        assert_eq!(verdict(TransportErrorKind::NameLookup), Verdict::Retry(RetryReason::NoConnection));
        assert_eq!(verdict(TransportErrorKind::ResponseTimeout), Verdict::Retry(RetryReason::OutcomeUnknown));
        assert_eq!(verdict(TransportErrorKind::ConnectionLost), Verdict::Retry(RetryReason::OutcomeUnknown));
        assert_eq!(verdict(TransportErrorKind::Tls), Verdict::Fatal);
    }

    #[test]
    fn a_missing_token_is_retried_only_if_its_provider_may_recover() {
        let verdict = |error| {
            let no_token = TokenUnavailable::provider_failed(&TokenSource::Command, &error);
            classify(Err(&SendError::from(no_token)), &[])
        };
        assert_eq!(verdict(ProviderError::permanent("no")), Verdict::Fatal);
        assert_eq!(verdict(ProviderError::transient("later")), Verdict::Retry(RetryReason::NoConnection));
    }
}
