//! Adds one tag to one table, and prints the outcome.
//!
//! ```text
//! DATAHUB_GMS_URL=http://localhost:8080 DATAHUB_GMS_TOKEN=… cargo run --example emit
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its result")]

use datahub_emitter::Error;
use datahub_emitter::emitter::{Emitter, Outcome};
use datahub_emitter::metadata::{Proposal, Urn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emitter = Emitter::from_env()?;

    let orders = Urn::dataset("snowflake", "nordlys.marts.fct_orders", "PROD")?;
    let certified = r#"{"tags": [{"tag": "urn:li:tag:certified"}]}"#;
    let proposal = Proposal::upsert(orders, "globalTags", certified)?;

    // Waits for capacity, so that a slow server slows its caller down, and then for the outcome. To deliver
    // many proposals, use `emit` or `emit_all`, which fill batches.
    match emitter.send(proposal).await {
        Outcome::Delivered => println!("delivered"),
        other => eprintln!("not delivered: {other:?}"),
    }
    // If sending stopped, because of a refused token for example, the diagnosis says why and how to fix it.
    if let Some(diagnosis) = emitter.stop_reason().as_ref().and_then(Error::diagnosis) {
        eprintln!("{diagnosis}");
    }

    let counts = emitter.close(None).await;
    println!("{} of {} delivered", counts.delivered, counts.emitted);
    Ok(())
}
