//! Looks whether a run could deliver: what the server says of itself, whether it takes the token.

use super::DatahubRestSink;
use crate::gms::{RetryPolicy, Standing};
use crate::sink::{Examination, TokenSummary};

impl DatahubRestSink {
    pub(super) async fn examination(&self) -> Examination {
        let mut found = Examination::default();
        let client = self.emitter.client();
        found.step("server", format!("{}, GMS {}", client.server(), self.server.version_name()));
        let token = super::summary(client.token().as_deref());
        let once = RetryPolicy { max_times: 0, ..RetryPolicy::default() };
        let standing = client.standing(&once).await;
        let open = client.is_open_to_all().await;
        let verdict = match &standing {
            _ if open.is_some() => "nobody looks at it: authentication is off",
            Ok(Standing::Taken) => "GMS takes it",
            Ok(_) => "whether GMS takes it, this version does not tell here",
            Err(_) => "GMS does not take it",
        };
        let none = token.source == "none";
        match (none, &open) {
            (true, Some(_)) => found.step("token", "none, and none is needed: authentication is off"),
            (true, None) => found.step("token", "none"),
            (false, _) => found.step("token", format!("{}; {verdict}", described(&token))),
        }
        found.notes.extend(open);
        found.failure = standing.err();
        found
    }
}

fn described(token: &TokenSummary) -> String {
    let mut what = format!("from {}", token.source);
    for (word, value) in [(", of ", &token.actor), (", ", &token.kind), (", expires ", &token.expires_at)] {
        if let Some(value) = value {
            what.push_str(word);
            what.push_str(value);
        }
    }
    what
}
