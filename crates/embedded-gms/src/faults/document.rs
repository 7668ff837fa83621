//! The YAML or JSON form of faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::fault::{Action, Fault, RetryAfter};
use crate::body_form::BodyForm;
use crate::error::{Error, ErrorKind};
use crate::small_file;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    faults: Vec<FaultEntry>,
}

/// One fault. Keys that its action does not use are errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultEntry {
    #[serde(default)]
    path: String,
    urn: Option<String>,
    larger_than: Option<u64>,
    after: Option<After>,
    times: Option<u64>,
    lasts: Option<Seconds>,
    action: ActionName,
    code: Option<u16>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    form: Option<BodyForm>,
    retry_after: Option<RetryAfterText>,
    location: Option<String>,
    milliseconds: Option<u64>,
    aspect: Option<String>,
    message: Option<String>,
    polls: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of requests, or {requests: N, seconds: S}")]
enum After {
    Requests(u64),
    Both(RequestsAndSeconds),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestsAndSeconds {
    #[serde(default)]
    requests: u64,
    #[serde(default)]
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of seconds, or {date: S} for the date in S seconds")]
enum RetryAfterText {
    Seconds(u64),
    Date(DateIn),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DateIn {
    date: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    Status,
    Throttle,
    Conflict,
    TooLarge,
    Unauthorized,
    ExpireToken,
    Redirect,
    Html,
    Reset,
    ResetAfter,
    HalfBody,
    HalfBodyAfter,
    Delay,
    SlowHead,
    SlowBody,
    Timeout,
    UnknownAction,
    PartialApply,
    Drop,
    RejectLater,
    StayPending,
}

impl Fault {
    /// Parses a document in YAML or JSON, in the form of
    /// [`GmsBuilder::fault_file`](crate::GmsBuilder::fault_file).
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the document is not valid; the message has the position.
    pub fn parse(document: &str) -> Result<Vec<Self>, Error> {
        parse(document).map_err(|message| Error::new(ErrorKind::Input, message))
    }

    /// Reads a fault file.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the file cannot be read, and as [`parse`](Self::parse).
    pub(crate) fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let wrong = |message: String| Error::new(ErrorKind::Input, format!("{}: {message}", path.display()));
        let text = small_file::read(path).map_err(|error| wrong(error.to_string()).with_source(error))?;
        parse(&text).map_err(wrong)
    }
}

/// Parses a document in YAML, of which JSON is a subset.
///
/// # Errors
/// A message with the position, if the document is not valid.
fn parse(text: &str) -> Result<Vec<Fault>, String> {
    let document: Document = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let faults = document.faults.into_iter().enumerate();
    faults
        .map(|(index, entry)| entry.fault().map_err(|message| format!("faults[{index}]: {message}")))
        .collect()
}

impl FaultEntry {
    fn fault(mut self) -> Result<Fault, String> {
        let action = self.action()?;
        if let Some(key) = self.left() {
            return Err(format!("the action has no `{key}`"));
        }
        let (after, after_time) = match self.after {
            None => (0, 0.0),
            Some(After::Requests(requests)) => (requests, 0.0),
            Some(After::Both(RequestsAndSeconds { requests, seconds })) => (requests, seconds),
        };
        Ok(Fault {
            path_prefix: self.path,
            urn_contains: self.urn,
            larger_than: self.larger_than,
            after,
            after_time: duration("after", after_time)?,
            times: self.times,
            lasts: self.lasts.map(|lasts| duration("lasts", lasts.seconds)).transpose()?,
            action,
        })
    }

    /// Takes the keys of the action out of the entry.
    fn action(&mut self) -> Result<Action, String> {
        Ok(match self.action {
            ActionName::Status
                if self.form.is_some() || self.message.is_some() || self.retry_after.is_some() =>
            {
                Action::Refuse {
                    code: self.code()?.ok_or_else(|| missing("code"))?,
                    form: self.form.take().unwrap_or_default(),
                    message: self.message.take(),
                    retry_after: self.retry_after()?,
                }
            }
            ActionName::Status => Action::Status {
                code: self.code()?.ok_or_else(|| missing("code"))?,
                headers: self.headers.take().unwrap_or_default().into_iter().collect(),
                body: self.body.take().unwrap_or_default(),
            },
            ActionName::Throttle => Action::Throttle { retry_after: self.retry_after()? },
            ActionName::Conflict => Action::Conflict,
            ActionName::TooLarge => Action::TooLarge,
            ActionName::Unauthorized => Action::Unauthorized,
            ActionName::ExpireToken => Action::ExpireToken,
            ActionName::Redirect => Action::Redirect {
                code: self.code()?.unwrap_or(302),
                location: self.location.take().ok_or_else(|| missing("location"))?,
            },
            ActionName::Html => Action::Html,
            ActionName::Reset => Action::Reset,
            ActionName::ResetAfter => Action::ResetAfter,
            ActionName::HalfBody => Action::HalfBody,
            ActionName::HalfBodyAfter => Action::HalfBodyAfter,
            ActionName::Delay => Action::Delay(self.time()?),
            ActionName::SlowHead => Action::SlowHead(self.time()?),
            ActionName::SlowBody => Action::SlowBody(self.time()?),
            ActionName::Timeout => Action::Timeout,
            ActionName::UnknownAction => Action::UnknownAction,
            ActionName::PartialApply => Action::PartialApply { code: self.code()?.unwrap_or(500) },
            ActionName::Drop => Action::Drop { aspect: self.aspect.take() },
            ActionName::RejectLater => Action::RejectLater {
                aspect: self.aspect.take(),
                message: self.message.take().ok_or_else(|| missing("message"))?,
            },
            ActionName::StayPending => {
                Action::StayPending { aspect: self.aspect.take(), polls: self.polls.take() }
            }
        })
    }

    fn code(&mut self) -> Result<Option<u16>, String> {
        match self.code.take() {
            Some(code) if !(200..1000).contains(&code) => {
                Err(format!("`code` is {code}, and a final status is from 200 to 999"))
            }
            code => Ok(code),
        }
    }

    fn retry_after(&mut self) -> Result<Option<RetryAfter>, String> {
        let wait = self.retry_after.take().map(|wait| match wait {
            RetryAfterText::Seconds(seconds) => Ok(RetryAfter::Seconds(seconds)),
            RetryAfterText::Date(DateIn { date }) => duration("retry_after", date).map(RetryAfter::Date),
        });
        wait.transpose()
    }

    fn time(&mut self) -> Result<Duration, String> {
        self.milliseconds.take().map(Duration::from_millis).ok_or_else(|| missing("milliseconds"))
    }

    /// A key that the action did not use.
    fn left(&self) -> Option<&'static str> {
        let left = [
            ("code", self.code.is_some()),
            ("headers", self.headers.is_some()),
            ("body", self.body.is_some()),
            ("form", self.form.is_some()),
            ("retry_after", self.retry_after.is_some()),
            ("location", self.location.is_some()),
            ("milliseconds", self.milliseconds.is_some()),
            ("aspect", self.aspect.is_some()),
            ("message", self.message.is_some()),
            ("polls", self.polls.is_some()),
        ];
        left.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }
}

fn missing(key: &str) -> String {
    format!("`{key}` is missing, which the action needs")
}

fn duration(key: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{key}`: {seconds} is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_can_be_parsed() {
        let faults = parse(
            "faults:
- {path: /aspects, times: 2, action: status, code: 503, headers: {Retry-After: '1'}, body: '{}'}
- {urn: db.t1, after: 3, action: reset}
- {action: reset_after}
- {action: delay, milliseconds: 50}
- {action: html}
- {action: unknown_action}
- {action: drop, aspect: status}
- {action: reject_later, message: no}
- {action: stay_pending, polls: 2}
- {action: status, code: 500, form: jetty_json, message: oh, retry_after: 0}
- {action: throttle, retry_after: {date: 1.5}, after: {requests: 1, seconds: 2.5}, lasts: {seconds: 4}}
- {action: throttle}
- {action: conflict}
- {action: too_large, larger_than: 1000}
- {action: unauthorized}
- {action: expire_token}
- {action: redirect, location: /login}
- {action: half_body}
- {action: half_body_after}
- {action: slow_head, milliseconds: 5}
- {action: slow_body, milliseconds: 5}
- {action: timeout}
- {action: partial_apply}
",
        )
        .unwrap();
        assert_eq!(faults.len(), 23);
        assert_eq!(
            faults[0],
            Fault {
                path_prefix: "/aspects".into(),
                times: Some(2),
                ..Fault::new(Action::Status {
                    code: 503,
                    headers: vec![("Retry-After".into(), "1".into())],
                    body: "{}".into(),
                })
            }
        );
        assert_eq!(
            faults[1],
            Fault { urn_contains: Some("db.t1".into()), after: 3, ..Fault::new(Action::Reset) }
        );
        assert_eq!(faults[3].action, Action::Delay(Duration::from_millis(50)));
        assert_eq!(faults[8].action, Action::StayPending { aspect: None, polls: Some(2) });
        assert_eq!(
            faults[9].action,
            Action::Refuse {
                code: 500,
                form: BodyForm::JettyJson,
                message: Some("oh".into()),
                retry_after: Some(RetryAfter::Seconds(0)),
            }
        );
        assert_eq!(
            faults[10],
            Fault {
                after: 1,
                after_time: Duration::from_millis(2500),
                lasts: Some(Duration::from_secs(4)),
                ..Fault::new(Action::Throttle {
                    retry_after: Some(RetryAfter::Date(Duration::from_millis(1500)))
                })
            }
        );
        assert_eq!(faults[16].action, Action::Redirect { code: 302, location: "/login".into() });
        assert_eq!(faults[22].action, Action::PartialApply { code: 500 });
    }

    #[test]
    fn a_document_may_be_json() {
        let faults = parse(r#"{"faults": [{"action": "reset", "after": {"requests": 2}}]}"#).unwrap();
        assert_eq!(faults, [Fault { after: 2, ..Fault::new(Action::Reset) }]);
    }

    #[test]
    fn a_mistake_is_reported() {
        for (text, part) in [
            ("faults: [{action: status}]", "`code` is missing"),
            ("faults: [{action: status, code: 7}]", "`code` is 7"),
            ("faults: [{action: redirect, code: 100, location: /}]", "`code` is 100"),
            ("faults: [{action: redirect}]", "`location` is missing"),
            ("faults: [{action: delay}]", "`milliseconds`"),
            ("faults: [{action: reject_later}]", "`message`"),
            ("faults: [{action: html}, {action: reset, code: 1}]", "faults[1]: the action has no `code`"),
            ("faults: [{action: status, code: 500, form: text, body: x}]", "has no `body`"),
            ("faults: [{action: reset, after: {seconds: -1}}]", "`after`: -1 is not a number of seconds"),
            ("faults: [{action: reset, after: {minutes: 1}}]", "expected a number of requests"),
            ("faults: [{action: throttle, retry_after: soon}]", "expected a number of seconds"),
            ("faults:\n- {action: explode}", "line 2"),
            ("faults:\n- {action: reset}\n- {paht: /, action: reset}", "line 3"),
            ("faults: [{paht: /, action: reset}]", "paht"),
            ("[]", "Document"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
