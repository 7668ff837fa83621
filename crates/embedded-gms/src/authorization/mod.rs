//! Who may do what: the policies that are stored, and what each kind of request asks of them.

mod actor;
mod operation;
mod policy;
mod privilege;
mod stored;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use super::authentication::Actor;
use super::change::{self, Change};
use super::failure::Failure;
use super::store::Store;
use super::{SYSTEM_ACTOR, user};
use crate::Urn;
use actor::{Asker, ByOwnership, Ownership};
use stored::Stored;

pub(super) use operation::Operation;
pub use policy::Policy;
pub(super) use policy::known;
pub(super) use privilege::{
    GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS, MANAGE_SYSTEM_OPERATIONS, RESTORE_INDICES,
};
pub(super) use stored::list;

/// How long policies and memberships are not read again, which bounds how late those are noticed that another process
/// on the same file wrote. What happens in this process counts at once.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Knows the policies.
#[derive(Debug)]
pub(super) struct Authorization {
    /// Whether Rest.li and OpenAPI ask at all (`authorization.restApiAuthorization`).
    rest: bool,
    /// The name of a caller who comes as GMS itself.
    system_client: Option<String>,
    store: Arc<Store>,
    known: Mutex<HashMap<String, Known>>,
    generation: AtomicU64,
}

/// What was read for a user.
#[derive(Clone, Debug)]
struct Known {
    generation: u64,
    since: Instant,
    asker: Arc<Asker>,
    policies: Arc<Vec<Stored>>,
}

/// What the caller of a request may do.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    asker: Arc<Asker>,
    /// May do everything, whatever the policies say: the administrator, and GMS itself.
    root: bool,
    rest: bool,
    policies: Arc<Vec<Stored>>,
    /// Where the owners of an entity are looked up.
    store: Arc<Store>,
}

impl Authorization {
    pub(super) fn new(rest: bool, system_client: Option<String>, store: Arc<Store>) -> Self {
        Self { rest, system_client, store, known: Mutex::default(), generation: AtomicU64::new(0) }
    }

