//! The store of aspects: SQLite with one writer thread and separate connections for readers.
//!
//! Waiting writes share a commit. Each runs in a savepoint, so that a refused write does not affect the
//! others, and all are receiver after the commit. A database in memory has a single connection, so its reads
//! run on the writer thread.

pub(super) mod access;
pub(super) mod contents;
pub(super) mod read;
pub(super) mod row;
pub(super) mod runs;
pub(super) mod timeseries;
pub(super) mod write;

mod member;
mod schema;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::JoinHandle;

use crate::error::{Error, ErrorKind};
use crate::failure::Failure;
use crate::sync::lock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

pub(super) use schema::{Location, Secrets};

/// The number of writes that may wait; further requests wait for capacity.
const WAITING_WRITES: usize = 256;

/// The greatest number of writes in a commit, so that the first one does not wait long.
const WRITES_PER_COMMIT: usize = 64;

/// The store. After [`close`](Self::close), every operation fails.
#[derive(Debug)]
pub(super) struct Store {
    jobs: mpsc::Sender<Job>,
    readers: Option<Readers>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    runtime: Handle,
}

enum Job {
    Write(WriteJob),
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Close,
}

/// The number of idle connections that are kept for readers. More may be open at a time.
const IDLE_READERS: usize = 4;

/// Runs on the connection, or receives the error, and returns whether to keep the changes.
type WriteJob = Box<dyn FnOnce(Result<&Connection, &rusqlite::Error>) -> WriteResult + Send>;

/// Reports the result of the commit to the caller.
type CommitCallback = Box<dyn FnOnce(Result<(), &rusqlite::Error>)>;

struct WriteResult {
    keep: bool,
    finish: CommitCallback,
}

impl Store {
    /// Opens the database, creates its tables, and starts the writer thread. Blocks.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if the file cannot be opened or belongs to another program.
    pub(super) fn open(location: &Location, runtime: Handle) -> Result<(Self, Secrets), Error> {
        let (connection, secrets) = schema::open(location)?;
        let readers = match location {
            Location::Memory => None,
            Location::File(path) => Some(Readers { path: path.clone(), idle: Mutex::default(), runtime }),
        };
        let (jobs, waiting) = mpsc::channel(WAITING_WRITES);
        let writer = std::thread::Builder::new()
            .name("embedded-gms-writer".into())
            .spawn(move || work(connection, waiting))
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot start the embedded GMS's writing thread")
                    .with_source(error)
            })?;
        let store = Self { jobs, readers, writer: Mutex::new(Some(writer)) };
        Ok((store, secrets))
    }

    /// Runs `work` in a transaction, and keeps its changes if it returns `Ok`.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: WriteJob = Box::new(move |connection| {
            let result = connection.map_err(Failure::from).and_then(|connection| caught(|| work(connection)));
            WriteResult {
                keep: result.is_ok(),
                finish: Box::new(move |committed| {
                    // The caller may be gone: its client has disconnected.
                    drop(
                        sender
                            .send(result.and_then(|value| committed.map(|()| value).map_err(Failure::from))),
                    );
                }),
            }
        });
        self.jobs.send(Job::Write(job)).await.map_err(|_| Failure::stopped())?;
        receiver.await.unwrap_or_else(|_| Err(Failure::stopped()))
    }

    /// Runs `work` on the committed data.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let Some(readers) = &self.readers else {
            let (sender, receiver) = oneshot::channel();
            let job = Box::new(move |connection: &Connection| {
                drop(sender.send(caught(|| Ok(work(connection)?))));
            });
            self.jobs.send(Job::Read(job)).await.map_err(|_| Failure::stopped())?;
            return receiver.await.map_err(|_| Failure::stopped())?;
        };
        let (idle, path) = (readers.take(), readers.path.clone());
        let (connection, result) = readers
            .runtime
            .spawn_blocking(move || {
                let connection = match idle {
                    Some(connection) => connection,
                    None => schema::open_reader(&path)?,
                };
                let result = caught(|| Ok(work(&connection)?));
                Ok::<_, Failure>((connection, result))
            })
            .await
            .map_err(|_| Failure::stopped())??;
        readers.give_back(connection);
        result
    }

    /// Finishes the waiting writes, merges the write-ahead log into the file, and closes it. Blocks.
    pub(super) fn close(&self) {
        let writer = lock(&self.writer).take();
        let Some(writer) = writer else { return };
        // The readers are closed first, so that the last connection removes the log.
        if let Some(readers) = &self.readers {
            lock(&readers.idle).clear();
        }
        // Fails only if the thread has already ended.
        drop(self.jobs.blocking_send(Job::Close));
        drop(writer.join());
    }
}

