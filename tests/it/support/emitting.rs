//! Emitters in the test's process, and what they emit.

use std::time::Duration;

use datahub_emitter::emitter::{Emitter, EmitterBuilder, Outcome, Receipt};
use datahub_emitter::gms::RetryPolicy;
use datahub_emitter::metadata::{Proposal, Urn};

use super::scripted_gms::ScriptedGms;

/// An UPSERT of an aspect `{"name": text}` of the tag with this number.
pub(crate) fn proposal(number: usize, aspect: &str, text: &str) -> Proposal {
    let aspect_text = serde_json::json!({ "name": text }).to_string();
    Proposal::upsert(tag_urn(number), aspect.to_owned(), &aspect_text).unwrap()
}

/// An UPSERT of `status` of the tag with this number.
pub(crate) fn status(number: usize) -> Proposal {
    Proposal::upsert(tag_urn(number), "status", r#"{"removed":false}"#).unwrap()
}

fn tag_urn(number: usize) -> Urn {
    Urn::parse(&format!("urn:li:tag:t{number}")).unwrap()
}

/// Retries often and at once: the delays between attempts are tested in `gms::retry`, on a paused clock.
pub(crate) fn retry_at_once() -> RetryPolicy {
    let delay = Duration::from_millis(2);
    RetryPolicy::default().with_max_times(100).with_first_delay(delay).with_longest_delay(delay)
}

pub(crate) fn emitter(gms: &ScriptedGms) -> EmitterBuilder {
    Emitter::builder(gms.url()).token("good").retry(retry_at_once())
}

/// Waits for all receipts, in order.
pub(crate) async fn outcomes(receipts: Vec<Receipt>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for receipt in receipts {
        outcomes.push(receipt.await);
    }
    outcomes
}
