//! A fault: which requests it matches, and what it does.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::body_form::BodyForm;

/// A fault that acts on matching requests.
///
/// The first matching fault acts on a request, in the order in which they were added, and before
/// authentication, as a proxy in front of GMS would. The paths `/faults` and `/requests` are exempt.
///
/// ```
/// use std::time::Duration;
///
/// use datahub_embedded_gms::{Action, Fault, RetryAfter};
///
/// let throttled_twice = Fault {
///     path_prefix: "/aspects".into(),
///     times: Some(2),
///     ..Fault::new(Action::Throttle { retry_after: Some(RetryAfter::Seconds(1)) })
/// };
/// let away_for_a_while = Fault {
///     after_time: Duration::from_secs(2),
///     lasts: Some(Duration::from_secs(5)),
///     ..Fault::new(Action::Reset)
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The prefix of the paths, with their query: `/aspects?action=ingestProposalBatch` is one call, and
    /// `/aspects` all of them. Default: empty, which matches all paths.
    pub path_prefix: String,
    /// A text that the percent-decoded path or the body must contain. Default: `None`, which matches all
    /// requests. The body of an unauthenticated caller is not searched.
    pub urn_contains: Option<String>,
    /// Acts only on requests whose body is larger, in bytes. Default: `None`, which matches all requests.
    pub larger_than: Option<u64>,
    /// The number of matching requests that pass before it acts. Default: 0.
    pub after: u64,
    /// The time from adding the fault until it begins to act. Requests before that are not counted. Default:
    /// 0.
    pub after_time: Duration,
    /// The number of requests on which it acts. Default: `None`, which is no limit.
    pub times: Option<u64>,
    /// How long it acts from its beginning. Default: `None`, which is no limit.
    pub lasts: Option<Duration>,
    /// The effect on a request.
    pub action: Action,
}

/// The effect of a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Responds with a status and does not handle the request.
    Status {
        /// The status, from 100 to 999.
        code: u16,
        /// The headers; `Content-Type` is `application/json` if none is given.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Responds with a status, in a form of GMS or of a proxy, and does not handle the request.
    Refuse {
        /// The status, from 100 to 999.
        code: u16,
        /// The form of the body.
        form: BodyForm,
        /// The message, for forms that contain one. Default: the reason phrase of the status.
        message: Option<String>,
        /// The header `Retry-After`.
        retry_after: Option<RetryAfter>,
    },
    /// Responds with 429 and does not handle the request, as GMS does while its queue lags (`APIThrottle`).
    Throttle {
        /// The header `Retry-After`; Rest.li sent none before 2026.
        retry_after: Option<RetryAfter>,
    },
    /// Responds with 503 and does not handle the request, as GMS since 1.7 does after repeated transaction
    /// conflicts: with the code `DATABASE_TRANSACTION_CONFLICT` and `Retry-After: 1`.
    Conflict,
    /// Responds with 413 and nginx's page, and does not handle the request. Meant for use with
    /// [`Fault::larger_than`].
    TooLarge,
    /// Responds with 401 in the server's form, and does not handle the request.
    Unauthorized,
    /// Expires the token of the request, from this request on. With [`Fault::times`] at 1, a client with
    /// another token passes.
    ExpireToken,
    /// Responds with a redirect and does not handle the request, as a proxy with a login page does.
    Redirect {
        /// The status, 302 for example.
        code: u16,
        /// The target of the redirect.
        location: String,
    },
    /// Responds with 200 and a web page, as a login page in front of GMS does.
    Html,
    /// Resets the connection and does not handle the request.
    Reset,
    /// Handles the request, and resets the connection instead of responding.
    ResetAfter,
    /// Responds with 200, does not handle the request, and closes the connection after half of the body that
    /// `Content-Length` announces.
    HalfBody,
    /// Handles the request, and closes the connection after half of the response body.
    HalfBodyAfter,
    /// Waits before the request is handled.
    Delay(Duration),
    /// Handles the request, and sends the head of the response in pieces during this time.
    SlowHead(Duration),
    /// Handles the request, and sends the body of the response in pieces during this time.
    SlowBody(Duration),
    /// Handles the request, and responds with 500 and plain text, as for a request that Rest.li cuts off
    /// after 60 seconds (`RESTLI_TIMEOUT_SECONDS`) although its write is committed.
    Timeout,
    /// Responds like a Rest.li resource without the requested action, as an old GMS does to
    /// `ingestProposalBatch`. Only for `POST` to `/aspects` and `/entities`.
    UnknownAction,
    /// Writes the first half of a batch (two of five changes) and fails, as a GMS that splits batches into
    /// several transactions does.
    PartialApply {
        /// The status, 500 for example.
        code: u16,
    },
    /// Accepts a write but drops changes silently, as GMS does with invalid proposals. A response that lists
    /// the accepted changes does not list them.
    Drop {
        /// The dropped aspect; `None` means every aspect. [`urn_contains`](Fault::urn_contains) restricts the
        /// entities.
        aspect: Option<String>,
    },
    /// Accepts an asynchronous write and rejects changes later: they are not stored, and the trace API
    /// returns the reason. A synchronous write is not affected.
    RejectLater {
        /// The aspect, as in [`Drop`](Self::Drop).
        aspect: Option<String>,
        /// The reason that the trace API gives.
        message: String,
    },
    /// Handles the request, but the trace API reports an asynchronous OpenAPI write as pending.
    StayPending {
        /// The aspect, as in [`Drop`](Self::Drop).
        aspect: Option<String>,
        /// The number of trace requests that report it as pending; `None` means all of them.
        polls: Option<u64>,
    },
}

/// The value of the header `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// A number of seconds. GMS rounds down, so 0 occurs.
    Seconds(u64),
    /// The HTTP date at this time after the response, rounded down to the second.
    Date(Duration),
}

impl Fault {
    /// Creates a fault that applies `action` to every request.
    pub fn new(action: Action) -> Self {
        Self {
            path_prefix: String::new(),
            urn_contains: None,
            larger_than: None,
            after: 0,
            after_time: Duration::ZERO,
            times: None,
            lasts: None,
            action,
        }
    }

    pub(super) fn matches(&self, path: &str, body: &[u8], bytes: u64) -> bool {
        path.starts_with(&self.path_prefix)
            && self.larger_than.is_none_or(|limit| bytes > limit)
            && self.urn_contains.as_deref().is_none_or(|urn| {
                percent_decode_str(path).decode_utf8_lossy().contains(urn) || contains(body, urn.as_bytes())
            })
    }
}

impl Action {
    /// The action's name in a document.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } | Self::Refuse { .. } => "status",
            Self::Throttle { .. } => "throttle",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::ExpireToken => "expire_token",
            Self::Redirect { .. } => "redirect",
            Self::Html => "html",
            Self::Reset => "reset",
            Self::ResetAfter => "reset_after",
            Self::HalfBody => "half_body",
            Self::HalfBodyAfter => "half_body_after",
            Self::Delay(_) => "delay",
            Self::SlowHead(_) => "slow_head",
            Self::SlowBody(_) => "slow_body",
            Self::Timeout => "timeout",
            Self::UnknownAction => "unknown_action",
            Self::PartialApply { .. } => "partial_apply",
            Self::Drop { .. } => "drop",
            Self::RejectLater { .. } => "reject_later",
            Self::StayPending { .. } => "stay_pending",
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
