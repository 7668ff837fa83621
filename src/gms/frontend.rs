//! Logging in at DataHub's frontend with a user's name and password (`AuthenticationController`), for the
//! first token.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::SET_COOKIE;
use serde_json::json;

use super::{Client, ClientConfig, GmsResponse, ServerAddress};
use crate::{Error, ErrorKind};

/// The read limit of the response. A refusal is one sentence.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A user's log-in at the frontend.
pub struct LogIn<'a> {
    /// The frontend's address, for example `http://localhost:9002`.
    pub frontend: &'a ServerAddress,
    /// The user's name.
    pub user: &'a str,
    /// The password. It is sent in the body of the request only.
    pub password: &'a str,
}

impl std::fmt::Debug for LogIn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogIn")
            .field("frontend", &self.frontend)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Logs in, and returns a client of the GMS behind the frontend whose requests go with the session's cookies.
/// `settings` says how the frontend is reached; its server and tokens do not count.
///
/// # Errors
/// [`ErrorKind::Refused`] when name and password are not taken; [`ErrorKind::Unreachable`] when nothing
/// answers, or what answers is no frontend.
///
/// # Cancel safety
/// If the future is dropped, the frontend may have begun a session that nobody uses. It can be called again.
pub async fn log_in(settings: &ClientConfig, who: &LogIn<'_>) -> Result<Client, Error> {
    let base = who.frontend.to_string();
    let base = base.strip_suffix("/api/gms").unwrap_or(&base);
    let address = |text: &str| {
        ServerAddress::parse(text)
            .map_err(|error| Error::new(ErrorKind::Input, "the frontend's address").with_source(error))
    };
    let frontend = Client::new(&ClientConfig { server: address(base)?, tokens: None, ..settings.clone() })?;
    frontend.credentials().add_secret(who.password);
    let line = frontend.request_line(Method::POST, "/logIn");
    let body = json!({"username": who.user, "password": who.password}).to_string();
    let sent = frontend.send(&line, Some(Bytes::from(body).into()), MAX_ANSWER_BYTES).await;
    let response = sent.map_err(|fault| frontend.diagnose_send_error(&line, &fault, 1))?;
    match (response.status.as_u16(), cookies(&response)) {
        (200, Some(cookies)) => Client::new(&ClientConfig {
            server: address(&format!("{base}/api/gms"))?,
            tokens: None,
            extra_headers: vec![("Cookie".to_owned(), cookies)],
            ..settings.clone()
        }),
        (400, _) if response.is_json_or_empty() => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the frontend at {base} does not let {} in: {}. It never says whether the name or the password is wrong; a user of \
                 a single sign-on has no password here",
                who.user,
                frontend.redact(&response.message()).trim_end_matches('.')
            ),
        )),
        (408 | 429 | 500..=599, _) => Err(frontend.diagnose(&line, &response).into()),
        (status, _) => Err(Error::new(
            ErrorKind::Unreachable,
            format!(
                "the server at {base} is not DataHub's frontend: {status} from {line}, and no session. It takes the \
                 address of DataHub's web page, usually port 9002; GMS (port 8080) knows no log-in"
            ),
        )),
    }
}

/// The session's cookies as the header has them, if there is a session among them.
fn cookies(response: &GmsResponse) -> Option<String> {
    let values = response.headers.get_all(SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs: Vec<&str> = values.filter_map(|value| value.split(';').next()).map(str::trim).collect();
    pairs.iter().any(|pair| pair.starts_with("PLAY_SESSION=")).then(|| pairs.join("; "))
}
