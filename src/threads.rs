//! The threads of a run: reading a source and writing files may block, so neither runs on the threads of the
//! async runtime.
//!
//! The work of a thread is a future. [`OsThreads`], the production implementation, drives it on a thread of
//! its own, where it may block. A simulation can spawn it as a task instead, as long as the source and the
//! file system that it uses do not block.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};

use tokio::sync::oneshot;

/// The work of a thread.
pub type ThreadWork = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts threads.
pub trait Threads: Send + Sync + fmt::Debug {
    /// Starts a thread with this name that drives `work` to its end.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    fn spawn(&self, name: &'static str, work: ThreadWork) -> io::Result<ThreadHandle>;
}

/// A started thread.
#[derive(Debug)]
pub struct ThreadHandle(Option<JoinHandle<()>>);

impl ThreadHandle {
    /// For a thread of the operating system.
    pub fn of_thread(thread: JoinHandle<()>) -> Self {
        Self(Some(thread))
    }

    /// For work that runs as a task of the current thread: nothing can wait for it by blocking.
    pub fn of_task() -> Self {
        Self(None)
    }
}

/// Threads of the operating system. Must be used where a tokio runtime runs if the work needs its timers or
/// sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsThreads;

impl Threads for OsThreads {
    fn spawn(&self, name: &'static str, work: ThreadWork) -> io::Result<ThreadHandle> {
        let runtime = tokio::runtime::Handle::try_current().ok();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            // `Handle::block_on` would keep the work from calling `block_on` itself, which a source may do.
            let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
            block_on(work);
        })?;
        Ok(ThreadHandle::of_thread(thread))
    }
}

/// A thread whose end can be waited for.
#[derive(Debug)]
pub(crate) struct Worker {
    thread: Option<JoinHandle<()>>,
    ended: oneshot::Receiver<()>,
}

impl Worker {
    pub(crate) fn start(
        threads: &dyn Threads,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, ended) = oneshot::channel();
        let work = async move {
            // Dropped also if the work panics.
            let _sender = sender;
            work.await;
        };
        let ThreadHandle(thread) = threads.spawn(name, Box::pin(work))?;
        Ok(Self { thread, ended })
    }

    /// Resolves when the work has ended, also by a panic.
    pub(crate) async fn ended(&mut self) {
        // Nothing is ever sent: the sender is dropped.
        drop((&mut self.ended).await);
    }

    /// Blocks until a thread of the operating system has ended.
    pub(crate) fn join(self) {
        if let Some(thread) = self.thread {
            // The panic hook has reported a panic, and the work's results are missing where they were waited
            // for.
            drop(thread.join());
        }
    }
}

/// Runs `work`, which may block, on a thread of its own. Dropping the future does not stop the work.
///
/// # Errors
/// When there is no thread, or `work` panicked.
pub(crate) async fn run_blocking<T: Send + 'static>(
    threads: &dyn Threads,
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, result) = oneshot::channel();
    let work = async move {
        // No one waits for the result any more if the run was stopped.
        drop(sender.send(work()));
    };
    threads.spawn(name, Box::pin(work))?;
    result.await.map_err(|_| io::Error::other("the thread ended before its work did"))
}

/// Drives `future` on this thread, which sleeps while there is nothing to do.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), is_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        // Whatever else parks this thread, a wake is not lost.
        while !unpark.is_woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Unpark {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_on_waits_for_a_wake_from_another_thread() {
        let (sender, receiver) = oneshot::channel();
        let other = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(receiver), Ok(7));
        other.join().unwrap();
    }

    #[tokio::test]
    async fn the_work_may_block_on_the_runtime_and_use_its_timers() {
        let runtime = tokio::runtime::Handle::current();
        let work = move || runtime.block_on(async { tokio::time::sleep(std::time::Duration::ZERO).await });
        run_blocking(&OsThreads, "test", work).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_ends_the_worker_and_is_an_error_of_blocking_work() {
        let mut worker = Worker::start(&OsThreads, "test", async { panic!("on purpose") }).unwrap();
        worker.ended().await;
        worker.join();
        let result = run_blocking(&OsThreads, "test", || panic!("on purpose")).await;
        assert!(result.is_err());
    }
}
