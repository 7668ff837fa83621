//! Looks whether a run could deliver: what the server says of itself, whether it takes the token, and whose that is.

use super::DatahubRestSink;
use crate::gms::{Client, Me, RetryPolicy, TokenStatus};
use crate::sink::{Examination, TokenSummary};

impl DatahubRestSink {
    /// Ends at the first step that a run would not get past.
    pub(super) async fn examination(&self, write: bool) -> Examination {
        let mut found = Examination::default();
        let client = self.emitter.client();
        found.step("server", format!("{}, GMS {}", client.server(), self.server.version_name()));
        if let Err(failure) = self.look_at_token(client, &mut found).await {
            found.failure = Some(failure);
            return found;
        }
        match client.me().await {
            Ok(Some(me)) => found.step("access", access(&me)),
            Ok(None) => found.step("access", "this GMS does not tell who the caller is"),
            Err(failure) => {
                found.step("access", "GMS does not tell who the caller is");
                found.failure = Some(failure);
                return found;
            }
        }
        if write {
            found.failure = super::trial::run(client, self.endpoint, &self.run_id, &mut found).await.err();
        }
        found
    }

    async fn look_at_token(&self, client: &Client, found: &mut Examination) -> Result<(), crate::Error> {
        let once = RetryPolicy::never();
        let standing = client.check_token(&once).await;
        let open = client.anonymous_access().await;
        let token = super::summary(client.token().as_deref());
        let verdict = match &standing {
            _ if open.is_some() => "nobody looks at it: authentication is off",
            Ok(TokenStatus::Accepted) => "GMS takes it",
            Ok(_) => "this GMS does not tell here whether it takes it",
            Err(_) => "GMS does not take it",
        };
        match (token.source == "none", &open) {
            (true, Some(_)) => found.step("token", "none, and none is needed: authentication is off"),
            (true, None) => found.step("token", "none"),
            (false, _) => found.step("token", format!("{}; {verdict}", described(&token))),
        }
        found.notes.extend(open);
        standing.map(drop)
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

/// The two privileges that have to do with tokens, in DataHub's names for them.
fn access(me: &Me) -> String {
    let may = |may: bool| if may { "may" } else { "may not" };
    format!(
        "GMS takes the caller for {}, who {} make tokens for himself (Generate Personal Access Tokens) and {} manage \
         everyone's (Manage All Access Tokens)",
        me.urn,
        may(me.generate_tokens),
        may(me.manage_tokens)
    )
}
