//! Who may do what: the policies that are stored, and what each kind of request asks of them.

mod operation;
mod policy;
mod privilege;
mod stored;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use super::authentication::Actor;
use super::change::{self, Change};
use super::failure::Failure;
use super::store::Store;
use super::{SYSTEM_ACTOR, user};
use crate::metadata::Urn;
use privilege::MANAGE_SYSTEM_OPERATIONS;
use stored::Stored;

pub(super) use operation::Operation;
pub use policy::Policy;
pub(super) use policy::known;
pub(super) use privilege::{GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS, RESTORE_INDICES};
pub(super) use stored::list;

/// How long policies are not read again, which bounds how late those are noticed that another process on the same file
/// wrote. What happens in this process counts at once.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Knows the policies.
#[derive(Debug)]
pub(super) struct Authorization {
    /// Whether Rest.li and OpenAPI ask at all (`authorization.restApiAuthorization`).
    rest: bool,
    /// The name of a caller who comes as GMS itself.
    system_client: Option<String>,
    store: Arc<Store>,
    policies: Mutex<Option<Policies>>,
    generation: AtomicU64,
}

#[derive(Clone, Debug)]
struct Policies {
    generation: u64,
    since: Instant,
    stored: Arc<Vec<Stored>>,
}

/// What the caller of a request may do.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    /// His URN.
    user: String,
    /// May do everything, whatever the policies say: the administrator, and GMS itself.
    root: bool,
    rest: bool,
    policies: Arc<Vec<Stored>>,
}

impl Authorization {
    pub(super) fn new(rest: bool, system_client: Option<String>, store: Arc<Store>) -> Self {
        Self { rest, system_client, store, policies: Mutex::default(), generation: AtomicU64::new(0) }
    }

    /// Reads the policies again: they may have changed.
    pub(super) fn doubt(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// What a caller may do.
    ///
    /// # Errors
    /// When the policies cannot be read.
    pub(super) async fn rights(&self, actor: &Actor) -> Result<Rights, Failure> {
        Ok(Rights {
            user: user::urn(&actor.0),
            root: [user::ADMINISTRATOR, SYSTEM_ACTOR].contains(&actor.0.as_str())
                || self.system_client.as_ref() == Some(&actor.0),
            rest: self.rest,
            policies: self.policies().await?,
        })
    }

    async fn policies(&self) -> Result<Arc<Vec<Stored>>, Failure> {
        let generation = self.generation.load(Ordering::Acquire);
        let known = self.policies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known
            && known.generation == generation
            && known.since.elapsed() < REMEMBERED_FOR
        {
            return Ok(known.stored);
        }
        let since = Instant::now();
        let stored = Arc::new(self.store.read(stored::all).await?);
        *self.policies.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Policies { generation, since, stored: Arc::clone(&stored) });
        Ok(stored)
    }
}

impl Rights {
    /// His URN.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Whether he may do everything.
    pub(super) fn is_root(&self) -> bool {
        self.root
    }

    /// Whether he holds a privilege of the platform, by which GraphQL goes.
    pub(super) fn holds(&self, privilege: &str) -> bool {
        self.root || self.given(privilege, "", "")
    }

    /// Whether REST lets him do something to an entity, or with an empty URN to any of the type.
    pub(super) fn may(&self, operation: Operation, entity_type: &str, urn: &str) -> bool {
        !self.rest
            || self.root
            || operation
                .privileges(entity_type)
                .iter()
                .any(|privilege| self.given(privilege, entity_type, urn))
    }

    /// Whether REST lets him do everything to any entity of a type (`ApiOperation.MANAGE`).
    pub(super) fn may_manage(&self, entity_type: &str) -> bool {
        use Operation::{Create, Delete, Read, Update};
        [Create, Read, Update, Delete].iter().all(|operation| self.may(*operation, entity_type, ""))
    }

    /// Whether REST lets him do what an administrator does, to one entity or with empty names to all
    /// (`AuthUtil.isAPIOperationsAuthorized`).
    pub(super) fn may_operate(&self, privilege: &str, entity_type: &str, urn: &str) -> bool {
        let either = [privilege, MANAGE_SYSTEM_OPERATIONS];
        !self.rest || self.root || either.iter().any(|privilege| self.given(privilege, entity_type, urn))
    }

    fn given(&self, privilege: &str, entity_type: &str, urn: &str) -> bool {
        let mut policies = self.policies.iter().filter(|policy| policy.is_for(&self.user));
        policies.any(|policy| policy.gives(privilege, entity_type, urn))
    }

    /// Refuses what he may not do to an entity, in the words that `refusal` makes of his URN.
    ///
    /// # Errors
    /// 403.
    pub(super) fn check(
        &self,
        operation: Operation,
        urn: &Urn,
        refusal: impl FnOnce(&str) -> String,
    ) -> Result<(), Failure> {
        if self.may(operation, urn.entity_type(), urn.as_str()) {
            return Ok(());
        }
        Err(forbidden(refusal(&self.user)))
    }

    /// Refuses proposals over Rest.li: all of them if one may not be made, and with all those that may not
    /// (`AspectResource`).
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_proposals(
        &self,
        targets: impl Iterator<Item = (change::Operation, Urn)>,
    ) -> Result<(), Failure> {
        if !self.rest || self.root {
            return Ok(());
        }
        let refused: Vec<_> = targets
            .filter(|(operation, urn)| !self.may(Operation::of(*operation), urn.entity_type(), urn.as_str()))
            .map(|(_, urn)| format!("HttpStatus: 403 Urn: {urn}"))
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        Err(forbidden(format!("User {} is unauthorized to modify entity: {}", self.user, refused.join(", "))))
    }

    /// Refuses snapshots, which only need the right to create (`EntityResource`).
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_snapshots(&self, changes: &[Change], single: bool) -> Result<(), Failure> {
        let mut urns = changes.iter().map(|change| &change.urn);
        match urns.find(|urn| !self.may(Operation::Create, urn.entity_type(), urn.as_str())) {
            None => Ok(()),
            Some(urn) if single => {
                Err(forbidden(format!("User {} is unauthorized to edit entity {urn}", self.user)))
            }
            Some(_) => Err(forbidden(format!("User {} is unauthorized to edit entities.", self.user))),
        }
    }

    /// Refuses a call of OpenAPI on all entities of a type (`GenericEntitiesController`).
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_type(&self, operation: Operation, entity_type: &str) -> Result<(), Failure> {
        if self.may(operation, entity_type, "") { Ok(()) } else { Err(self.openapi_refusal(operation)) }
    }

    /// Refuses a call of OpenAPI on one entity.
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_entity(&self, operation: Operation, urn: &Urn) -> Result<(), Failure> {
        self.check(operation, urn, |_| String::new()).map_err(|_| self.openapi_refusal(operation))
    }

    fn openapi_refusal(&self, operation: Operation) -> Failure {
        forbidden(format!("{} is unauthorized to {} entities.", self.user, operation.name()))
    }
}

/// 403.
pub(super) fn forbidden(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, message)
}
