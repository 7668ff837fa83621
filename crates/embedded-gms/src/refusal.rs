//! The answer to a caller who was not recognised: 401, in one of the forms that a GMS or what stands in front of it
//! gives it.

use axum::http::StatusCode;
use axum::response::Response;

use super::body_form::BodyForm;

/// What GMS says of every refusal but one.
pub(super) const UNAUTHORIZED: &str = "Unauthorized to perform this action.";

/// What the old filter says of a token whose time is over.
pub(super) const EXPIRED: &str = "Failed to validate DataHub token. Token has expired.";

/// The form of the body that comes with a 401. None has a `WWW-Authenticate` header, as GMS's never has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalForm {
    /// What a GMS under Spring Boot answers to programs: JSON with `timestamp`, `status`, `error` and `path`, and not a
    /// word on the cause.
    #[default]
    SpringJson,
    /// What Spring Boot answers to a browser: its "Whitelabel Error Page".
    SpringHtml,
    /// What a GMS under Jetty, before Spring Boot, answers to who asks for JSON: the message is in it.
    JettyJson,
    /// What Jetty answers to everyone else: a page with the message.
    JettyHtml,
    /// Nothing at all, as DataHub's frontend answers.
    Empty,
}

impl RefusalForm {
    /// The answer.
    pub(super) fn answer(self, message: &str, path: &str) -> Response {
        let form = match self {
            Self::SpringJson => BodyForm::SpringJson,
            Self::SpringHtml => BodyForm::SpringHtml,
            Self::JettyJson => BodyForm::JettyJson,
            Self::JettyHtml => BodyForm::JettyHtml,
            Self::Empty => BodyForm::Empty,
        };
        form.answer(StatusCode::UNAUTHORIZED, message, path)
    }
}
