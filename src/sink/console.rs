//! The `console` sink: JSON Lines on standard output.

use std::io::{self, Write};
use std::time::Duration;

use super::stream::{Layout, Stream, StreamTarget};
use super::{BoxFuture, Sink, SinkDestination, SinkReport};
use crate::Error;
use crate::emitter::Delivery;
use crate::platform::Platform;

/// Prints each proposal as one line of compact JSON, in the form that the `file` source reads. (DataHub's own
/// console sink prints the `repr` of the Python object, which nothing can read back.)
///
/// When the process that reads standard output ends, as `head` does, the sink [stops](Sink::stopped) with an
/// error of kind [`OutputClosed`](crate::ErrorKind::OutputClosed): proposals that were read and not printed
/// are undelivered.
#[derive(Debug)]
pub struct ConsoleSink {
    stream: Stream,
}

impl ConsoleSink {
    /// Prints to standard output.
    ///
    /// # Errors
    /// Of kind [`Internal`](crate::ErrorKind::Internal) when the operating system refuses a thread.
    pub fn open(platform: &Platform) -> Result<Self, Error> {
        let stream =
            Stream::start("standard output".into(), Box::new(StandardOutput), Layout::Lines, platform)?;
        Ok(Self { stream })
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

impl StreamTarget for StandardOutput {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }

    fn never_blocks_for_long(&self) -> bool {
        false
    }

    fn reader_may_leave(&self) -> bool {
        true
    }
}

impl Sink for ConsoleSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(self.stream.write(delivery))
    }

    fn stopped(&self) -> Option<Error> {
        self.stream.stopped()
    }

    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.stream.close(deadline))
    }

    fn report(&self) -> SinkReport {
        SinkReport::of_destination(SinkDestination::written())
    }

    fn is_resumable(&self) -> bool {
        true
    }
}
