//! Does every proposal reach GMS once, in order, in as few requests as can be?

mod batching;
mod cancellation;
mod lifecycle;
mod properties;
mod refusal;
mod rejection;
mod server_errors;
mod throttling;

use std::time::Duration;

use datahub_emitter::emitter::{Emitter, EmitterBuilder, Outcome, Receipt};
use datahub_emitter::gms::RetryPolicy;
use datahub_emitter::metadata::{Proposal, Urn};

use crate::support::scripted_gms::ScriptedGms;

fn proposal(urn: usize, aspect: &str, text: &str) -> Proposal {
    let urn = Urn::parse(&format!("urn:li:tag:t{urn}")).unwrap();
    Proposal::upsert(urn, aspect.to_owned(), &serde_json::json!({ "name": text }).to_string()).unwrap()
}

/// Retries as ever, but does not wait for long: the delays are `gms::retry`'s own tests' business.
fn impatient() -> RetryPolicy {
    RetryPolicy {
        max_times: 100,
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(2),
        ..RetryPolicy::default()
    }
}

fn emitter(gms: &ScriptedGms) -> EmitterBuilder {
    Emitter::builder(gms.url()).token("good").retry(impatient())
}

async fn outcomes(receipts: Vec<Receipt>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for receipt in receipts {
        outcomes.push(receipt.await);
    }
    outcomes
}
