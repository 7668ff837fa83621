//! The response to an unauthenticated caller: 401, in one of the forms of GMS and of proxies.

use crate::body_form::BodyForm;
use axum::http::StatusCode;
use axum::response::Response;

/// GMS's message for every refusal but one.
pub(super) const UNAUTHORIZED: &str = "Unauthorized to perform this action.";

/// The old filter's message for an expired token.
pub(super) const EXPIRED: &str = "Failed to validate DataHub token. Token has expired.";

/// The form of the body of a 401. None has a `WWW-Authenticate` header, as in GMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalForm {
    /// Spring Boot's form for programs: JSON with `timestamp`, `status`, `error` and `path`, without the
    /// cause.
    #[default]
    SpringJson,
    /// Spring Boot's form for browsers: the "Whitelabel Error Page".
    SpringHtml,
    /// Jetty's form (GMS before Spring Boot) for clients that accept JSON: it contains the message.
    JettyJson,
    /// Jetty's form for all other clients: a page with the message.
    JettyHtml,
    /// An empty body, as from DataHub's frontend.
    Empty,
}

impl RefusalForm {
    /// The response.
    pub(super) fn response(self, message: &str, path: &str) -> Response {
        let form = match self {
            Self::SpringJson => BodyForm::SpringJson,
            Self::SpringHtml => BodyForm::SpringHtml,
            Self::JettyJson => BodyForm::JettyJson,
            Self::JettyHtml => BodyForm::JettyHtml,
            Self::Empty => BodyForm::Empty,
        };
        form.response(StatusCode::UNAUTHORIZED, message, path)
    }
}
