//! Standard error: the progress line, and the messages above it.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Stderr, Write as _};
use std::time::Duration;

use datahub_emitter::pipeline::{RunControl, RunProgress};
use datahub_emitter::source::ExtractionProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior};

use super::Global;
use super::terminal_text::safe;

/// How often the progress line is redrawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// How often progress is logged if standard error is not a terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Standard error, shared between the progress line and all other output, so that neither breaks the other.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct Screen {
    bar: ProgressBar,
    color: bool,
    quiet: bool,
    terminal: bool,
    /// Every line is a JSON object.
    json: bool,
}

impl Screen {
    pub(crate) fn new(global: &Global) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self {
            bar,
            color: global.color.is_on() && !global.logs_json(),
            quiet: global.quiet,
            terminal: std::io::stderr().is_terminal(),
            json: global.logs_json(),
        }
    }

    pub(crate) fn color(&self) -> bool {
        self.color
    }

    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Writes to standard error with the progress line removed meanwhile.
    pub(crate) fn aside<T>(&self, write: impl FnOnce(&mut Stderr) -> T) -> T {
        self.bar.suspend(|| write(&mut std::io::stderr()))
    }

    /// Writes `text` to standard error, as an object with the text if the log is JSON. If standard error is
    /// closed, the text is lost.
    pub(crate) fn say(&self, text: &str) {
        let text = if self.json { as_json(text) } else { text.to_owned() };
        self.write(&text);
    }

    /// Writes `text`, without characters that have an effect on a terminal.
    fn write(&self, text: &str) {
        let text = safe(text, self.color);
        drop(self.aside(|stderr| stderr.write_all(text.as_bytes())));
    }

    /// Writes an event of the log. Only its first line starts at the margin.
    pub(crate) fn log(&self, event: &str) {
        let event = event.strip_suffix('\n').unwrap_or(event);
        self.write(&format!("{}\n", event.replace('\n', "\n  ")));
    }

    /// Shows the progress of a run until the returned future is dropped.
    pub(crate) async fn follow(&self, control: RunControl) -> Infallible {
        if self.terminal && !self.quiet && !self.json {
            let line = Line::start(&self.bar);
            let mut ticks = every(DRAW_EVERY);
            loop {
                ticks.tick().await;
                line.draw(&control.progress());
            }
        }
        let started = Instant::now();
        let mut ticks = every(LOG_EVERY);
        loop {
            ticks.tick().await;
            let progress = control.progress();
            tracing::info!(
                records = progress.records,
                proposals = progress.proposals,
                bytes = progress.source.bytes,
                extracted = progress.extraction.map(|extraction| extraction.extracted),
                spooled = progress.extraction.map(|extraction| extraction.waiting),
                delivered = progress.extraction.map(|extraction| extraction.delivered),
                seconds = started.elapsed().as_secs(),
                "in progress"
            );
        }
    }
}

/// A message in the form of the log's lines.
fn as_json(text: &str) -> String {
    let level = match text.split_once([':', '[']).map(|(label, _)| label) {
        Some("error" | "partial" | "interrupted") => "ERROR",
        Some("warning" | "waiting") => "WARN",
        _ => "INFO",
    };
    let timestamp = jiff::Timestamp::now().to_string();
    let message = text.trim_end_matches('\n');
    let line = serde_json::json!({
        "timestamp": timestamp,
        "level": level,
        "fields": {"message": message},
        "target": "datahub_emit",
    });
    format!("{line}\n")
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The progress line; it is removed when this is dropped.
struct Line<'a>(&'a ProgressBar);

impl<'a> Line<'a> {
    fn start(bar: &'a ProgressBar) -> Self {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        Self(bar)
    }

    fn draw(&self, progress: &RunProgress) {
        let template = match progress.source.total_bytes {
            Some(total) if total > 0 => {
                self.0.set_length(total);
                "{spinner} {msg}  {bytes} of {total_bytes} ({percent}%)  {eta} remaining"
            }
            _ => "{spinner} {msg}  {bytes}  {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        let seconds = self.0.elapsed().as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "the rate is shown as an integer")]
        let rate = progress.records as f64 / seconds;
        self.0.set_message(match progress.extraction {
            // The records of a child process arrive before they are read.
            Some(ExtractionProgress { extracted, waiting, delivered, .. }) => {
                format!("{extracted} extracted  {waiting} spooled  {delivered} delivered  {rate:.0}/s")
            }
            None => format!("{} records  {rate:.0}/s", progress.records),
        });
        self.0.set_position(progress.source.bytes);
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        self.0.set_draw_target(ProgressDrawTarget::hidden());
    }
}
