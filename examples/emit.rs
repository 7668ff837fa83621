//! Puts one tag on one table, and says what became of it.
//!
//! ```text
//! DATAHUB_GMS_URL=http://localhost:8080 DATAHUB_GMS_TOKEN=… cargo run --example emit
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever runs it")]

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

    // Returns as soon as there is room in the queue: a slow server slows its caller down.
    let receipt = emitter.emit(proposal).await;
    match receipt.await {
        Outcome::Delivered => println!("GMS has it"),
        Outcome::Rejected(rejection) => eprintln!("GMS refused it: {}", rejection.message),
        Outcome::Undelivered(why) => eprintln!("GMS does not have it: {}", why.message),
    }
    // If GMS refused the token or cannot be reached: the cause, the evidence and the fixes.
    if let Some(diagnosis) = emitter.stopped().as_ref().and_then(Error::diagnosis) {
        eprintln!("{diagnosis}");
    }

    let counts = emitter.close(None).await;
    println!("{} of {} delivered", counts.delivered, counts.emitted);
    Ok(())
}
