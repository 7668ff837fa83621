//! The database file: opening it, its tables, its secrets.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::{Location, member};
use crate::model;
use crate::{Error, ErrorKind};

/// Marks the file as one of ours (`PRAGMA application_id`): "dhEM" in ASCII.
const APPLICATION_ID: i32 = 0x6468_454D;

/// The form of the tables (`PRAGMA user_version`).
const SCHEMA_VERSION: i32 = 2;

/// How long a connection waits for its turn when another process writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements that a connection keeps prepared.
const CACHED_STATEMENTS: usize = 64;

/// Version 0 of an aspect is the latest one; when it is replaced, the old value gets the next number from 1 up, as GMS
/// keeps them (`metadata_aspect_v2`).
const TABLES: &str = "
    CREATE TABLE aspect (
        urn             TEXT NOT NULL,
        aspect          TEXT NOT NULL,
        version         INTEGER NOT NULL,
        metadata        TEXT NOT NULL,
        system_metadata TEXT NOT NULL,
        created_on      INTEGER NOT NULL,
        created_by      TEXT NOT NULL,
        PRIMARY KEY (urn, aspect, version)
    );
    CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL
    );
";

/// A row of a time series is named by its time and by `place`, what else tells it from others of that time.
const TIMESERIES: &str = "
    CREATE TABLE timeseries (
        urn             TEXT NOT NULL,
        aspect          TEXT NOT NULL,
        timestamp       INTEGER NOT NULL,
        place           TEXT NOT NULL,
        metadata        TEXT NOT NULL,
        system_metadata TEXT NOT NULL,
        created_on      INTEGER NOT NULL,
        created_by      TEXT NOT NULL,
        PRIMARY KEY (urn, aspect, timestamp, place)
    );
";

/// Form 1 kept time series like other aspects, and patches without applying them. What it kept of a time series becomes
/// rows; the patches cannot be applied any more, because what they were meant for has changed since.
const FROM_FORM_1: &str = "
    INSERT OR REPLACE INTO timeseries
        (urn, aspect, timestamp, place, metadata, system_metadata, created_on, created_by)
    SELECT urn, aspect, CAST(coalesce(member(metadata, 'timestampMillis'), created_on) AS INTEGER), version, metadata, system_metadata,
           created_on, created_by
    FROM aspect WHERE is_timeseries(aspect);
    DELETE FROM aspect WHERE is_timeseries(aspect);
    DROP TABLE patch;
";

/// What tokens are signed with and named by. They live in the data file, so that tokens outlive the process.
pub(crate) struct Secrets {
    /// The HS256 key, as GMS takes it from `DATAHUB_TOKEN_SERVICE_SIGNING_KEY`: the bytes of this text.
    pub(crate) signing_key: String,
    /// Goes into a token's id, as `DATAHUB_TOKEN_SERVICE_SALT`.
    pub(crate) salt: String,
}

/// Opens the database for writing.
pub(super) fn open(location: &Location) -> Result<(Connection, Secrets), Error> {
    let failed = |message: &str, error: Box<dyn std::error::Error + Send + Sync>| {
        let place = match location {
            Location::Memory => "in memory".to_owned(),
            Location::File(path) => path.display().to_string(),
        };
        Error::new(
            ErrorKind::Disk,
            format!("the embedded GMS cannot {message} its data file ({place}): {error}"),
        )
        .with_source(error)
    };
    let mut connection = match location {
        Location::Memory => Connection::open_in_memory(),
        Location::File(path) => {
            create_private(path).map_err(|error| failed("create", error.into()))?;
            Connection::open_with_flags(
                path,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )
        }
    }
    .map_err(|error| failed("open", error.into()))?;
    configure(&connection).map_err(|error| failed("open", error.into()))?;
    let secrets = prepare(&mut connection).map_err(|error| failed("use", error))?;
    Ok((connection, secrets))
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    member::register(&connection)?;
    Ok(connection)
}

/// Brings the write-ahead log into the file. Another process that reads may hold it up, and then does it at its own end.
pub(super) fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::debug!(%error, "the write-ahead log stays beside the data file");
    }
}

/// Makes the file so that only its owner can read it: it holds the key that tokens are signed with.
fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    member::register(connection)?;
    // With a write-ahead log, NORMAL keeps the file whole at any kill; only a power failure can cost the last commits.
    let mut tries = 0;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            // SQLite does not wait here for another process that opens the same new file in this moment.
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && tries < 200 =>
            {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            result => break result?,
        }
    }
    connection.pragma_update(None, "synchronous", "NORMAL")
}

/// Makes the tables and the secrets where they are missing.
fn prepare(connection: &mut Connection) -> Result<Secrets, Box<dyn std::error::Error + Send + Sync>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i32 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if tables == 0 => {
            transaction.execute_batch(TABLES)?;
            transaction.execute_batch(TIMESERIES)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        (APPLICATION_ID, 1) => {
            transaction.execute_batch(TIMESERIES)?;
            transaction.execute_batch(&FROM_FORM_1.replace("is_timeseries(aspect)", &timeseries_names()))?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        (APPLICATION_ID, SCHEMA_VERSION) => {}
        (APPLICATION_ID, newer) => {
            return Err(format!(
                "it has form {newer} and this program knows form {SCHEMA_VERSION}: use the program that made it"
            )
            .into());
        }
        _ => return Err("it is an SQLite database of something else: name another file".into()),
    }
    let secrets =
        Secrets { signing_key: secret(&transaction, "signing_key")?, salt: secret(&transaction, "salt")? };
    transaction.commit()?;
    Ok(secrets)
}

/// A condition on the names of time-series aspects.
fn timeseries_names() -> String {
    let names: Vec<_> = model::TIMESERIES.iter().map(|name| format!("'{name}'")).collect();
    format!("aspect IN ({})", names.join(","))
}

fn secret(
    transaction: &Transaction<'_>,
    name: &str,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let stored = transaction
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    if let Some(stored) = stored {
        return Ok(stored);
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers for {name}: {error}"))?;
    let made = STANDARD.encode(bytes);
    transaction.execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", [name, &made])?;
    Ok(made)
}
