//! The thread of a sender: polls librdkafka's client, and sends messages again once nothing is in flight.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rdkafka::producer::Producer as _;

use super::client::{Client, Message};
use super::config::Idempotence;
use super::sender::Sender;
use super::state::{AfterDrain, NotSent, State, undelivered};
use super::verdict::{ConnectionProblem, ReportVerdict, refuses_idempotence};
use crate::diagnosis::BrokerRefusal;
use crate::emitter::Outcome;

/// How long the thread waits for events at a time: it bounds how long it takes to end.
const POLL: Duration = Duration::from_millis(10);

/// The same, while messages are sent one at a time.
const POLL_WHILE_RESENDING: Duration = Duration::from_millis(1);

/// librdkafka's default of `batch.size`.
const BATCH_BYTES: u64 = 1_000_000;

/// Smaller batches do not help: a broker that rejects them accepts no message.
const MIN_BATCH_BYTES: u64 = 16 * 1024;

impl Sender {
    /// The work of the thread.
    pub(super) fn serve(self: &Arc<Self>) {
        loop {
            let (client, poll) = {
                let state = self.lock();
                let Some(client) = state.client.clone() else { return };
                (client, if state.drains.is_some() { POLL_WHILE_RESENDING } else { POLL })
            };
            client.poll(poll);
            self.examine_fatal_error(&client);
            drop(client);
            let unused = self.advance();
            // Outside of the lock: dropping a client waits for its threads.
            drop(unused);
            self.changed.notify_waiters();
        }
    }

    fn examine_fatal_error(&self, client: &Client) {
        let Some((code, text)) = client.client().fatal_error() else { return };
        let mut state = self.lock();
        if state.drains == Some(AfterDrain::WithoutIdempotence) || !state.is_open() {
            return;
        }
        if state.idempotence == Some(Idempotence::On) && refuses_idempotence(code) {
            state.drains = Some(AfterDrain::WithoutIdempotence);
            state.warnings.push(format!(
                "the broker refuses an idempotent producer ({code}): one request is in flight per connection, which takes \
                 longer, and a retry may write a message twice"
            ));
        } else {
            state.problem = Some(ConnectionProblem { code, reason: self.redactor.redact(&text) });
            let refusal = BrokerRefusal::Other(code.to_string());
            self.stop(&mut state, &ReportVerdict::Refused(refusal));
        }
    }

    /// Continues once nothing is in flight. Returns a client that is not used any more.
    fn advance(self: &Arc<Self>) -> Option<Arc<Client>> {
        let mut state = self.lock();
        if state.in_flight > 0 || state.handed_over > 0 {
            return None;
        }
        if !state.is_open() {
            state.drains = None;
            let rest: Vec<_> = std::iter::from_fn(|| state.pop_resend()).collect();
            let undelivered = undelivered(&state.phase);
            // Settled before the client is gone, which ends the wait for all outcomes.
            state.in_flight += rest.len();
            let count = rest.len();
            drop(state);
            for message in rest {
                message.delivery.settle(Outcome::Undelivered(undelivered.clone()));
            }
            state = self.lock();
            state.in_flight -= count;
        }
        match state.drains {
            None if state.is_ending && state.resend.is_empty() => state.client.take(),
            None => None,
            Some(AfterDrain::WithoutIdempotence) => {
                state.idempotence = Some(Idempotence::Refused);
                state.drains = None;
                let unused = self.replace_client(&mut state, Idempotence::Refused);
                let messages: Vec<_> = std::iter::from_fn(|| state.pop_resend()).collect();
                for message in messages {
                    self.send_again(&mut state, message);
                }
                unused
            }
            Some(AfterDrain::SendAlone) => {
                if let Some(mut message) = state.pop_resend() {
                    message.is_alone = true;
                    self.send_again(&mut state, message);
                    return None;
                }
                state.drains = None;
                let bytes = state.batch_bytes.unwrap_or(BATCH_BYTES);
                if bytes <= MIN_BATCH_BYTES {
                    return None;
                }
                state.batch_bytes = Some((bytes / 4).max(MIN_BATCH_BYTES));
                let idempotence = state.idempotence.unwrap_or(Idempotence::Recipe);
                self.replace_client(&mut state, idempotence)
            }
        }
    }

    /// Starts another client in place of the one that has nothing in flight.
    fn replace_client(self: &Arc<Self>, state: &mut State, idempotence: Idempotence) -> Option<Arc<Client>> {
        match self.client(idempotence, state.batch_bytes) {
            Ok(client) => state.client.replace(Arc::new(client)),
            Err(error) => {
                let refusal = BrokerRefusal::Other(error.full_message());
                self.stop(state, &ReportVerdict::Refused(refusal));
                None
            }
        }
    }

    fn send_again(self: &Arc<Self>, state: &mut State, message: Box<Message>) {
        self.resent.fetch_add(1, Relaxed);
        if let Err((message, why)) = self.send(state, message) {
            match why {
                // It is tried again when the thread comes back.
                NotSent::Full | NotSent::Wait => {
                    state.drains = state.drains.or(Some(AfterDrain::SendAlone));
                    state.push_resend(message);
                }
                NotSent::TooLarge | NotSent::Stopped => {
                    let outcome = Outcome::Undelivered(undelivered(&state.phase));
                    message.delivery.settle(outcome);
                }
            }
        }
    }
}
