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
    let server = std::env::var("DATAHUB_GMS_URL").unwrap_or_else(|_| "http://localhost:8080".into());
    let token = std::env::var("DATAHUB_GMS_TOKEN")?;
    let emitter = Emitter::builder(server).token(token).build()?;

    let orders = Urn::dataset("snowflake", "nordlys.marts.fct_orders", "PROD")?;
    let certified = r#"{"tags": [{"tag": "urn:li:tag:certified"}]}"#;
    let proposal = Proposal::upsert(orders, "globalTags", certified)?;

    // Waits while the queue is full, so a slow server slows its callers down.
    let receipt = emitter.emit(proposal).await;
    match receipt.await {
        Outcome::Delivered => println!("delivered"),
        Outcome::Rejected(rejection) => eprintln!("GMS rejected it: {}", rejection.message),
        Outcome::Undelivered(why) => eprintln!("not delivered: {}", why.message),
    }
    // If the emitter has stopped, for example because GMS refused the token: the cause and how to fix it.
    if let Some(diagnosis) = emitter.stopped().as_ref().and_then(Error::diagnosis) {
        eprintln!("{diagnosis}");
    }

    let counts = emitter.close(None).await;
    println!("{} of {} delivered", counts.delivered, counts.emitted);
    Ok(())
}
