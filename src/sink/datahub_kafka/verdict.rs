//! Judges errors of librdkafka: a pure function of their codes.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::diagnosis::BrokerRefusal;

/// An error that librdkafka reported about its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectionProblem {
    pub(super) code: Code,
    /// librdkafka's text, without secrets.
    pub(super) reason: String,
}

/// The meaning of a delivery report with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReportVerdict {
    /// The message, or the batch that it was in, is larger than the broker accepts.
    TooLarge,
    /// The broker does not accept this message, and would not accept it a second time.
    Reject,
    /// The broker refuses the caller, so nothing else can be delivered either.
    Refused(BrokerRefusal),
    /// No broker has acknowledged it in time.
    Unreachable,
    /// It was taken back before it was sent.
    Purged,
}

/// Judges the error of a message for `topic`.
pub(super) fn judge(code: Code, topic: &str) -> ReportVerdict {
    match code {
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => ReportVerdict::TooLarge,
        Code::InvalidMessage
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::PolicyViolation
        | Code::UnsupportedForMessageFormat
        | Code::BadMessage => ReportVerdict::Reject,
        Code::PurgeQueue | Code::PurgeInflight => ReportVerdict::Purged,
        code => match refusal(code, topic) {
            Some(refusal) => ReportVerdict::Refused(refusal),
            None if is_about_the_connection(code) => ReportVerdict::Unreachable,
            None => ReportVerdict::Refused(BrokerRefusal::Other(code.to_string())),
        },
    }
}

/// The refusal that the error of a connection, of a topic or of a message stands for.
pub(super) fn refusal(code: Code, topic: &str) -> Option<BrokerRefusal> {
    Some(match code {
        Code::SSL => BrokerRefusal::Tls,
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => BrokerRefusal::Authentication,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::InvalidTopic => {
            BrokerRefusal::TopicMissing(topic.to_owned())
        }
        Code::TopicAuthorizationFailed => BrokerRefusal::TopicForbidden(topic.to_owned()),
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            BrokerRefusal::ClusterForbidden
        }
        _ => return None,
    })
}

/// Whether the error says that no broker answered in time, or that the cluster is in trouble.
fn is_about_the_connection(code: Code) -> bool {
    matches!(
        code,
        Code::MessageTimedOut
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::TimedOutQueue
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::BrokerDestroy
    )
}

/// Whether the broker does not let the producer be idempotent, so that one without idempotence may deliver.
pub(super) fn refuses_idempotence(code: Code) -> bool {
    matches!(
        code,
        Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::UnsupportedFeature
            | Code::UnsupportedVersion
            | Code::UnsupportedForMessageFormat
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_about_the_message_the_caller_or_the_connection() {
        let topic = "t";
        assert_eq!(judge(Code::MessageSizeTooLarge, topic), ReportVerdict::TooLarge);
        assert_eq!(judge(Code::InvalidRecord, topic), ReportVerdict::Reject);
        assert_eq!(judge(Code::MessageTimedOut, topic), ReportVerdict::Unreachable);
        assert_eq!(judge(Code::PurgeInflight, topic), ReportVerdict::Purged);
        let refused = |refusal| ReportVerdict::Refused(refusal);
        assert_eq!(judge(Code::SSL, topic), refused(BrokerRefusal::Tls));
        assert_eq!(judge(Code::UnknownTopic, topic), refused(BrokerRefusal::TopicMissing("t".into())));
        assert_eq!(
            judge(Code::TopicAuthorizationFailed, topic),
            refused(BrokerRefusal::TopicForbidden("t".into()))
        );
        // An error that is not known does not stay without a reason.
        assert!(matches!(
            judge(Code::InvalidRequest, topic),
            ReportVerdict::Refused(BrokerRefusal::Other(_))
        ));
    }

    #[test]
    fn a_refused_producer_id_is_no_refusal_of_messages() {
        assert!(refuses_idempotence(Code::ClusterAuthorizationFailed));
        assert!(refuses_idempotence(Code::UnsupportedFeature));
        assert!(!refuses_idempotence(Code::OutOfOrderSequenceNumber));
    }
}
