//! Faults on demand: what goes wrong between a client and a GMS, at the request that a test names.

mod active;
mod answer;
mod broken_body;
mod document;
mod interference;

use std::path::Path;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::body_form::BodyForm;
use super::seed::read_short;
use crate::{Error, ErrorKind};

pub(super) use active::Faults;
pub(super) use answer::{Reset, SlowHead, instead, spoilt};
pub(super) use interference::{Interference, Meddling};

/// Something that goes wrong with the requests that match.
///
/// The first fault that matches a request acts on it, in the order in which they were given, and before authentication,
/// as a proxy in front of GMS would. The paths `/faults` and `/requests` are spared.
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
    /// The start of the paths that it acts on, with their query: `/aspects?action=ingestProposalBatch` is one call, and
    /// `/aspects` all of them. The empty text, which is the default, is for all.
    pub path_prefix: String,
    /// A text that must stand in the path (percent-decoded) or in the body as it was sent; `None`, which is the
    /// default, for any. The body of a caller that was not recognised is not looked at.
    pub urn_contains: Option<String>,
    /// It acts on requests alone whose body has more bytes than this; `None`, which is the default, on all.
    pub larger_than: Option<u64>,
    /// How many matching requests pass before it acts; 0 by default.
    pub after: u64,
    /// How long after it was set it begins; 0 by default. Requests before that do not count.
    pub after_time: Duration,
    /// How many requests it acts on; `None`, which is the default, for all.
    pub times: Option<u64>,
    /// How long it acts once it has begun; `None`, which is the default, for ever.
    pub lasts: Option<Duration>,
    /// What happens.
    pub action: Action,
}

/// What a [`Fault`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Answers with a status instead of doing what was asked.
    Status {
        /// The status, from 100 to 999.
        code: u16,
        /// The headers; `Content-Type` is `application/json` if none is given.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Answers with a status instead of doing what was asked, in a form that GMS or a proxy gives it.
    Refuse {
        /// The status, from 100 to 999.
        code: u16,
        /// The form of the body.
        form: BodyForm,
        /// What is said, where the form says something; by default the status's own words.
        message: Option<String>,
        /// The header `Retry-After`.
        retry_after: Option<RetryAfter>,
    },
    /// Answers 429 instead of doing what was asked, as GMS does while its queue is behind (`APIThrottle`).
    Throttle {
        /// The header `Retry-After`; Rest.li sent none before 2026.
        retry_after: Option<RetryAfter>,
    },
    /// Answers 503 instead of doing what was asked, as a GMS since 1.7 does when transactions keep getting in each
    /// other's way: with the code `DATABASE_TRANSACTION_CONFLICT` and `Retry-After: 1`.
    Conflict,
    /// Answers 413 instead of doing what was asked, with nginx's page. Goes with [`Fault::larger_than`].
    TooLarge,
    /// Answers 401 instead of doing what was asked, in the form that the server gives it.
    Unauthorized,
    /// Lets the token expire that the request brings, from this request on. With [`Fault::times`] at 1 a client that
    /// brings another one gets through.
    ExpireToken,
    /// Answers with a redirect instead of doing what was asked, as a proxy does that wants people to log in.
    Redirect {
        /// The status, 302 for example.
        code: u16,
        /// Where to.
        location: String,
    },
    /// Answers 200 with a web page, as a login page in front of GMS does.
    Html,
    /// Resets the connection instead of doing what was asked.
    Reset,
    /// Does what was asked, and then resets the connection instead of answering.
    ResetAfter,
    /// Answers 200 instead of doing what was asked, and closes the connection after half of the body that
    /// `Content-Length` announces.
    HalfBody,
    /// Does what was asked, and closes the connection after half of the answer's body.
    HalfBodyAfter,
    /// Waits before it does what was asked.
    Delay(Duration),
    /// Does what was asked, and then takes this long for the head of the answer, which comes in pieces.
    SlowHead(Duration),
    /// Does what was asked, and takes this long for the body of the answer, which comes in pieces.
    SlowBody(Duration),
    /// Does what was asked, and says that it took too long: status 500 with plain text, as of a request that Rest.li cuts
    /// off after 60 seconds (`RESTLI_TIMEOUT_SECONDS`), whose write is committed none the less.
    Timeout,
    /// Answers as a Rest.li resource that does not have the action that is asked for, as an old GMS does to
    /// `ingestProposalBatch`. Only for `POST` to `/aspects` and `/entities`.
    UnknownAction,
    /// Writes the first half of a batch (of five changes two) and fails, as a GMS does that splits batches into several
    /// transactions.
    PartialApply {
        /// The status, 500 for example.
        code: u16,
    },
    /// Accepts a write as if nothing were wrong, and leaves changes out of it without a word, as GMS does with what it
    /// cannot build a proposal of. They are missing from the answer as well, where it lists what was accepted.
    Drop {
        /// The aspect that is left out; with `None` every one. Of the entities those whose URN holds
        /// [`urn_contains`](Fault::urn_contains), if that is set.
        aspect: Option<String>,
    },
    /// Accepts an asynchronous write, and rejects changes afterwards: nothing of them is stored, and the trace API says
    /// why. A synchronous write is done as it should be.
    RejectLater {
        /// Which aspect, as in [`Drop`](Self::Drop).
        aspect: Option<String>,
        /// The reason that the trace API gives.
        message: String,
    },
    /// Does what was asked, but the trace API says of an asynchronous write through OpenAPI that it is pending.
    StayPending {
        /// Which aspect, as in [`Drop`](Self::Drop).
        aspect: Option<String>,
        /// How many times the trace API says so; for ever with `None`.
        polls: Option<u64>,
    },
}

/// What the header `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds. GMS rounds down, so that 0 occurs.
    Seconds(u64),
    /// The HTTP date that is so much later than the answer, rounded down to the second.
    Date(Duration),
}

impl Fault {
    /// `action` for every request.
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

    /// Reads the faults of a document in YAML or JSON, which [`Builder::fault_file`](super::Builder::fault_file)
    /// describes.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it is not what it has to be; the text says where.
    pub fn parse(document: &str) -> Result<Vec<Self>, Error> {
        document::parse(document).map_err(|message| Error::new(ErrorKind::Input, message))
    }

    /// Reads a file of faults.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it cannot be read, or as [`parse`](Self::parse).
    pub(super) fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let wrong = |message: String| Error::new(ErrorKind::Input, format!("{}: {message}", path.display()));
        let text = read_short(path).map_err(|error| wrong(error.to_string()).with_source(error))?;
        document::parse(&text).map_err(wrong)
    }

    /// What is left of it for the one who looks at the changes of a request.
    pub(super) fn interference(self) -> Interference {
        Interference::new(self.urn_contains, self.action)
    }

    fn matches(&self, path: &str, body: &[u8], bytes: u64) -> bool {
        path.starts_with(&self.path_prefix)
            && self.larger_than.is_none_or(|limit| bytes > limit)
            && self.urn_contains.as_deref().is_none_or(|urn| {
                percent_decode_str(path).decode_utf8_lossy().contains(urn) || contains(body, urn.as_bytes())
            })
    }
}

impl Action {
    /// As it is called in a document.
    fn name(&self) -> &'static str {
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
