//! The embedded GMS, for first runs and tests: the crate `datahub-embedded-gms`.

pub use datahub_embedded_gms::{
    Action, AuthFilter, BodyForm, Error, ErrorKind, Fault, Gms, GmsBuilder, Policy, ReceivedRequest,
    RefusalForm, RetryAfter, TokenDuration, TokenInfo, User,
};

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Input => crate::ErrorKind::Input,
            ErrorKind::Disk => crate::ErrorKind::Disk,
            _ => crate::ErrorKind::Internal,
        };
        let converted = Self::new(kind, error.to_string());
        match error.into_source() {
            Some(source) => converted.with_source(source),
            None => converted,
        }
    }
}
