//! Hands messages to librdkafka, and settles each proposal by its delivery report.
//!
//! ```text
//! write (waits for capacity and turn) ─▶ librdkafka ─▶ broker
//!                                            │
//!       settle ◀── delivery report ◀── poll (a thread)
//! ```
//!
//! **Order.** librdkafka keeps the order within a partition, and a URN is the key of its messages, so they
//! are in one partition. Only two things could break the order. After both, new messages wait until
//! everything in flight has a report:
//!
//! - A broker rejects a batch as too large, and with it messages that are not. The messages of that batch are
//!   sent again, one at a time; a later message of the same URN is sent again behind them, also if it was
//!   delivered.
//! - A broker refuses idempotence. It has accepted nothing by then: the messages are sent again, in order,
//!   with one request in flight per connection.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};
use tokio::sync::Notify;

use super::client::{Client, Message, ReportReceiver, Reports};
use super::config::{DatahubKafkaConfig, Idempotence};
use super::diagnose;
use super::envelope;
use super::state::{AfterDrain, AfterReport, NotSent, Phase, State, undelivered};
use super::verdict::{ConnectionProblem, ReportVerdict, judge};
use crate::clock::Clock;
use crate::emitter::{
    Capacity, CapacityPermit, Delivery, Observer, Outcome, Rejection, RejectionReason, Undelivered,
};
use crate::metadata::Proposal;
use crate::redact::Redactor;
use crate::threads::{Threads, Worker};
use crate::{Error, ErrorKind};

/// The wait for room in librdkafka's own queue, which only a recipe can make smaller than the sink's.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(5);

/// How long messages that were given up may take to come back.
const PURGE_LIMIT: Duration = Duration::from_secs(2);

/// Rough size in bytes of a message without its aspect.
const MESSAGE_OVERHEAD: usize = 512;

/// Takes a proposal that Kafka cannot carry.
pub(super) type HandOver = Box<dyn Fn(Delivery) + Send + Sync>;

/// Sends messages through librdkafka.
pub(super) struct Sender {
    config: DatahubKafkaConfig,
    schema_id: AtomicU32,
    clock: Arc<dyn Clock>,
    capacity: Capacity,
    pub(super) redactor: Redactor,
    state: Mutex<State>,
    /// Something that a task may wait for has changed.
    pub(super) changed: Notify,
    hand_over: Option<HandOver>,
    sent: AtomicU64,
    pub(super) resent: AtomicU64,
    split: AtomicU64,
    bytes: AtomicU64,
}

/// Messages and bytes that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SentCounts {
    pub(super) sent: u64,
    pub(super) resent: u64,
    pub(super) split: u64,
    pub(super) bytes: u64,
}

impl Sender {
    pub(super) fn new(
        config: DatahubKafkaConfig,
        clock: Arc<dyn Clock>,
        hand_over: Option<HandOver>,
    ) -> Self {
        Self {
            redactor: Redactor::new(config.producer.secrets()),
            capacity: Capacity::new(config.max_pending_proposals, config.max_pending_bytes),
            schema_id: AtomicU32::new(0),
            clock,
            state: Mutex::default(),
            changed: Notify::new(),
            hand_over,
            sent: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            split: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            config,
        }
    }

    /// Starts librdkafka's client, and the thread that receives its reports.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Input`] when properties contradict each other or a certificate cannot be read.
    pub(super) fn start(self: &Arc<Self>, threads: &dyn Threads) -> Result<Worker, Error> {
        let idempotence = self.config.producer.idempotence();
        let client = self.client(idempotence, None)?;
        {
            let mut state = self.lock();
            state.client = Some(Arc::new(client));
            state.idempotence = Some(idempotence);
            state.warnings.extend(self.config.producer.acks_warning());
        }
        let sender = Arc::clone(self);
        Worker::start(threads, "kafka", async move { sender.serve() }).map_err(|error| {
            self.lock().client = None;
            Error::new(ErrorKind::Internal, "cannot start the sink's thread").with_source(error)
        })
    }

