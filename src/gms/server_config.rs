//! What a GMS says of itself.

use serde_json::Value;

use super::Reply;

/// The parts of `GET /config` (`Config.java`) that a client has a use for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// For example `v1.3.0`.
    pub version: Option<String>,
    /// `core`, or something else for DataHub Cloud.
    pub environment: Option<String>,
}

impl ServerConfig {
    /// Reads an answer to `GET /config`. Nothing but a GMS says `"noCode": "true"`, which is how DataHub's own client
    /// tells one from the frontend.
    pub(crate) fn read(reply: &Reply) -> Option<Self> {
        let config: Value = serde_json::from_slice(&reply.body).ok()?;
        if !reply.status.is_success() || config.get("noCode")?.as_str() != Some("true") {
            return None;
        }
        // Whatever else is odd about the answer, it is a GMS's.
        let text = |pointer| config.pointer(pointer).and_then(Value::as_str);
        let visible = |text: &str| text.chars().filter(|c| !c.is_control()).take(80).collect();
        Some(Self {
            version: text("/versions/acryldata~1datahub/version").map(visible),
            environment: text("/datahub/serverEnv").map(visible),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &'static str) -> Option<ServerConfig> {
        ServerConfig::read(&Reply {
            status: reqwest::StatusCode::from_u16(status).unwrap(),
            headers: reqwest::header::HeaderMap::new(),
            body: body.into(),
            capped: false,
        })
    }

    #[test]
    fn only_a_gms_says_no_code() {
        let gms = r#"{"noCode":"true","versions":{"acryldata/datahub":{"version":"v1.3.0","commit":"0"}},"datahub":{"serverEnv":"core"}}"#;
        let config = read(200, gms).unwrap();
        assert_eq!(
            (config.version.as_deref(), config.environment.as_deref()),
            (Some("v1.3.0"), Some("core"))
        );
        assert_eq!(read(200, r#"{"noCode":"true"}"#), Some(ServerConfig::default()));
        assert_eq!(
            read(200, r#"{"noCode":"true","versions":null,"datahub":7}"#),
            Some(ServerConfig::default())
        );
        assert_eq!(read(401, gms), None);
        assert_eq!(read(200, r#"{"noCode":true}"#), None);
        assert_eq!(read(200, r#"{"status":"ok","config":{"application":"datahub-frontend"}}"#), None);
        assert_eq!(read(200, "<html>"), None);
    }
}
