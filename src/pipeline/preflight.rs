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
    let Some(check) = opened.check(write).await else { return Ok(None) };
    let report = opened.as_sink().report();
    opened.as_sink().close(None).await?;
    Ok(Some(Preflight { sink: report, check }))
}
