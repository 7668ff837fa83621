//! The log on standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Mutex;

use clap::ValueEnum;
use datahub_emitter::{Error, ErrorKind};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Global;
use super::progress::Screen;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Starts the log. Libraries log their warnings and errors only, whatever `-v` says: at their finest levels
/// some of them log the bytes on the wire, and those include the token.
///
/// # Errors
/// [`ErrorKind::Disk`] if the log file cannot be written.
pub(crate) fn start(global: &Global, screen: &Screen) -> Result<(), Error> {
    let verbosity = if global.debug { 2 } else { global.verbose };
    let own_level = match (global.quiet, verbosity) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let json = global.logs_json();
    let lines = tracing_subscriber::fmt::layer().with_writer(screen.clone());
    let on_screen = if json {
        lines.json().with_filter(levels(own_level)).boxed()
    } else {
        lines.with_ansi(screen.color()).with_target(false).with_filter(levels(own_level)).boxed()
    };
    let file = global.log_file.as_deref().map(open).transpose()?;
    let in_file = file.map(|file| {
        let lines = tracing_subscriber::fmt::layer().with_writer(Mutex::new(file)).with_ansi(false);
        let level = own_level.max(LevelFilter::DEBUG);
        if json {
            lines.json().with_filter(levels(level)).boxed()
        } else {
            lines.with_filter(levels(level)).boxed()
        }
    });
    if let Err(error) = tracing_subscriber::registry().with(on_screen).with(in_file).try_init() {
        screen.say(&format!("warning: the log cannot be started: {error}\n"));
    }
    Ok(())
}

fn levels(own_level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(own_level.min(LevelFilter::WARN))
        .with_target("datahub_emitter", own_level)
        .with_target("datahub_emit", own_level)
}

/// Opens the log file at its end. Only its owner can read it.
fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| {
        Error::new(ErrorKind::Disk, format!("cannot write the log to {}", path.display())).with_source(error)
    })
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The layer writes an event at once.
        self.log(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
