//! The state of a sender: what is in flight, what is to be sent again, and whether anything can be delivered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::client::{Client, Message};
use super::config::Idempotence;
use super::verdict::ConnectionProblem;
use crate::ErrorKind;
use crate::diagnosis::Diagnosis;
use crate::emitter::{Outcome, Undelivered, UndeliveredReason};
use crate::metadata::Urn;

#[derive(Default)]
pub(super) struct State {
    pub(super) client: Option<Arc<Client>>,
    pub(super) idempotence: Option<Idempotence>,
    /// Messages without a delivery report.
    pub(super) in_flight: usize,
    /// Proposals that were handed over and are not settled.
    pub(super) handed_over: usize,
    /// Messages to be sent again, in order.
    pub(super) resend: VecDeque<Box<Message>>,
    /// How many of them each URN has.
    pub(super) resend_urns: HashMap<Urn, usize>,
    /// New messages wait until everything in flight has a report.
    pub(super) drains: Option<AfterDrain>,
    /// The size of batches, if it was made smaller than librdkafka's default.
    pub(super) batch_bytes: Option<u64>,
    /// The last error of a connection.
    pub(super) problem: Option<ConnectionProblem>,
    pub(super) warnings: Vec<String>,
    pub(super) phase: Phase,
    /// The thread ends once nothing is in flight.
    pub(super) is_ending: bool,
    pub(super) buffer: Vec<u8>,
}

/// The continuation once nothing is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterDrain {
    /// Send the messages again, one at a time.
    SendAlone,
    /// Send the messages again in order, through a client without idempotence.
    WithoutIdempotence,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Phase {
    #[default]
    Open,
    /// Nothing more can be delivered.
    Stopped(Arc<Diagnosis>),
    /// The deadline of the run was over, or the sink was dropped.
    Abandoned,
}

/// Why a message was not handed to librdkafka.
pub(super) enum NotSent {
    /// Others come first.
    Wait,
    /// There is no room in librdkafka's queue.
    Full,
    /// librdkafka accepts no message of this size.
    TooLarge,
    /// Nothing is sent any more.
    Stopped,
}

/// The continuation for a message with a delivery report.
pub(super) enum AfterReport {
    Settle(Outcome),
    /// Its URN has a message that is to be sent again, or it is to be sent again itself.
    Resend,
    HandOver,
}

impl State {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Everything that was sent has a report.
    pub(super) fn is_drained(&self) -> bool {
        self.in_flight == 0 && self.resend.is_empty() && self.drains.is_none()
    }

    pub(super) fn push_resend(&mut self, message: Box<Message>) {
        *self.resend_urns.entry(message.delivery.proposal().urn().clone()).or_default() += 1;
        self.resend.push_back(message);
    }

    pub(super) fn pop_resend(&mut self) -> Option<Box<Message>> {
        let message = self.resend.pop_front()?;
        let urn = message.delivery.proposal().urn();
        if let Some(count) = self.resend_urns.get_mut(urn) {
            *count -= 1;
            if *count == 0 {
                self.resend_urns.remove(urn);
            }
        }
        Some(message)
    }
}

pub(super) fn undelivered(phase: &Phase) -> Undelivered {
    match phase {
        Phase::Stopped(diagnosis) => {
            let reason = match diagnosis.kind() {
                ErrorKind::Refused => UndeliveredReason::Refused,
                _ => UndeliveredReason::Unreachable,
            };
            Undelivered::diagnosed(reason, Arc::clone(diagnosis))
        }
        Phase::Open | Phase::Abandoned => {
            Undelivered::new(UndeliveredReason::Closed, "the sink was closed before a broker acknowledged it")
        }
    }
}
