//! Checks whether a run could deliver: the server, the token, and what its owner may do.

use super::token_report::token_report;
use super::write_check;
use crate::diagnosis::TokenSource;
use crate::gms::{Client, Endpoint, Me, RetryPolicy, ServerConfig, TokenStatus};
use crate::sink::{CheckReport, TokenReport};

/// The subject of a check.
pub(super) struct CheckTarget<'a> {
    pub(super) client: &'a Client,
    pub(super) server: &'a ServerConfig,
    pub(super) endpoint: Endpoint,
    pub(super) run_id: &'a str,
}

/// Ends at the first step that would stop a run. With `write`, makes one harmless write and rolls it back.
pub(super) async fn run(target: CheckTarget<'_>, write: bool) -> CheckReport {
    let CheckTarget { client, server, endpoint, run_id } = target;
    let mut report = CheckReport::default();
    report.step("server", format!("{}, GMS {}", client.server(), server.version_name()));
    if let Err(failure) = check_token(client, &mut report).await {
        report.failure = Some(failure);
        return report;
    }
    match client.me().await {
        Ok(Some(me)) => report.step("access", access(&me)),
        Ok(None) => report.step("access", "this GMS does not tell who the caller is"),
        Err(failure) => {
            report.step("access", "GMS does not tell who the caller is");
            report.failure = Some(failure);
            return report;
        }
    }
    if write {
        report.failure = write_check::run(client, endpoint, run_id, &mut report).await.err();
    }
    report
}

async fn check_token(client: &Client, report: &mut CheckReport) -> Result<(), crate::Error> {
    let once = RetryPolicy::never();
    let status = client.check_token(&once).await;
    let open = client.anonymous_access().await;
    let token = token_report(client.token().as_deref());
    let verdict = match &status {
        _ if open.is_some() => "no one checks it: authentication is off",
        Ok(TokenStatus::Accepted) => "GMS takes it",
        Ok(_) => "this GMS does not tell before a write whether it takes it",
        Err(_) => "GMS does not take it",
    };
    match (&token.source, &open) {
        (None, Some(_)) => report.step("token", "none, and none is needed: authentication is off"),
        (None, None) => report.step("token", "none"),
        (Some(source), _) => report.step("token", format!("{}; {verdict}", description(source, &token))),
    }
    report.notes.extend(open);
    status.map(drop)
}

fn description(source: &TokenSource, token: &TokenReport) -> String {
    let mut text = format!("from {source}");
    for (word, value) in [(", of ", &token.actor), (", ", &token.kind), (", expires ", &token.expires_at)] {
        if let Some(value) = value {
            text.push_str(word);
            text.push_str(value);
        }
    }
    text
}

/// The two privileges that concern tokens, with DataHub's names for them.
fn access(me: &Me) -> String {
    let may = |may: bool| if may { "may" } else { "may not" };
    format!(
        "GMS knows the caller as {}, who {} make tokens for themselves (Generate Personal Access Tokens) and {} manage \
         everyone's (Manage All Access Tokens)",
        me.urn,
        may(me.generate_tokens),
        may(me.manage_tokens)
    )
}
