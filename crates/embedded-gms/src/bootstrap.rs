//! The entities that every server has.

use crate::actor::ADMINISTRATOR;
use crate::authorization::{self, Policy};
use crate::failure::Failure;
use crate::store::access;
use crate::store::row::AuditStamp;
use crate::user;
use rusqlite::Connection;

/// Creates the administrator and, in a new database, the policy that lets every user read everything.
pub(crate) fn bootstrap(connection: &Connection, stamp: &AuditStamp) -> Result<(), Failure> {
    user::ensure(connection, ADMINISTRATOR, stamp)?;
    if access::first_time(connection, "view-for-all")? {
        authorization::store_policy(connection, &Policy::view_for_all(), stamp)?;
    }
    Ok(())
}
