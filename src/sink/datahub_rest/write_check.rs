//! One harmless write that is rolled back: the only way to know whether a user may write.

use std::sync::Arc;

use crate::gms::{
    Client, EmitMode, Endpoint, OutgoingProposal, RequestEncoder, RetryPolicy, Verdict, WriteRequest,
};
use crate::metadata::{Proposal, Urn};
use crate::sink::CheckReport;
use crate::{Error, ErrorKind};

/// The entity is written as already soft-deleted (`status.removed`), so that DataHub never shows it.
const ASPECT: (&str, &str) = ("status", r#"{"removed":true}"#);

enum WriteOutcome {
    Accepted,
    /// 403, with its diagnosis.
    Forbidden(Error),
}

/// Writes as a run would, except that GMS answers only when it has written, and deletes the entity again,
/// also if it is not known whether it was written. DataHub's metadata policies apply to entity types, so a
/// tag is tried where a dataset may not be written.
pub(super) async fn run(
    client: &Client,
    endpoint: Endpoint,
    run_id: &str,
    report: &mut CheckReport,
) -> Result<(), Error> {
    let name = format!("datahub-emit-check-{run_id}");
    let dataset = format!("urn:li:dataset:(urn:li:dataPlatform:file,{name},PROD)");
    let candidates = [("dataset", dataset), ("tag", format!("urn:li:tag:{name}"))];
    let mut forbidden = None;
    for (entity_type, urn) in candidates {
        let urn = Urn::parse(&urn).map_err(|error| {
            Error::new(ErrorKind::Internal, "the URN of the write check is invalid").with_source(error)
        })?;
        let check = WriteCheck { client, endpoint, urn };
        match check.send(&check.proposal()?).await {
            Ok(WriteOutcome::Accepted) => {
                report.step("write", format!("GMS accepted `{}` of {}", ASPECT.0, check.urn));
                return check.roll_back(report).await;
            }
            Ok(WriteOutcome::Forbidden(error)) => {
                report.step("write", format!("of a {entity_type}: the caller may not"));
                forbidden = forbidden.or(Some(error));
            }
            Err(error) => {
                // GMS may have written it all the same.
                if error.kind() == ErrorKind::Unreachable {
                    drop(check.roll_back(report).await);
                }
                return Err(error);
            }
        }
    }
    forbidden.map_or(Ok(()), Err)
}

struct WriteCheck<'a> {
    client: &'a Client,
    endpoint: Endpoint,
    urn: Urn,
}

impl WriteCheck<'_> {
    fn proposal(&self) -> Result<Proposal, Error> {
        Proposal::upsert(self.urn.clone(), ASPECT.0, ASPECT.1).map_err(|error| {
            Error::new(ErrorKind::Internal, "the proposal of the write check is invalid").with_source(error)
        })
    }

    async fn roll_back(&self, report: &mut CheckReport) -> Result<(), Error> {
        let key = format!("{}Key", self.urn.entity_type());
        let proposal = Proposal::delete(&self.urn, key);
        let remains = format!("{} remains, soft-deleted", self.urn);
        match self.send(&proposal).await {
            Ok(WriteOutcome::Accepted) => report.step("write", "rolled back: the entity is deleted"),
            Ok(WriteOutcome::Forbidden(_)) => report.step(
                "write",
                format!("{remains}: the caller may write, but not delete (Delete Entity), which a run needs for DELETE only"),
            ),
            Err(error) => {
                report.step("write", format!("the rollback failed: {remains}"));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn send(&self, proposal: &Proposal) -> Result<WriteOutcome, Error> {
        let encoder = RequestEncoder {
            endpoint: self.endpoint,
            emit_mode: EmitMode::SyncPrimary,
            batches: false,
            respect_sync_marker: false,
        };
        let write: WriteRequest = encoder
            .write(encoder.route(proposal, false), std::iter::once(proposal))
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the write check has no proposal"))?;
        let now = self.client.clock().now().as_millisecond();
        let encoded_len = encoder.encoded_len(proposal, now, &mut Vec::new());
        let outgoing = OutgoingProposal { proposal: Arc::new(proposal.clone()), now, encoded_len };
        let target = self.client.write_line(&write);
        let retry = RetryPolicy { max_times: 2, ..RetryPolicy::default() };
        let body = || encoder.body(&write, std::iter::once(outgoing.clone()));
        let attempts = self.client.write_with_retries(&target, body, &retry).await;
        let diagnosis = || Error::from(self.client.diagnose_attempts(&target, &attempts));
        match (&attempts.verdict, &attempts.last) {
            (Verdict::Delivered, _) => Ok(WriteOutcome::Accepted),
            (Verdict::Forbidden, _) => Ok(WriteOutcome::Forbidden(diagnosis())),
            (Verdict::Rejected, Ok(reply)) => Err(Error::new(
                ErrorKind::Rejected,
                format!("{} from {target}: {}", reply.status.as_u16(), self.client.redact(&reply.message())),
            )),
            _ => Err(diagnosis()),
        }
    }
}
