//! Recognises web pages that other servers send in place of a response of GMS.

use super::observation::{Redirect, ResponseInfo};

/// The origin of a web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// DataHub's frontend.
    Frontend,
    /// A log-in page.
    Login,
    /// Spring Boot or Jetty, which GMS runs in.
    Gms,
    /// Another server.
    Other,
}

/// The origin of the page in the response, if it is a page. The frontend also names itself in JSON
/// (`Application.java`, `/config`).
pub(super) fn identify(info: &ResponseInfo<'_>) -> Option<Page> {
    let body = info.body.to_ascii_lowercase();
    let media_type = info.content_type.split(';').next().unwrap_or_default().trim();
    let html =
        ["text/html", "application/xhtml+xml"].iter().any(|page| media_type.eq_ignore_ascii_case(page))
            || body.trim_start().starts_with("<!doctype html")
            || body.trim_start().starts_with("<html");
    if !html {
        let frontend = info.status == 200 && body.contains("datahub-frontend");
        return frontend.then_some(Page::Frontend);
    }
    let has = |signs: &[&str]| signs.iter().any(|sign| body.contains(sign));
    let title = title(&body);
    let titled = |signs: &[&str]| signs.iter().any(|sign| title.contains(sign));
    Some(if has(&["whitelabel error page", "<th>servlet:</th>", "powered by jetty"]) {
        Page::Gms
    } else if has(&["type=\"password\"", "type='password'", "type=password", "samlrequest"])
        || titled(&["sign in", "sign-in", "log in", "login", "single sign", "authenticat"])
        || has(&["/oauth2/start", "/oauth2/sign_in", "action=\"/login", "cdn-cgi/access"])
    {
        Page::Login
    } else if titled(&["datahub"]) {
        Page::Frontend
    } else {
        Page::Other
    })
}

fn title(body: &str) -> &str {
    let from =
        body.split_once("<title").and_then(|(_, rest)| rest.split_once('>')).map_or("", |(_, rest)| rest);
    from.split('<').next().unwrap_or_default()
}

/// Whether a redirect leads to a log-in, judging by its host, its path and its parameters.
pub(super) fn is_login(redirect: &Redirect<'_>) -> bool {
    const PARAMETERS: [&str; 7] =
        ["client_id", "redirect_uri", "response_type", "SAMLRequest", "RelayState", "rd", "return_to"];
    const SIGNS: [&str; 13] = [
        "login",
        "log-in",
        "signin",
        "sign_in",
        "sign-in",
        "/authorize",
        "/authenticate",
        "oauth2",
        "/sso",
        "//sso",
        "saml",
        "openid",
        "accounts.google.com",
    ];
    let to = redirect.to.to_ascii_lowercase();
    SIGNS.iter().any(|sign| to.contains(sign))
        || redirect.parameters.iter().any(|name| PARAMETERS.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_identified() {
        for (body, page) in [
            ("<html><head><title>Sign in</title>", Some(Page::Login)),
            ("<!DOCTYPE html><html><head><title>DataHub</title></head>", Some(Page::Frontend)),
            ("<html><form action=\"/oauth2/start\">", Some(Page::Login)),
            ("<html><body><h1>Whitelabel Error Page</h1>", Some(Page::Gms)),
            ("<html><title>502 Bad Gateway</title>", Some(Page::Other)),
            (r#"{"config":{"application":"datahub-frontend"}}"#, Some(Page::Frontend)),
            (r#"{"noCode":"true"}"#, None),
            ("GOOD", None),
        ] {
            assert_eq!(
                identify(&ResponseInfo { status: 200, body, ..ResponseInfo::default() }),
                page,
                "{body}"
            );
        }
    }

    #[test]
    fn a_redirect_to_a_log_in_is_recognised() {
        for (to, parameters, login) in [
            ("https://login.example.org/authorize", vec!["state"], true),
            ("https://dex.example.org/auth", vec!["client_id", "state"], true),
            ("/login", vec![], true),
            ("https://gms.example.org/config", vec![], false),
            ("http://gms:8080/config/", vec!["verbose"], false),
        ] {
            assert_eq!(is_login(&Redirect { to, parameters }), login, "{to}");
        }
    }
}
