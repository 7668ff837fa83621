//! The configuration that a GMS reports.

use serde_json::Value;

use super::GmsResponse;
use crate::display_text::display_text;

/// The most characters of a version or an environment that are kept.
const MAX_SHOWN_CHARS: usize = 80;

/// The fields of `GET /config` (`Config.java`) that a client uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// For example `v1.3.0`.
    pub version: Option<String>,
    /// `core`, or something else for DataHub Cloud.
    pub environment: Option<String>,
    /// Whether GMS accepts PATCH proposals, if it reports that.
    pub patch_capable: Option<bool>,
    /// Whether GMS keeps the state of stateful ingestion, if it reports that.
    pub stateful_ingestion_capable: Option<bool>,
    /// It reports no versions. Every GMS since 2022 does.
    pub is_ancient: bool,
}

/// A feature that not every version of GMS has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// `/openapi/v3/entity/…`.
    OpenapiV3,
    /// `/openapi/v1/trace/write/…`: the state of a queued write.
    Tracing,
    /// A PATCH of the aspect `status`.
    StatusPatch,
}

/// The kind of caller that `/config?verbose=true` reports (`Config.java`). Servers before 2026 do not report
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserType {
    /// A user: the token is accepted, authentication is off, or guests are allowed.
    User,
    /// Not authenticated.
    Anonymous,
}

/// The kind of caller, from the response to `/config?verbose=true`.
pub(super) fn user_type(response: &GmsResponse) -> Option<UserType> {
    let config: Value =
        serde_json::from_slice(&response.body).ok().filter(|_| response.status.is_success())?;
    match config.get("userType")?.as_str()? {
        "user" => Some(UserType::User),
        "anonymous" => Some(UserType::Anonymous),
        _ => None,
    }
}

type Version = [u32; 4];

impl Feature {
    /// The first version that has it, as messages name it.
    pub(crate) fn first_version(self, cloud: bool) -> String {
        let [major, minor, patch, _] = self.since(cloud);
        format!("{}{major}.{minor}.{patch}", if cloud { "DataHub Cloud " } else { "DataHub " })
    }

    /// The first version that has it: DataHub's own, and DataHub Cloud's. The versions for tracing are those
    /// of the Python client (`rest_emitter.py`), and so are those for patches of `status`; OpenAPI v3 came
    /// with 0.14.0.
    fn since(self, cloud: bool) -> Version {
        match (self, cloud) {
            (Self::OpenapiV3, false) => [0, 14, 0, 0],
            (Self::OpenapiV3, true) => [0, 3, 4, 0],
            (Self::Tracing, false) => [1, 0, 1, 0],
            (Self::Tracing, true) => [0, 3, 11, 0],
            (Self::StatusPatch, false) => [1, 7, 0, 0],
            (Self::StatusPatch, true) => [2, 1, 0, 0],
        }
    }
}

impl ServerConfig {
    /// Reads an answer to `GET /config`. Nothing but a GMS says `"noCode": "true"`, which is how DataHub's
    /// own client tells one from the frontend.
    pub(crate) fn read(response: &GmsResponse) -> Option<Self> {
        let config: Value = serde_json::from_slice(&response.body).ok()?;
        if !response.status.is_success() || config.get("noCode")?.as_str() != Some("true") {
            return None;
        }
        // Whatever else is odd about the answer, it is a GMS's.
        let text = |pointer| config.pointer(pointer).and_then(Value::as_str);
        let shown = |text: &str| display_text(text, MAX_SHOWN_CHARS);
        // GMS was `linkedin/datahub` before its images moved.
        let version = text("/versions/acryldata~1datahub/version")
            .or_else(|| text("/versions/linkedin~1datahub/version"));
        Some(Self {
            version: version.filter(|version| *version != "null").map(shown),
            environment: text("/datahub/serverEnv").map(shown),
            patch_capable: config.get("patchCapable").and_then(Value::as_bool),
            stateful_ingestion_capable: config.get("statefulIngestionCapable").and_then(Value::as_bool),
            is_ancient: config.get("versions").is_none(),
        })
    }

    /// Whether it is DataHub Cloud, whose versions count otherwise.
    pub fn is_cloud(&self) -> bool {
        self.environment.as_deref().is_some_and(|environment| environment != "core")
    }

    /// Whether it has `feature`, as far as its version tells; `None` for a version that says nothing, for
    /// example that of a build of one's own.
    pub fn supports(&self, feature: Feature) -> Option<bool> {
        match self.version.as_deref().and_then(parse_version) {
            Some(version) => Some(version >= feature.since(self.is_cloud())),
            None if self.is_ancient => Some(false),
            None => None,
        }
    }

