//! Password hashes, and the stored tokens and policies.

use rusqlite::{Connection, OptionalExtension, params};

/// One aspect of every entity of a type, with the URNs, in order.
pub(crate) fn of_type(
    connection: &Connection,
    entity_type: &str,
    aspect: &str,
) -> Result<Vec<(String, String)>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT urn, metadata FROM aspect
             WHERE urn >= ?1 AND urn < ?2 AND aspect = ?3 AND version = 0 ORDER BY urn",
        )?
        // `;` is the character after `:`.
        .query_map(
            [format!("urn:li:{entity_type}:"), format!("urn:li:{entity_type};"), aspect.to_owned()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect()
}

/// The hash of a user's password. It is not an aspect, so that no request can read or write it.
pub(crate) fn password(connection: &Connection, user_urn: &str) -> Result<Option<String>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name_of(user_urn)], |row| row.get(0))
        .optional()
}

/// Sets the hash of a user's password.
pub(crate) fn set_password(
    connection: &Connection,
    user_urn: &str,
    hash: &str,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?
        .execute(params![name_of(user_urn), hash])
        .map(drop)
}

/// Removes a user's password, so that a new user of the same name does not inherit it.
pub(super) fn forget_password(connection: &Connection, user_urn: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([name_of(user_urn)]).map(drop)
}

fn name_of(user_urn: &str) -> String {
    format!("password:{user_urn}")
}

/// Whether this is the first call for this database.
pub(crate) fn first_time(connection: &Connection, what: &str) -> Result<bool, rusqlite::Error> {
    let made = connection
        .prepare_cached("INSERT OR IGNORE INTO meta (name, value) VALUES (?1, '')")?
        .execute([format!("done:{what}")])?;
    Ok(made > 0)
}
