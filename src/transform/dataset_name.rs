//! The parts of a dataset's URN.

use super::TransformError;
use crate::metadata::Urn;

/// The parts of `urn:li:dataset:(urn:li:dataPlatform:<platform>,<name>,<environment>)`.
pub(super) struct DatasetName<'a> {
    pub(super) platform: &'a str,
    pub(super) name: &'a str,
    pub(super) environment: &'a str,
}

impl<'a> DatasetName<'a> {
    /// Splits a URN. A name may contain commas.
    pub(super) fn of(urn: &'a Urn) -> Result<Self, TransformError> {
        let parts = urn.key().strip_prefix('(').and_then(|key| key.strip_suffix(')'));
        let (platform, rest) = parts
            .and_then(|parts| parts.split_once(','))
            .ok_or_else(|| TransformError::new(format!("{urn} is not the URN of a dataset")))?;
        let (name, environment) = rest
            .rsplit_once(',')
            .ok_or_else(|| TransformError::new(format!("{urn} is not the URN of a dataset")))?;
        let platform = platform.strip_prefix("urn:li:dataPlatform:").unwrap_or(platform);
        Ok(Self { platform, name, environment })
    }
}
