//! One harmless write, and its taking back: the only way to know whether a user may write.

use std::sync::Arc;

use jiff::Timestamp;

use crate::gms::{
    Client, EmitMode, Endpoint, OutgoingProposal, RequestEncoder, RetryPolicy, Verdict, WriteRequest,
};
use crate::metadata::{Proposal, Urn};
use crate::sink::Examination;
use crate::{Error, ErrorKind};

/// What is written is deleted from birth, so that nobody ever sees it (`status.removed`, DataHub's soft delete).
const ASPECT: (&str, &str) = ("status", r#"{"removed":true}"#);

/// What a write came to.
enum Came {
    Taken,
    /// 403, and GMS's own words for it.
    Forbidden(Error),
}

/// Writes as a run would, but so that GMS answers when it has written, and deletes what was written, also where it is not
/// known whether it was. Metadata policies are about entity types, so a tag is tried where a data set may not be written.
pub(super) async fn run(
    client: &Client,
    endpoint: Endpoint,
    run_id: &str,
    found: &mut Examination,
) -> Result<(), Error> {
    let name = format!("datahub-emit-check-{run_id}");
    let dataset = format!("urn:li:dataset:(urn:li:dataPlatform:file,{name},PROD)");
    let tried = [("dataset", dataset), ("tag", format!("urn:li:tag:{name}"))];
    let mut refused = None;
    for (entity_type, urn) in tried {
        let urn = Urn::parse(&urn).map_err(|error| {
            Error::new(ErrorKind::Internal, "the URN of a trial is none").with_source(error)
        })?;
        let trial = Trial { client, endpoint, urn };
        match trial.send(&trial.proposal()?).await {
            Ok(Came::Taken) => {
                found.step("write", format!("GMS took `{}` of {}", ASPECT.0, trial.urn));
                return trial.take_back(found).await;
            }
            Ok(Came::Forbidden(error)) => {
                found.step("write", format!("of a {entity_type}: the caller may not"));
                refused = refused.or(Some(error));
            }
            Err(error) => {
                // It may have been written all the same.
                if error.kind() == ErrorKind::Unreachable {
                    drop(trial.take_back(found).await);
                }
                return Err(error);
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

struct Trial<'a> {
    client: &'a Client,
    endpoint: Endpoint,
    urn: Urn,
}

impl Trial<'_> {
    fn proposal(&self) -> Result<Proposal, Error> {
        Proposal::upsert(self.urn.clone(), ASPECT.0, ASPECT.1).map_err(|error| {
            Error::new(ErrorKind::Internal, "the write of a trial is none").with_source(error)
        })
    }

    async fn take_back(&self, found: &mut Examination) -> Result<(), Error> {
        let key = format!("{}Key", self.urn.entity_type());
        let proposal = Proposal::delete(&self.urn, key);
        let left = format!("{} is left, soft-deleted", self.urn);
        match self.send(&proposal).await {
            Ok(Came::Taken) => found.step("write", "taken back: the entity is deleted"),
            Ok(Came::Forbidden(_)) => found.step(
                "write",
                format!("{left}: the caller may write, but not delete (Delete Entity), which a run needs for DELETE only"),
            ),
            Err(error) => {
                found.step("write", format!("it could not be taken back: {left}"));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn send(&self, proposal: &Proposal) -> Result<Came, Error> {
        let wire = RequestEncoder {
            endpoint: self.endpoint,
            emit_mode: EmitMode::SyncPrimary,
            batches: false,
            respect_sync_marker: false,
        };
        let write: WriteRequest = wire
            .write(wire.route(proposal, false), std::iter::once(proposal))
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a trial without a proposal"))?;
        let now = Timestamp::now().as_millisecond();
        let encoded_len = wire.encoded_len(proposal, now, &mut Vec::new());
        let outgoing = OutgoingProposal { proposal: Arc::new(proposal.clone()), now, encoded_len };
        let target = self.client.write_line(&write);
        let retry = RetryPolicy { max_times: 2, ..RetryPolicy::default() };
        let body = || wire.body(&write, std::iter::once(outgoing.clone()));
        let attempts = self.client.write_with_retries(&target, body, &retry).await;
        let diagnosis = || Error::from(self.client.diagnose_attempts(&target, &attempts));
        match (&attempts.verdict, &attempts.last) {
            (Verdict::Delivered, _) => Ok(Came::Taken),
            (Verdict::Forbidden, _) => Ok(Came::Forbidden(diagnosis())),
            (Verdict::Rejected, Ok(reply)) => Err(Error::new(
                ErrorKind::Rejected,
                format!("{} from {target}: {}", reply.status.as_u16(), self.client.redact(&reply.message())),
            )),
            _ => Err(diagnosis()),
        }
    }
}
