//! Why nothing can be delivered to Kafka, as a diagnosis.

use super::config::DatahubKafkaConfig;
use super::verdict::{ConnectionProblem, ReportVerdict, refusal};
use crate::diagnosis::{BrokerRefusal, Code, Diagnosis, Evidence, Fix, Summary};

/// The diagnosis of a message that stops the run. `problem` is the last error of a connection.
pub(super) fn of_report(
    config: &DatahubKafkaConfig,
    verdict: &ReportVerdict,
    problem: Option<&ConnectionProblem>,
) -> Diagnosis {
    match verdict {
        ReportVerdict::Refused(refusal) => refused(refusal.clone(), problem),
        _ => of_connection(config, problem),
    }
}

/// The diagnosis of a cluster to which there is no connection.
pub(super) fn of_connection(config: &DatahubKafkaConfig, problem: Option<&ConnectionProblem>) -> Diagnosis {
    if let Some(refusal) = problem.and_then(|problem| refusal(problem.code, &config.topic)) {
        return refused(refusal, problem);
    }
    let bootstrap = config.bootstrap().to_owned();
    Diagnosis::new(Code::KafkaUnreachable, Summary::BrokersUnreachable(bootstrap.clone()))
        .with_evidence(evidence(problem))
        .with_fixes([Fix::CheckBrokers { bootstrap }])
}

/// The diagnosis of a refusal.
pub(super) fn refused(refusal: BrokerRefusal, problem: Option<&ConnectionProblem>) -> Diagnosis {
    let fix = match &refusal {
        BrokerRefusal::Tls => Fix::CheckBrokerTls,
        BrokerRefusal::Authentication => Fix::CheckBrokerCredentials,
        BrokerRefusal::TopicMissing(topic) => Fix::CreateTopic { topic: topic.clone() },
        BrokerRefusal::TopicForbidden(topic) => Fix::AllowTopic { topic: topic.clone() },
        BrokerRefusal::ClusterForbidden => Fix::AllowCluster,
        BrokerRefusal::Other(_) => Fix::SeeBrokerLog,
    };
    Diagnosis::new(Code::KafkaRefused, Summary::BrokerRefused(refusal))
        .with_evidence(evidence(problem))
        .with_fixes([fix])
}

fn evidence(problem: Option<&ConnectionProblem>) -> Option<Evidence> {
    problem.map(|problem| Evidence::Librdkafka(one_line(&problem.reason)))
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
