//! Faults from a file, for a server that runs as a process of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::faults::{Action, Fault};
use super::seed::read_short;
use crate::{Error, ErrorKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    faults: Vec<Entry>,
}

/// One fault; what an action does not use must not be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    path: String,
    urn: Option<String>,
    #[serde(default)]
    after: u64,
    times: Option<u64>,
    action: Kind,
    code: Option<u16>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    milliseconds: Option<u64>,
    aspect: Option<String>,
    message: Option<String>,
    polls: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Status,
    Reset,
    ResetAfter,
    Delay,
    Html,
    UnknownAction,
    Drop,
    RejectLater,
    StayPending,
}

/// Reads a file of faults.
///
/// # Errors
/// [`ErrorKind::Input`] when it cannot be read, or is not what it has to be; the text says where.
pub(super) fn read(path: &Path) -> Result<Vec<Fault>, Error> {
    let wrong = |message: String| Error::new(ErrorKind::Input, format!("{}: {message}", path.display()));
    let text = read_short(path).map_err(|error| wrong(error.to_string()).with_source(error))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Vec<Fault>, String> {
    let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let faults = file.faults.into_iter().enumerate();
    faults
        .map(|(index, entry)| entry.fault().map_err(|message| format!("faults[{index}]: {message}")))
        .collect()
}

impl Entry {
    fn fault(self) -> Result<Fault, String> {
        let Self { path, urn, after, times, action: kind, mut code, mut headers, .. } = self;
        let (mut body, mut milliseconds, mut aspect) = (self.body, self.milliseconds, self.aspect);
        let (mut message, mut polls) = (self.message, self.polls);
        let missing = |key: &str| format!("`{key}` is missing, which the action needs");
        let action = match kind {
            Kind::Status => Action::Status {
                code: code.take().filter(|code| (100..1000).contains(code)).ok_or_else(|| missing("code"))?,
                headers: headers.take().unwrap_or_default().into_iter().collect(),
                body: body.take().unwrap_or_default(),
            },
            Kind::Reset => Action::Reset,
            Kind::ResetAfter => Action::ResetAfter,
            Kind::Delay => Action::Delay(Duration::from_millis(
                milliseconds.take().ok_or_else(|| missing("milliseconds"))?,
            )),
            Kind::Html => Action::Html,
            Kind::UnknownAction => Action::UnknownAction,
            Kind::Drop => Action::Drop { aspect: aspect.take() },
            Kind::RejectLater => Action::RejectLater {
                aspect: aspect.take(),
                message: message.take().ok_or_else(|| missing("message"))?,
            },
            Kind::StayPending => Action::StayPending { aspect: aspect.take(), polls: polls.take() },
        };
        let left = [
            ("code", code.is_some()),
            ("headers", headers.is_some()),
            ("body", body.is_some()),
            ("milliseconds", milliseconds.is_some()),
            ("aspect", aspect.is_some()),
            ("message", message.is_some()),
            ("polls", polls.is_some()),
        ];
        match left.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(format!("the action has no `{key}`")),
            None => Ok(Fault { path_prefix: path, urn_contains: urn, after, times, action }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_can_be_written_down() {
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
",
        )
        .unwrap();
        assert_eq!(faults.len(), 9);
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
    }

    #[test]
    fn a_mistake_is_told() {
        for (text, part) in [
            ("faults: [{action: status}]", "`code` is missing"),
            ("faults: [{action: status, code: 7}]", "`code` is missing"),
            ("faults: [{action: delay}]", "`milliseconds`"),
            ("faults: [{action: reject_later}]", "`message`"),
            ("faults: [{action: html}, {action: reset, code: 1}]", "faults[1]: the action has no `code`"),
            ("faults: [{action: explode}]", "explode"),
            ("faults: [{paht: /, action: reset}]", "paht"),
            ("[]", "File"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
