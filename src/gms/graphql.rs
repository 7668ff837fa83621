//! GraphQL: what GMS tells of callers and tokens, and no other interface of it does.

mod access_token;
mod me;
mod token_error;

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, GmsResponse};
use crate::diagnosis::Diagnosis;
use crate::{Error, ErrorKind};

pub use access_token::{AccessTokenDuration, AccessTokenInfo, NewAccessToken};
pub use me::Me;

/// Where GMS takes questions (`GraphQLController`), also behind the frontend's `/api/gms`.
const PATH: &str = "/api/graphql";

/// A page of a hundred tokens has some fifty thousand bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The longest message of an error that is kept, in characters.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GraphqlAnswer {
    /// What was asked for, by field. A field may be `null` all the same.
    Data(Value),
    /// GMS understood who asks, and did not do it, or not all of it. There is at least one.
    Errors(Vec<GraphqlError>),
    /// Nothing is known: this GMS has no GraphQL, or it is in trouble. Says what was observed.
    NotKnown(Box<Diagnosis>),
}

/// One error of an answer (`DataHubGraphQLError`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphqlError {
    /// GMS's words, free of the caller's secrets, at most 2,000 characters. They differ by version.
    pub message: String,
    /// `extensions.code`, in the manner of HTTP: 400, 403, 404, 409, 500. GMS gives none for a question that does not fit
    /// its schema.
    pub code: Option<u16>,
}

impl GraphqlError {
    /// Whether GMS has no such field or argument, as older versions lack what newer ones have.
    pub fn is_of_schema(&self) -> bool {
        self.code.is_none() && self.message.starts_with("Validation error")
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    extensions: Option<Value>,
}

impl Client {
    /// Asks once. Whether a question may be asked again is left to whoever knows what it does.
    ///
    /// `document` is a query or a mutation, `variables` an object with the values of its variables.
    ///
    /// # Errors
    /// When there is no answer, or none that says anything about the question: a transport fault, 401, 403, a
    /// redirect, a login page. The error carries the diagnosis.
    pub async fn graphql(&self, document: &str, variables: &Value) -> Result<GraphqlAnswer, Error> {
        let line = self.request_line(Method::POST, PATH);
        let body =
            serde_json::to_vec(&json!({"query": document, "variables": variables})).map_err(|error| {
                Error::new(ErrorKind::Internal, "a GraphQL question has no JSON form").with_source(error)
            })?;
        let sent = self.send(&line, Some(Bytes::from(body).into()), MAX_ANSWER_BYTES).await;
        let reply = sent.map_err(|fault| self.diagnose_send_error(&line, &fault, 1))?;
        if let Some(answer) = self.read_answer(&reply) {
            return Ok(answer);
        }
        let diagnosis = self.diagnose(&line, &reply);
        let status = reply.status;
        let refused = matches!(status.as_u16(), 401 | 403 | 407) || status.is_redirection();
        // A page in place of an API comes from something in front of GMS; its own 404 is JSON or empty.
        if refused || (status.is_success() && !reply.is_json_or_empty()) {
            return Err(diagnosis.into());
        }
        Ok(GraphqlAnswer::NotKnown(Box::new(diagnosis)))
    }

    fn read_answer(&self, reply: &GmsResponse) -> Option<GraphqlAnswer> {
        if !reply.status.is_success() || reply.truncated {
            return None;
        }
        let answer: Answer = serde_json::from_slice(&reply.body).ok()?;
        if answer.errors.is_empty() {
            return answer.data.filter(Value::is_object).map(GraphqlAnswer::Data);
        }
        let errors = answer.errors.into_iter().map(|wrong| GraphqlError {
            message: self.visible(wrong.message.as_deref().unwrap_or_default()),
            code: wrong.extensions.and_then(|extensions| extensions.get("code")?.as_u64()?.try_into().ok()),
        });
        Some(GraphqlAnswer::Errors(errors.collect()))
    }

    /// A text of GMS's that a person may read.
    fn visible(&self, text: &str) -> String {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.redact(&text).chars().take(MAX_MESSAGE_CHARS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gms::{ClientConfig, ServerAddress};

    fn read(status: u16, body: &'static str) -> Option<GraphqlAnswer> {
        let server = ServerAddress::parse("http://localhost:1").unwrap();
        let client = Client::new(&ClientConfig {
            extra_headers: vec![("Authorization".into(), "Bearer s3cr3t-0123456789".into())],
            ..ClientConfig::new(server)
        });
        client.unwrap().read_answer(&GmsResponse::with_body(status, body))
    }

    #[test]
    fn data_and_errors_are_told_apart() {
        let data = read(200, r#"{"data":{"me":null},"extensions":{}}"#);
        assert_eq!(data, Some(GraphqlAnswer::Data(json!({"me": null}))));
        let Some(GraphqlAnswer::Errors(errors)) = read(
            200,
            r#"{"errors":[{"message":"Unauthorized:s3cr3t-0123456789\u001b[31m","path":["x"],"extensions":{"code":403}},
                {"message":"Validation error (FieldUndefined@[x]) : no","extensions":{"classification":"ValidationError"}},
                {"message":null,"extensions":{"code":"many"}}],"data":{"x":null}}"#,
        ) else {
            panic!("these are errors");
        };
        assert_eq!((errors[0].message.as_str(), errors[0].code), ("Unauthorized:******** [31m", Some(403)));
        assert!(errors[1].is_of_schema() && !errors[0].is_of_schema() && !errors[2].is_of_schema());
        assert_eq!((errors[2].message.as_str(), errors[2].code), ("", None));
    }

    #[test]
    fn what_is_no_answer_to_a_question_is_none() {
        for (status, body) in [
            (200, ""),
            (200, "{}"),
            (200, r#"{"data":null}"#),
            (200, r#"{"data":[1]}"#),
            (200, "[1]"),
            (200, "<html>"),
            (400, r#"{"error":"Invalid GraphQL syntax","message":"x"}"#),
            (404, r#"{"data":{"me":null}}"#),
            (503, ""),
        ] {
            assert_eq!(read(status, body), None, "{status} {body}");
        }
    }
}
