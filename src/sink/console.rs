//! The `console` sink: a record a line on standard output.

use std::io::{self, Write};
use std::time::Duration;

use super::stream::Stream;
use super::writer::{Layout, Target};
use super::{BoxFuture, Sink, SinkSummary};
use crate::Error;
use crate::emitter::Delivery;

/// Prints each proposal as one line of compact JSON, in the form that the `file` source reads. (DataHub's own console
/// sink prints Python's idea of the record, which nothing reads.)
///
/// When whoever reads standard output ends, as `head` does, the sink [stops](Sink::stopped) with an error of kind
/// [`OutputClosed`](crate::ErrorKind::OutputClosed): proposals that were read and not printed are undelivered.
#[derive(Debug)]
pub struct ConsoleSink {
    stream: Stream,
}

impl ConsoleSink {
    /// Prints to standard output.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { stream: Stream::start("standard output".into(), Box::new(StandardOutput), Layout::Lines)? })
    }
}

struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

impl Target for StandardOutput {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }

    fn is_prompt(&self) -> bool {
        false
    }

    fn may_be_left(&self) -> bool {
        true
    }
}

impl Sink for ConsoleSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(self.stream.write(delivery))
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn stopped(&self) -> Option<Error> {
        self.stream.stopped()
    }

    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.stream.close(deadline))
    }

    fn summary(&self) -> SinkSummary {
        Stream::summary()
    }
}
