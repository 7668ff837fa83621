//! The log on standard error.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
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
pub(crate) fn start(global: &Global, screen: &Screen) {
    let own_level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let levels = Targets::new()
        .with_default(own_level.min(LevelFilter::WARN))
        .with_target("datahub_emitter", own_level)
        .with_target("datahub_emit", own_level);
    let lines = tracing_subscriber::fmt::layer().with_writer(screen.clone());
    let registry = tracing_subscriber::registry().with(levels);
    let started = match global.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(screen.color()).with_target(false)).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    if let Err(error) = started {
        screen.say(&format!("warning: the log cannot be started: {error}\n"));
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // If standard error is closed, not even that can be reported.
        Ok(self.aside(|error_output| error_output.write(bytes)).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