impl Readers {
    fn take(&self) -> Option<Connection> {
        lock(&self.idle).pop()
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
    }
}

/// Runs the work of one request. If it panics, only that request fails: its savepoint is rolled back.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let panicked = |_| Err(Failure::internal("java.lang.RuntimeException: the embedded GMS panicked"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

/// The writer thread.
fn work(mut connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut next = jobs.blocking_recv();
    while let Some(job) = next {
        next = match job {
            Job::Write(write) => commit_together(&mut connection, write, &mut jobs),
            Job::Read(read) => {
                read(&connection);
                None
            }
            Job::Close => break,
        };
        if next.is_none() {
            next = jobs.blocking_recv();
        }
    }
    schema::checkpoint(&connection);
}

/// Runs `first` and the writes waiting behind it in one transaction. Returns the job that ended the series,
/// if any.
fn commit_together(
    connection: &mut Connection,
    first: WriteJob,
    jobs: &mut mpsc::Receiver<Job>,
) -> Option<Job> {
    let mut steps = Vec::new();
    let mut after = None;
    let result = transaction(connection, first, jobs, &mut steps, &mut after);
    for step in steps {
        (step.finish)(result.as_ref().copied());
    }
    after
}

fn transaction(
    connection: &mut Connection,
    first: WriteJob,
    jobs: &mut mpsc::Receiver<Job>,
    steps: &mut Vec<WriteResult>,
    after: &mut Option<Job>,
) -> Result<(), rusqlite::Error> {
    // Acquires the write lock at the start, so that waiting for another process happens only here.
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            steps.push(first(Err(&error)));
            return Err(error);
        }
    };
    let mut write = first;
    loop {
        if let Err(error) = transaction.execute_batch("SAVEPOINT change") {
            steps.push(write(Err(&error)));
            return Err(error);
        }
        let step = write(Ok(&transaction));
        let keep = step.keep;
        steps.push(step);
        transaction.execute_batch(if keep {
            "RELEASE change"
        } else {
            "ROLLBACK TO change; RELEASE change"
        })?;
        if steps.len() >= WRITES_PER_COMMIT {
            break;
        }
        match jobs.try_recv() {
            Ok(Job::Write(another)) => write = another,
            Ok(job) => {
                *after = Some(job);
                break;
            }
            Err(_) => break,
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_fails_its_request_alone() {
        let directory = tempfile::tempdir().unwrap();
        for location in [Location::Memory, Location::File(directory.path().join("gms.db"))] {
            let (store, _) = Store::open(&location, Handle::current()).unwrap();
            let write = |number: i32, then: fn()| {
                store.write(move |connection| {
                    connection.execute("INSERT INTO meta VALUES (?1, 'x')", [number])?;
                    then();
                    Ok(())
                })
            };
            let read = |then: fn()| {
                store.read(move |connection| {
                    then();
                    connection.query_row("SELECT group_concat(name) FROM meta WHERE value = 'x'", [], |row| {
                        row.get::<_, String>(0)
                    })
                })
            };
            let fail = || assert!(std::hint::black_box(false), "as a fault would");
            write(1, || ()).await.unwrap();
            assert!(write(2, fail).await.unwrap_err().message().contains("panicked"));
            assert!(read(fail).await.unwrap_err().message().contains("panicked"));
            write(3, || ()).await.unwrap();
            assert_eq!(read(|| ()).await.unwrap(), "1,3");
            tokio::task::spawn_blocking(move || store.close()).await.unwrap();
        }
    }
}