    pub(super) fn client(
        self: &Arc<Self>,
        idempotence: Idempotence,
        batch_bytes: Option<u64>,
    ) -> Result<Client, Error> {
        let mut properties = self.config.producer.client(idempotence);
        if let Some(bytes) = batch_bytes {
            properties.set("batch.size", bytes.to_string());
        }
        properties.create_with_context(Reports::to(Arc::clone(self) as _)).map_err(|error: KafkaError| {
            let text = match error {
                KafkaError::ClientCreation(text) | KafkaError::ClientConfig(_, text, ..) => text,
                other => other.to_string(),
            };
            let text = self.redactor.redact(&text);
            Error::new(ErrorKind::Input, format!("`sink.config.connection.producer_config`: {text}"))
        })
    }

    /// Sets the id of the schema, which every message names.
    pub(super) fn set_schema_id(&self, id: u32) {
        self.schema_id.store(id, Relaxed);
    }

    /// librdkafka's client; `None` once it has ended.
    pub(super) fn current_client(&self) -> Option<Arc<Client>> {
        self.lock().client.clone()
    }

    /// The last error of a connection.
    pub(super) fn problem(&self) -> Option<ConnectionProblem> {
        self.lock().problem.clone()
    }

    /// The topic of the messages.
    pub(super) fn topic(&self) -> &str {
        &self.config.topic
    }

