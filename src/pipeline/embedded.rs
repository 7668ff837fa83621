//! Starts the embedded GMS for a run.

use std::path::PathBuf;
use std::sync::Arc;

use crate::box_future::BoxFuture;
use crate::embedded::Gms;
use crate::environment::Environment;
use crate::sink::datahub_rest::{EmbeddedServer, StartEmbedded};
use crate::{Error, ErrorKind};

/// The default data file of the embedded GMS: `$XDG_DATA_HOME/datahub-emit/gms.sqlite`, by default below
/// `~/.local/share`.
///
/// # Errors
/// [`ErrorKind::Disk`] if there is no home directory.
pub fn embedded_data_path(environment: &Environment) -> Result<PathBuf, Error> {
    // The XDG base directory specification: a relative path is to be ignored.
    let data_home = environment.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    data_home
        .or_else(|| std::env::home_dir().map(|home| home.join(".local").join("share")))
        .map(|base| base.join("datahub-emit").join("gms.sqlite"))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Disk,
                "there is no home directory to keep the embedded GMS's data in; sink.config.data names a file",
            )
        })
}

/// Starts it on the recipe's data file, or on the default one.
pub(super) fn starter(environment: Environment) -> StartEmbedded {
    Arc::new(move |data| {
        let environment = environment.clone();
        Box::pin(async move {
            let data = match data {
                Some(data) => data,
                None => embedded_data_path(&environment)?,
            };
            let gms = Gms::builder().data(data).start().await?;
            let (url, token) = (gms.url().to_owned(), gms.token().to_owned());
            let stop = Box::new(move || Box::pin(async move { gms.stop().await }) as BoxFuture<'static, ()>);
            Ok(EmbeddedServer { url, token, stop })
        })
    })
}
