//! The URN that a command is about.

use clap::Args;
use datahub_emitter::metadata::Urn;
use datahub_emitter::{Error, ErrorKind};

/// A URN as an argument, or as the option `--urn` of DataHub's own command line.
#[derive(Debug, Args)]
pub(crate) struct UrnArgument {
    /// The URN of the entity.
    #[arg(value_name = "URN", required_unless_present = "urn_option")]
    urn: Option<String>,
    #[arg(long = "urn", id = "urn_option", value_name = "URN", hide = true, conflicts_with = "urn")]
    option: Option<String>,
}

impl UrnArgument {
    /// The URN.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the text is not a URN.
    pub(crate) fn parse(&self) -> Result<Urn, Error> {
        let text = self.urn.as_ref().or(self.option.as_ref()).map_or("", String::as_str);
        Urn::parse(text).map_err(|error| {
            Error::new(ErrorKind::Input, "the argument is not a URN, such as urn:li:corpuser:datahub")
                .with_source(error)
        })
    }

    #[cfg(test)]
    pub(crate) fn of(urn: &str) -> Self {
        Self { urn: Some(urn.to_owned()), option: None }
    }
}
