//! The simulated GMS and its identity provider: what they accept at a time, and what they say otherwise.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use crate::fault::ServerTrouble;
use crate::history::SentProposal;
use crate::world::{REJECTED, record_number, urn};

/// A response to a write: a status, and a body.
pub(crate) type Reply = (u16, String);

/// The server of a world, which outlives the processes that write to it.
#[derive(Debug, Default)]
pub(crate) struct Gms {
    /// The number of the token that is accepted.
    valid_token: u32,
    /// It accepts what it has always rejected before.
    accepts_all: bool,
    /// When it accepted the last writes, in the current life.
    accepted_at: VecDeque<Duration>,
}

/// The condition of the server at a time: all troubles that have begun, with the time since.
pub(crate) type Troubles<'a> = &'a [(ServerTrouble, Duration)];

impl Gms {
    /// A life begins: its operator has repaired what was wrong with the token.
    pub(crate) fn begin_life(&mut self, was_revoked: bool) {
        self.accepted_at.clear();
        if was_revoked {
            self.valid_token += 1;
        }
    }

    /// It is repaired, and accepts everything.
    pub(crate) fn repair(&mut self) {
        self.accepts_all = true;
    }

    pub(crate) fn revoke_token(&mut self) {
        self.valid_token += 1;
    }

    /// The token that the identity provider issues. `is_revoked`: it is an old one.
    pub(crate) fn issued_token(&self, is_revoked: bool) -> String {
        token(if is_revoked { self.valid_token.saturating_sub(1) } else { self.valid_token })
    }

    /// Whether GMS accepts the token at this time.
    pub(crate) fn accepts_token(&self, authorization: &str, troubles: Troubles<'_>) -> bool {
        let is_away = |(trouble, since): &(ServerTrouble, Duration)| matches!(trouble, ServerTrouble::TokenStoreAway { ms } if lasts(*since, *ms));
        !troubles.iter().any(is_away)
            && authorization.strip_prefix("Bearer ") == Some(&token(self.valid_token))
    }

    /// The response to a write that GMS does not accept; `None` if it accepts it. `now` is the time in the
    /// life.
    pub(crate) fn refusal(
        &mut self,
        request: &WriteRequest,
        troubles: Troubles<'_>,
        now: Duration,
    ) -> Option<Reply> {
        for (trouble, since) in troubles {
            if let Some(reply) = self.refusal_in_trouble(request, trouble, *since, now) {
                return Some(reply);
            }
        }
        let rejected = request.proposals.iter().find_map(|(_, value)| {
            let (_, status) = value.split_once(REJECTED)?;
            status.get(..3)?.parse().ok()
        });
        match rejected.filter(|_| !self.accepts_all) {
            Some(413) => Some((413, String::new())),
            Some(status) => Some((status, failure("No such thing is accepted here", status))),
            None => None,
        }
    }

    fn refusal_in_trouble(
        &mut self,
        request: &WriteRequest,
        trouble: &ServerTrouble,
        since: Duration,
        now: Duration,
    ) -> Option<Reply> {
        match trouble {
            ServerTrouble::Restarted { ms } if lasts(since, *ms) => Some((503, failure("starting", 503))),
            ServerTrouble::RateLimit { per_second } => {
                while self.accepted_at.front().is_some_and(|at| *at + Duration::from_secs(1) <= now) {
                    self.accepted_at.pop_front();
                }
                if self.accepted_at.len() >= usize::try_from(*per_second).unwrap() {
                    return Some((429, failure("slow down", 429)));
                }
                self.accepted_at.push_back(now);
                None
            }
            ServerTrouble::BodyLimit { bytes } if request.bytes > *bytes => Some((413, String::new())),
            ServerTrouble::OlderModel { entity } if request.is_about(*entity) => {
                let message = format!("Failed to validate record with urn {}: unknown field", urn(*entity));
                Some((422, failure(&message, 422)))
            }
            ServerTrouble::Forbidden { entity } if request.is_about(*entity) => Some((
                403,
                failure(
                    &format!("User urn:li:corpuser:sim is unauthorized to modify entity: {}", urn(*entity)),
                    403,
                ),
            )),
            ServerTrouble::UpgradedFromOldVersion { ms } if request.is_batch && lasts(since, *ms) => Some((
                400,
                failure(
                    "POST operation named ingestProposalBatch not supported on resource 'AspectResource'",
                    400,
                ),
            )),
            _ => None,
        }
    }
}

/// Whether a trouble that began this time ago is not over.
pub(crate) fn lasts(since: Duration, ms: u64) -> bool {
    since < Duration::from_millis(ms)
}

/// The token with this number.
fn token(number: u32) -> String {
    format!("simulated-token-{number:06}")
}

/// The beginning of all tokens: no file may contain it.
pub(crate) const TOKEN_PREFIX: &str = "simulated-token-";

pub(crate) fn failure(message: &str, status: u16) -> String {
    serde_json::json!({"message": message, "status": status}).to_string()
}

/// A write to GMS, over either endpoint.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    pub(crate) proposals: Vec<(SentProposal, String)>,
    is_batch: bool,
    is_openapi: bool,
    bytes: usize,
}

impl WriteRequest {
    /// `None` if it is not a write.
    pub(crate) fn read(url: &str, body: &[u8]) -> Option<Self> {
        let is_openapi = url.contains("/openapi/v3/entity/");
        if !is_openapi && !url.contains("action=ingestProposal") {
            return None;
        }
        let body_json: Value = serde_json::from_slice(body).unwrap();
        let proposals = if is_openapi {
            body_json.as_array().unwrap().iter().map(openapi_item).collect()
        } else {
            let batch = body_json["proposals"].as_array().cloned();
            let all = batch.unwrap_or_else(|| vec![body_json["proposal"].clone()]);
            all.iter().map(restli_proposal).collect()
        };
        let is_batch = url.contains("ingestProposalBatch");
        Some(Self { proposals, is_batch, is_openapi, bytes: body.len() })
    }

    /// The response to a write that is accepted.
    pub(crate) fn success(&self) -> String {
        if !self.is_openapi {
            return r#"{"value":"success"}"#.into();
        }
        let items = self.proposals.iter().map(|(proposal, _)| {
            let mut item = serde_json::Map::new();
            item.insert("urn".into(), proposal.urn.clone().into());
            item.insert(proposal.aspect.clone(), serde_json::json!({}));
            Value::Object(item)
        });
        Value::Array(items.collect()).to_string()
    }

    fn is_about(&self, entity: u32) -> bool {
        self.proposals.iter().any(|(proposal, _)| proposal.urn == urn(entity))
    }
}

fn restli_proposal(proposal: &Value) -> (SentProposal, String) {
    let value = proposal["aspect"]["value"].as_str().unwrap().to_owned();
    sent(proposal["entityUrn"].as_str().unwrap(), proposal["aspectName"].as_str().unwrap(), value)
}

fn openapi_item(item: &Value) -> (SentProposal, String) {
    let item = item.as_object().unwrap();
    let (aspect, content) = item.iter().find(|(name, _)| *name != "urn").unwrap();
    sent(item["urn"].as_str().unwrap(), aspect, content["value"].to_string())
}

fn sent(urn: &str, aspect: &str, value: String) -> (SentProposal, String) {
    let record = record_number(&value).unwrap();
    let proposal =
        SentProposal { record, aspect: aspect.to_owned(), urn: urn.to_owned(), bytes: value.len() };
    (proposal, value)
}
