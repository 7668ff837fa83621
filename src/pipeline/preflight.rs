//! Checks a recipe's server before a run.

use crate::Error;
use crate::sink::{CheckReport, OpenSink, SinkContext, SinkReport};

/// The result of a [preflight](super::Pipeline::preflight).
#[derive(Debug)]
#[non_exhaustive]
pub struct Preflight {
    /// The server and the token.
    pub sink: SinkReport,
    /// The steps of the check.
    pub check: CheckReport,
}

pub(super) async fn run(
    open: OpenSink,
    mut context: SinkContext,
    write: bool,
) -> Result<Option<Preflight>, Error> {
    context.for_check = true;
    let opened = open(context).await?;
    let Some(sink) = opened.as_gms_sink() else { return Ok(None) };
    let check = sink.check(write).await;
    let report = sink.report();
    sink.close(None).await?;
    Ok(Some(Preflight { sink: report, check }))
}
