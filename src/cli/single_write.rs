//! Writes one proposal, and waits for its outcome.

use datahub_emitter::diagnosis::Renderer as _;
use datahub_emitter::emitter::{Batching, Emitter, Outcome};
use datahub_emitter::gms::ClientMode;
use datahub_emitter::metadata::Proposal;
use datahub_emitter::{Error, ErrorKind};

use super::renderer::CommandLine;
use super::server::Server;

/// Sends `proposal` and waits until GMS has stored it.
///
/// # Errors
/// Why it was not delivered.
pub(crate) async fn write(server: &Server, proposal: Proposal) -> Result<(), Error> {
    let mut builder = Emitter::builder(server.address.to_string())
        .client_mode(ClientMode::Cli)
        .batching(Batching::Sequential);
    if let Some(token) = &server.token {
        builder = builder.token_with_source(token.clone());
    }
    if server.is_embedded() {
        builder = builder.no_proxy();
    }
    let emitter = builder.build()?;
    // A wrong address is found now, and not after the last retry.
    emitter.server_config().await?;
    let outcome = emitter.send(proposal).await;
    emitter.close(None).await;
    match (outcome, emitter.stop_reason()) {
        (Outcome::Delivered, _) => Ok(()),
        (_, Some(error)) => Err(error),
        (Outcome::Rejected(rejection), None) => {
            let status = rejection.status.map(|status| format!("{status} ")).unwrap_or_default();
            Err(Error::new(ErrorKind::Rejected, format!("rejected: {status}{}", rejection.message)))
        }
        (Outcome::Undelivered(undelivered), None) => {
            let message = undelivered
                .diagnosis()
                .map_or(undelivered.message.clone(), |diagnosis| CommandLine.summary(&diagnosis.summary));
            Err(Error::new(ErrorKind::Unreachable, format!("not delivered: {message}")))
        }
        (other, None) => Err(Error::new(ErrorKind::Internal, format!("the outcome is unknown: {other:?}"))),
    }
}