    pub(super) fn counts(&self) -> SentCounts {
        SentCounts {
            sent: self.sent.load(Relaxed),
            resent: self.resent.load(Relaxed),
            split: self.split.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.lock().warnings.clone()
    }

    /// Why nothing more can be delivered.
    pub(super) fn stopped(&self) -> Option<Error> {
        match &self.lock().phase {
            Phase::Stopped(diagnosis) => Some(Error::from(diagnosis.as_ref().clone())),
            _ => None,
        }
    }

    /// Waits for capacity and for the proposal's turn, and hands it to librdkafka.
    pub(super) async fn write(self: &Arc<Self>, delivery: Delivery) {
        let Some(capacity) = self.reserve(&delivery).await else {
            return delivery.settle(Outcome::Undelivered(self.undelivered()));
        };
        let mut message = Box::new(Message { delivery, capacity, is_alone: false, bytes: 0 });
        loop {
            self.wait_until(|state| !state.is_open() || (state.drains.is_none() && state.handed_over == 0))
                .await;
            let (unsent, why) = match self.try_send(message) {
                Ok(()) => return,
                Err(not_sent) => not_sent,
            };
            message = unsent;
            match why {
                NotSent::Wait => {}
                NotSent::Full => tokio::time::sleep(QUEUE_FULL_DELAY).await,
                NotSent::TooLarge if self.hand_over.is_some() => return self.hand_over(message).await,
                NotSent::TooLarge => {
                    let rejection =
                        too_large(message.bytes, "the limit of this client, `message.max.bytes`", 0);
                    return message.delivery.settle(Outcome::Rejected(rejection));
                }
                NotSent::Stopped => {
                    return message.delivery.settle(Outcome::Undelivered(self.undelivered()));
                }
            }
        }
    }

    /// Waits until Kafka has everything that was written before, and hands over a proposal that Kafka cannot
    /// carry.
    pub(super) async fn write_elsewhere(self: &Arc<Self>, delivery: Delivery) {
        match self.reserve(&delivery).await {
            Some(capacity) => {
                self.hand_over(Box::new(Message { delivery, capacity, is_alone: false, bytes: 0 })).await;
            }
            None => delivery.settle(Outcome::Undelivered(self.undelivered())),
        }
    }

    async fn reserve(&self, delivery: &Delivery) -> Option<CapacityPermit> {
        let aspect = delivery.proposal().aspect().map_or(0, |aspect| aspect.value().len());
        self.capacity.reserve(aspect + MESSAGE_OVERHEAD).await
    }

    async fn hand_over(self: &Arc<Self>, message: Box<Message>) {
        self.wait_until(|state| {
            let is_turn = !state.is_open() || state.is_drained();
            state.handed_over += usize::from(is_turn);
            is_turn
        })
        .await;
        self.hand_over_now(message);
    }

    /// Hands a message over that was counted as such.
    fn hand_over_now(self: &Arc<Self>, message: Box<Message>) {
        let is_open = self.lock().is_open();
        let proposal = message.delivery.proposal().clone();
        let observer = HandedOver { sender: Arc::clone(self), message: Mutex::new(Some(message)) };
        let delivery = Delivery::observed(proposal, Arc::new(observer));
        match &self.hand_over {
            Some(hand_over) if is_open => hand_over(delivery),
            _ => delivery.settle(Outcome::Undelivered(self.undelivered())),
        }
    }

    fn try_send(&self, message: Box<Message>) -> Result<(), (Box<Message>, NotSent)> {
        let mut state = self.lock();
        if !state.is_open() {
            return Err((message, NotSent::Stopped));
        }
        if state.drains.is_some() || state.handed_over > 0 {
            return Err((message, NotSent::Wait));
        }
        self.send(&mut state, message)
    }

    /// Hands a message to librdkafka.
    pub(super) fn send(
        &self,
        state: &mut State,
        mut message: Box<Message>,
    ) -> Result<(), (Box<Message>, NotSent)> {
        let Some(client) = state.client.clone() else { return Err((message, NotSent::Stopped)) };
        let proposal = message.delivery.proposal();
        let buffer = &mut state.buffer;
        buffer.clear();
        buffer.extend_from_slice(proposal.urn().as_str().as_bytes());
        let key_bytes = buffer.len();
        let now = self.clock.now().as_millisecond();
        envelope::push_message(buffer, self.schema_id.load(Relaxed), proposal, now);
        let (key, value) = buffer.split_at_checked(key_bytes).unwrap_or((buffer, &[]));
        message.bytes = value.len();
        let bytes = value.len() as u64;
        let record = BaseRecord::with_opaque_to(&self.config.topic, message).key(key).payload(value);
        match client.send(record) {
            Ok(()) => {
                state.in_flight += 1;
                self.sent.fetch_add(1, Relaxed);
                self.bytes.fetch_add(bytes, Relaxed);
                Ok(())
            }
            Err((error, record)) => {
                let message = record.delivery_opaque;
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                if code == RDKafkaErrorCode::QueueFull {
                    return Err((message, NotSent::Full));
                }
                let why = match judge(code, &self.config.topic) {
                    ReportVerdict::TooLarge => NotSent::TooLarge,
                    // The thread looks at the fatal error, and makes another client or stops.
                    _ if client.client().fatal_error().is_some() => NotSent::Full,
                    verdict => {
                        self.stop(state, &verdict);
                        NotSent::Stopped
                    }
                };
                Err((message, why))
            }
        }
    }

    fn judge_report(&self, error: Option<RDKafkaErrorCode>, message: &Message) -> AfterReport {
        let mut state = self.lock();
        let follows_resent =
            !message.is_alone && state.resend_urns.contains_key(message.delivery.proposal().urn());
        let Some(code) = error else {
            return if follows_resent {
                AfterReport::Resend
            } else {
                AfterReport::Settle(Outcome::Delivered)
            };
        };
        if !state.is_open() {
            return AfterReport::Settle(Outcome::Undelivered(undelivered(&state.phase)));
        }
        // A fatal error takes all messages back, with an error that does not say so.
        if follows_resent
            || state.client.as_ref().is_some_and(|client| client.client().fatal_error().is_some())
        {
            return AfterReport::Resend;
        }
        let attempts = if message.is_alone { 2 } else { 1 };
        match judge(code, &self.config.topic) {
            ReportVerdict::TooLarge if !message.is_alone => {
                if state.drains.is_none() {
                    state.drains = Some(AfterDrain::SendAlone);
                    self.split.fetch_add(1, Relaxed);
                }
                AfterReport::Resend
            }
            ReportVerdict::TooLarge if self.hand_over.is_some() => AfterReport::HandOver,
            ReportVerdict::TooLarge => {
                let rejection =
                    too_large(message.bytes, "the limit of the topic, `max.message.bytes`", attempts);
                AfterReport::Settle(Outcome::Rejected(rejection))
            }
            ReportVerdict::Reject => {
                let mut rejection = Rejection::new(
                    RejectionReason::Other("rejected-by-broker"),
                    format!("the broker does not accept the message: {code}"),
                );
                rejection.attempts = attempts;
                AfterReport::Settle(Outcome::Rejected(rejection))
            }
            verdict => {
                self.stop(&mut state, &verdict);
                AfterReport::Settle(Outcome::Undelivered(undelivered(&state.phase)))
            }
        }
    }

    /// Stops for good: what is in flight comes back with a report, and counts as undelivered.
    pub(super) fn stop(&self, state: &mut State, verdict: &ReportVerdict) {
        if !state.is_open() {
            return;
        }
        let diagnosis = diagnose::of_report(&self.config, verdict, state.problem.as_ref());
        tracing::debug!(?verdict, idempotence = ?state.idempotence, "nothing more can be delivered to Kafka");
        state.phase = Phase::Stopped(Arc::new(diagnosis));
        self.purge(state);
    }

    /// Gives up what is not acknowledged yet.
    fn abandon(&self) {
        let mut state = self.lock();
        if state.is_open() {
            state.phase = Phase::Abandoned;
        }
        self.purge(&state);
    }

    fn purge(&self, state: &State) {
        self.capacity.close();
        if let Some(client) = &state.client {
            client.purge(PurgeConfig::default().queue().inflight());
        }
        self.changed.notify_waiters();
    }

    /// Waits until everything that was written has an outcome.
    pub(super) async fn flush(&self) {
        self.wait_until(|state| state.is_drained() && state.handed_over == 0).await;
    }

    /// Takes no more, and waits until everything has an outcome. After `deadline`, the rest is undelivered.
    pub(super) async fn close(&self, deadline: Option<Duration>) {
        self.capacity.close();
        let settled = self.wait_until(|state| state.is_drained() && state.handed_over == 0);
        match deadline {
            None => settled.await,
            Some(deadline) => {
                if tokio::time::timeout(deadline, settled).await.is_err() {
                    self.abandon();
                    let settled = self.wait_until(|state| state.is_drained());
                    drop(tokio::time::timeout(PURGE_LIMIT, settled).await);
                }
            }
        }
        self.end();
    }

    /// Lets the thread end once nothing is in flight.
    fn end(&self) {
        self.lock().is_ending = true;
    }

    /// Ends without waiting.
    pub(super) fn drop_all(&self) {
        self.abandon();
        self.end();
    }

    async fn wait_until(&self, mut is_ready: impl FnMut(&mut State) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Registered before the state is looked at, so that no change is missed.
            changed.as_mut().enable();
            if is_ready(&mut self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn undelivered(&self) -> Undelivered {
        undelivered(&self.lock().phase)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReportReceiver for Sender {
    fn report(self: Arc<Self>, error: Option<RDKafkaErrorCode>, message: Box<Message>) {
        let after = self.judge_report(error, &message);
        match after {
            AfterReport::Settle(outcome) => {
                let Message { delivery, capacity, .. } = *message;
                delivery.settle(outcome);
                drop(capacity);
                self.lock().in_flight -= 1;
            }
            AfterReport::Resend => {
                let mut state = self.lock();
                state.push_resend(message);
                state.in_flight -= 1;
            }
            AfterReport::HandOver => {
                {
                    let mut state = self.lock();
                    state.handed_over += 1;
                    state.in_flight -= 1;
                }
                self.hand_over_now(message);
            }
        }
        self.changed.notify_waiters();
    }

    fn note_problem(&self, code: RDKafkaErrorCode, reason: &str) {
        let reason = self.redactor.redact(reason);
        tracing::debug!(%code, "librdkafka: {reason}");
        {
            let mut state = self.lock();
            // That all brokers are down says less than the error before it.
            if code != RDKafkaErrorCode::AllBrokersDown || state.problem.is_none() {
                state.problem = Some(ConnectionProblem { code, reason });
            }
        }
        self.changed.notify_waiters();
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = self.redactor.redact(message);
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }
}

fn too_large(bytes: usize, limit: &str, attempts: u32) -> Rejection {
    let mut rejection = Rejection::new(
        RejectionReason::Other("message-too-large"),
        format!(
            "the message has {bytes} bytes, which is above {limit}: raise it, or set `rest_fallback` to send such \
             proposals to GMS"
        ),
    );
    rejection.attempts = attempts;
    rejection
}

/// Receives the outcome of a proposal that was handed over.
struct HandedOver {
    sender: Arc<Sender>,
    message: Mutex<Option<Box<Message>>>,
}

impl Observer for HandedOver {
    fn settled(&self, _proposal: Proposal, outcome: Outcome) {
        let message = self.message.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(message) = message {
            message.delivery.settle(outcome);
        }
        self.sender.lock().handed_over -= 1;
        self.sender.changed.notify_waiters();
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("topic", &self.config.topic).finish_non_exhaustive()
    }
}