    /// Reads policies and memberships again: they may have changed.
    pub(super) fn doubt(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// What a caller may do.
    ///
    /// # Errors
    /// When policies or memberships cannot be read.
    pub(super) async fn rights(&self, actor: &Actor) -> Result<Rights, Failure> {
        let Known { asker, policies, .. } = self.known(user::urn(&actor.0)).await?;
        Ok(Rights {
            asker,
            root: [user::ADMINISTRATOR, SYSTEM_ACTOR].contains(&actor.0.as_str())
                || self.system_client.as_ref() == Some(&actor.0),
            rest: self.rest,
            policies,
            store: Arc::clone(&self.store),
        })
    }

    async fn known(&self, user: String) -> Result<Known, Failure> {
        let generation = self.generation.load(Ordering::Acquire);
        let fresh = |known: &Known| known.generation == generation && known.since.elapsed() < REMEMBERED_FOR;
        let remembered = self.memory().get(&user).filter(|known| fresh(known)).cloned();
        if let Some(known) = remembered {
            return Ok(known);
        }
        let since = Instant::now();
        let (asker, policies) = self
            .store
            .read({
                let user = user.clone();
                move |connection| Ok((Asker::read(connection, user)?, stored::all(connection)?))
            })
            .await?;
        let known = Known { generation, since, asker: Arc::new(asker), policies: Arc::new(policies) };
        let mut memory = self.memory();
        memory.retain(|_, known| fresh(known));
        memory.insert(user, known.clone());
        Ok(known)
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rights {
    /// His URN.
    pub(super) fn user(&self) -> &str {
        &self.asker.user
    }

    /// Whether he may do everything.
    pub(super) fn is_root(&self) -> bool {
        self.root
    }

    /// Whether he holds a privilege of the platform, by which GraphQL goes.
    pub(super) fn holds(&self, privilege: &str) -> bool {
        self.root || self.given(&[privilege], "", "")
    }

    /// Whether REST lets him do something to any entity of a type.
    pub(super) fn may_all(&self, operation: Operation, entity_type: &str) -> bool {
        !self.rest || self.root || self.given(operation.privileges(entity_type), entity_type, "")
    }

    /// Whether REST lets him do everything to any entity of a type (`ApiOperation.MANAGE`).
    pub(super) fn may_manage(&self, entity_type: &str) -> bool {
        use Operation::{Create, Delete, Read, Update};
        [Create, Read, Update, Delete].iter().all(|operation| self.may_all(*operation, entity_type))
    }

    /// Whether REST lets him do what an administrator does, to one entity or with empty names to all
    /// (`AuthUtil.isAPIOperationsAuthorized`).
    pub(super) fn may_operate(&self, privilege: &str, entity_type: &str, urn: &str) -> bool {
        let either = [privilege, MANAGE_SYSTEM_OPERATIONS];
        !self.rest || self.root || self.given(&either, entity_type, urn)
    }

    /// Which of these REST does not let him do, in their order. Who owns an entity is looked up, for all of them at once,
    /// only where it decides.
    ///
    /// # Errors
    /// When the owners cannot be read.
    pub(super) async fn refused(
        &self,
        wanted: impl IntoIterator<Item = (Operation, Urn)>,
    ) -> Result<Vec<Urn>, Failure> {
        if !self.rest || self.root {
            return Ok(Vec::new());
        }
        let mut refused: Vec<_> = wanted
            .into_iter()
            .filter(|(operation, urn)| {
                let entity_type = urn.entity_type();
                !self.given(operation.privileges(entity_type), entity_type, urn.as_str())
            })
            .collect();
        let owner_may =
            |(operation, urn): &(Operation, Urn)| self.for_owners(*operation, urn).next().is_some();
        if refused.iter().any(owner_may) {
            let asked: Vec<_> =
                refused.iter().filter(|one| owner_may(one)).map(|(_, urn)| urn.to_string()).collect();
            let owners = self.store.read(move |connection| Ownership::read(connection, asked)).await?;
            refused.retain(|(operation, urn)| {
                !self
                    .for_owners(*operation, urn)
                    .any(|policy| owners.is_owner(urn.as_str(), &self.asker, policy))
            });
        }
        Ok(refused.into_iter().map(|(_, urn)| urn).collect())
    }

    /// The policies that would let him do it as an owner.
    fn for_owners(&self, operation: Operation, urn: &Urn) -> impl Iterator<Item = ByOwnership<'_>> {
        let entity_type = urn.entity_type();
        let privileges = operation.privileges(entity_type);
        self.policies
            .iter()
            .filter(move |policy| policy.gives_any(privileges, entity_type, urn.as_str()))
            .filter_map(Stored::owners)
    }

    fn given(&self, privileges: &[&str], entity_type: &str, urn: &str) -> bool {
        let mut policies = self.policies.iter().filter(|policy| policy.is_for(&self.asker));
        policies.any(|policy| policy.gives_any(privileges, entity_type, urn))
    }

    /// Refuses what he may not do to an entity, in the words that `refusal` makes of his URN.
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check(
        &self,
        operation: Operation,
        urn: &Urn,
        refusal: impl FnOnce(&str) -> String,
    ) -> Result<(), Failure> {
        if self.refused([(operation, urn.clone())]).await?.is_empty() {
            return Ok(());
        }
        Err(forbidden(refusal(self.user())))
    }

    /// Refuses proposals over Rest.li: all of them if one may not be made, and with all those that may not
    /// (`AspectResource`).
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check_proposals(
        &self,
        targets: impl Iterator<Item = (change::Operation, Urn)>,
    ) -> Result<(), Failure> {
        let refused = self.refused(targets.map(|(change, urn)| (Operation::of(change), urn))).await?;
        if refused.is_empty() {
            return Ok(());
        }
        let refused: Vec<_> = refused.iter().map(|urn| format!("HttpStatus: 403 Urn: {urn}")).collect();
        Err(forbidden(format!(
            "User {} is unauthorized to modify entity: {}",
            self.user(),
            refused.join(", ")
        )))
    }

    /// Refuses snapshots, which only need the right to create (`EntityResource`).
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check_snapshots(&self, changes: &[Change], single: bool) -> Result<(), Failure> {
        let wanted = changes.iter().map(|change| (Operation::Create, change.urn.clone()));
        match self.refused(wanted).await?.first() {
            None => Ok(()),
            Some(urn) if single => {
                Err(forbidden(format!("User {} is unauthorized to edit entity {urn}", self.user())))
            }
            Some(_) => Err(forbidden(format!("User {} is unauthorized to edit entities.", self.user()))),
        }
    }

    /// Refuses a call of OpenAPI on all entities of a type (`GenericEntitiesController`).
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_type(&self, operation: Operation, entity_type: &str) -> Result<(), Failure> {
        if self.may_all(operation, entity_type) { Ok(()) } else { Err(self.openapi_refusal(operation)) }
    }

    /// Refuses a call of OpenAPI on these entities, if there is one on which it may not be made.
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check_entities(
        &self,
        operation: Operation,
        urns: impl IntoIterator<Item = Urn>,
    ) -> Result<(), Failure> {
        let refused = self.refused(urns.into_iter().map(|urn| (operation, urn))).await?;
        if refused.is_empty() { Ok(()) } else { Err(self.openapi_refusal(operation)) }
    }

    fn openapi_refusal(&self, operation: Operation) -> Failure {
        forbidden(format!("{} is unauthorized to {} entities.", self.user(), operation.name()))
    }
}

/// 403.
pub(super) fn forbidden(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, message)
}
