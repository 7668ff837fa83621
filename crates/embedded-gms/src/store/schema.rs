//! The database file: opening, tables, secrets.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::member;
use crate::error::{Error, ErrorKind};
use crate::model;

/// The location of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Memory,
    File(PathBuf),
}

/// Identifies the file (`PRAGMA application_id`): "dhEM" in ASCII.
const APPLICATION_ID: i32 = 0x6468_454D;

/// The version of the schema (`PRAGMA user_version`).
const SCHEMA_VERSION: i32 = 3;

/// How long a connection waits while another process writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of prepared statements that a connection caches.
const CACHED_STATEMENTS: usize = 64;

/// Version 0 of an aspect is the latest one. When it is replaced, the old value gets the next number from 1,
/// as in GMS (`metadata_aspect_v2`).
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

/// A row of a time series is identified by its timestamp and by `place`, which distinguishes rows with the
/// same timestamp.
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

/// The index of searches and relationships (`search::index`). The triggers note the entities whose latest
/// aspects have changed.
const INDEX: &str = "
    CREATE TABLE unindexed (urn TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TRIGGER aspect_inserted AFTER INSERT ON aspect WHEN new.version = 0 BEGIN
        INSERT OR IGNORE INTO unindexed VALUES (new.urn);
    END;
    CREATE TRIGGER aspect_updated AFTER UPDATE OF metadata, version ON aspect
        WHEN new.version = 0 OR old.version = 0 BEGIN
        INSERT OR IGNORE INTO unindexed VALUES (new.urn);
    END;
    CREATE TRIGGER aspect_deleted AFTER DELETE ON aspect WHEN old.version = 0 BEGIN
        INSERT OR IGNORE INTO unindexed VALUES (old.urn);
    END;
    CREATE TABLE document (
        id      INTEGER PRIMARY KEY,
        urn     TEXT NOT NULL UNIQUE,
        kind    TEXT NOT NULL,
        removed INTEGER NOT NULL,
        name    TEXT NOT NULL,
        body    TEXT NOT NULL
    );
    CREATE INDEX document_of_kind ON document (kind, removed, urn);
    CREATE VIRTUAL TABLE document_text
        USING fts5(body, tokenize = 'trigram', content = '', contentless_delete = 1);
    CREATE TABLE facet (
        name     TEXT NOT NULL,
        value    TEXT NOT NULL,
        document INTEGER NOT NULL,
        PRIMARY KEY (name, value, document)
    ) WITHOUT ROWID;
    CREATE INDEX facet_of_document ON facet (document);
    CREATE TABLE edge (
        owner        TEXT NOT NULL,
        aspect       TEXT NOT NULL,
        source       TEXT NOT NULL,
        relationship TEXT NOT NULL,
        destination  TEXT NOT NULL,
        lineage      INTEGER NOT NULL,
        created_on   INTEGER,
        created_by   TEXT,
        updated_on   INTEGER,
        updated_by   TEXT,
        via          TEXT,
        PRIMARY KEY (owner, aspect, source, relationship, destination)
    ) WITHOUT ROWID;
    CREATE INDEX edge_from ON edge (source, relationship);
    CREATE INDEX edge_to ON edge (destination, relationship);
    INSERT INTO unindexed SELECT DISTINCT urn FROM aspect WHERE version = 0;
";

/// Version 2 had no marks of what was set up; GMS's own user did that.
const MARKS_FOR_FORM_2: &str = "
    INSERT OR IGNORE INTO meta (name, value)
    SELECT 'setup:' || urn, '' FROM aspect
    WHERE version = 0 AND created_by = 'urn:li:corpuser:__datahub_system'
      AND aspect IN ('corpUserKey', 'corpGroupKey', 'dataHubPolicyKey');
";

/// Version 1 stored time series like other aspects, and stored patches without applying them. The values
/// become rows of the time series. The patches are dropped: the aspects that they refer to have changed
/// since.
const FROM_FORM_1: &str = "
    INSERT OR REPLACE INTO timeseries
        (urn, aspect, timestamp, place, metadata, system_metadata, created_on, created_by)
    SELECT urn, aspect, CAST(coalesce(member(metadata, 'timestampMillis'), created_on) AS INTEGER), version, metadata, system_metadata,
           created_on, created_by
    FROM aspect WHERE is_timeseries(aspect);
    DELETE FROM aspect WHERE is_timeseries(aspect);
    DROP TABLE patch;
";

/// The secrets of the tokens. They are in the data file, so that tokens survive the process.
pub(crate) struct Secrets {
    /// The HS256 key: the bytes of this text, as in GMS's `DATAHUB_TOKEN_SERVICE_SIGNING_KEY`.
    pub(crate) signing_key: String,
    /// The salt of token ids, as GMS's `DATAHUB_TOKEN_SERVICE_SALT`.
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

/// Opens a connection for reading.
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

/// Merges the write-ahead log into the file. A reader in another process may prevent it, and does it when it
/// closes.
pub(super) fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::debug!(%error, "the write-ahead log stays beside the data file");
    }
}

/// Creates the file with access for its owner only: it contains the signing key.
fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    #[cfg(unix)]
    for name in ["", "-wal", "-shm"] {
        make_private(path, name);
    }
    Ok(())
}

/// Takes the permissions of others away from a file that exists already. SQLite gives the files beside the
/// database the permissions of the database.
#[cfg(unix)]
fn make_private(path: &Path, suffix: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    let Ok(metadata) = fs::metadata(&name) else { return };
    if metadata.permissions().mode() & 0o077 != 0
        && let Err(error) = fs::set_permissions(&name, fs::Permissions::from_mode(0o600))
    {
        tracing::warn!(%error, "other users can read the data file of the embedded GMS, and that cannot be changed");
    }
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    member::register(connection)?;
    // With a write-ahead log, NORMAL keeps the file consistent if the process is killed; only a power failure
    // can lose the last commits.
    let mut tries = 0;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            // SQLite does not wait here for another process that creates the same file at this moment.
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

/// Creates missing tables and secrets.
fn prepare(connection: &mut Connection) -> Result<Secrets, Box<dyn std::error::Error + Send + Sync>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i32 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if tables == 0 => {
            transaction.execute_batch(TABLES)?;
            transaction.execute_batch(TIMESERIES)?;
            transaction.execute_batch(INDEX)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        (APPLICATION_ID, 1) => {
            transaction.execute_batch(TIMESERIES)?;
            transaction.execute_batch(&FROM_FORM_1.replace("is_timeseries(aspect)", &timeseries_names()))?;
            transaction.execute_batch(MARKS_FOR_FORM_2)?;
            transaction.execute_batch(INDEX)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        (APPLICATION_ID, 2) => {
            transaction.execute_batch(MARKS_FOR_FORM_2)?;
            transaction.execute_batch(INDEX)?;
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

/// An SQL condition for the names of time-series aspects.
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