    /// The version, as messages name it.
    pub fn version_name(&self) -> &str {
        self.version.as_deref().unwrap_or("of an unknown version")
    }
}

/// Three or four numbers, perhaps behind a `v`; what comes after them does not count, as in the Python client
/// (`server_config_util.py`).
fn parse_version(text: &str) -> Option<Version> {
    let mut version = [0; 4];
    let mut found = 0;
    let text = text.trim();
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    for number in &mut version {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at_checked(digits)?;
        let Ok(parsed) = digits.parse() else { break };
        *number = parsed;
        found += 1;
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => break,
        }
    }
    (found >= 3).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &'static str) -> GmsResponse {
        GmsResponse::with_body(status, body)
    }

    fn read(status: u16, body: &'static str) -> Option<ServerConfig> {
        ServerConfig::read(&response(status, body))
    }

    #[test]
    fn whom_it_takes_the_caller_for_is_read_where_it_tells() {
        for (status, body, expected) in [
            (200, r#"{"noCode":"true","userType":"user"}"#, Some(UserType::User)),
            (200, r#"{"noCode":"true","userType":"anonymous"}"#, Some(UserType::Anonymous)),
            (200, r#"{"noCode":"true","userType":"robot"}"#, None),
            (200, r#"{"noCode":"true","userType":true}"#, None),
            (200, r#"{"noCode":"true"}"#, None),
            (401, r#"{"userType":"user"}"#, None),
            (200, "<html>", None),
        ] {
            assert_eq!(user_type(&response(status, body)), expected, "{body}");
        }
    }

    fn of_version(version: &str, environment: Option<&str>) -> ServerConfig {
        ServerConfig {
            version: Some(version.into()),
            environment: environment.map(str::to_owned),
            ..ServerConfig::default()
        }
    }

    #[test]
    fn only_a_gms_says_no_code() {
        let gms = r#"{"noCode":"true","patchCapable":true,"versions":{"acryldata/datahub":{"version":"v1.3.0","commit":"0"}},"datahub":{"serverEnv":"core"}}"#;
        let config = read(200, gms).unwrap();
        assert_eq!(config, ServerConfig { patch_capable: Some(true), ..of_version("v1.3.0", Some("core")) });
        let ancient = ServerConfig { is_ancient: true, ..ServerConfig::default() };
        assert_eq!(read(200, r#"{"noCode":"true"}"#), Some(ancient));
        assert_eq!(
            read(200, r#"{"noCode":"true","versions":null,"datahub":7}"#),
            Some(ServerConfig::default())
        );
        let old = r#"{"noCode":"true","versions":{"linkedin/datahub":{"version":"v0.10.5"}}}"#;
        assert_eq!(read(200, old), Some(of_version("v0.10.5", None)));
        assert_eq!(read(401, gms), None);
        assert_eq!(read(200, r#"{"noCode":true}"#), None);
        assert_eq!(read(200, r#"{"status":"ok","config":{"application":"datahub-frontend"}}"#), None);
        assert_eq!(read(200, "<html>"), None);
    }

    #[test]
    fn the_version_tells_what_a_server_can_do() {
        use Feature::{OpenapiV3, Tracing};
        for (version, environment, openapi, tracing) in [
            ("v1.3.0", Some("core"), Some(true), Some(true)),
            ("1.0.1rc3", None, Some(true), Some(true)),
            ("v1.0.0.2", None, Some(true), Some(false)),
            ("v0.14.0", None, Some(true), Some(false)),
            ("v0.13.3", Some("core"), Some(false), Some(false)),
            ("v0.3.12.1", Some("cloud"), Some(true), Some(true)),
            ("v0.3.10", Some("cloud"), Some(true), Some(false)),
            ("v1.3", None, None, None),
            ("head", None, None, None),
            ("v99999999999.1.1", None, None, None),
            ("", None, None, None),
        ] {
            let config = of_version(version, environment);
            let found = (config.supports(OpenapiV3), config.supports(Tracing));
            assert_eq!(found, (openapi, tracing), "{version}");
        }
        let ancient = ServerConfig { is_ancient: true, ..ServerConfig::default() };
        assert_eq!(ancient.supports(OpenapiV3), Some(false));
        assert_eq!(ServerConfig::default().supports(Tracing), None);
    }
}
