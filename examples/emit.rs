//! Adds a tag to a table, and prints the outcome.
//!
//! ```text
//! DATAHUB_GMS_URL=http://localhost:8080 DATAHUB_GMS_TOKEN=… cargo run --example emit
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its results")]

use datahub_emitter::Error;
use datahub_emitter::emitter::{Emitter, Outcome};
use datahub_emitter::metadata::{Proposal, Urn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::var("DATAHUB_GMS_URL").unwrap_or_else(|_| "http://localhost:8080".into());
    let token = std::env::var("DATAHUB_GMS_TOKEN")?;
    let emitter = Emitter::builder(server).token(token).build()?;

    let orders = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:snowflake,nordlys.marts.fct_orders,PROD)")?;
    let certified = r#"{"tags": [{"tag": "urn:li:tag:certified"}]}"#;
    let proposal = Proposal::upsert(orders, "globalTags", certified)?;

    // Returns when the queue has capacity: a slow server slows its caller down.
    let receipt = emitter.emit(proposal).await;
    match receipt.await {
        Outcome::Delivered => println!("delivered"),
        Outcome::Rejected(rejection) => eprintln!("rejected: {}", rejection.message),
        Outcome::Undelivered(why) => eprintln!("not delivered: {}", why.message),
    }
    // For a refused token or a server that is down, the diagnosis has the cause, the evidence and fixes.
    if let Some(diagnosis) = emitter.stopped().as_ref().and_then(Error::diagnosis) {
        eprintln!("{}: {}", diagnosis.code, diagnosis.fixes.join("; "));
    }

    let counts = emitter.close(None).await;
    println!("{} of {} delivered", counts.delivered, counts.emitted);
    Ok(())
}
