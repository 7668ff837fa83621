//! Authorization: the stored policies, and what each kind of request requires.

mod operation;
mod policy;
mod principal;
mod privilege;
mod stored;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::actor::{self, Actor, SYSTEM_ACTOR};
use crate::change::{self, Change};
use crate::failure::Failure;
use crate::store::Store;
use crate::sync::lock;
use crate::urn::Urn;
use principal::{ByOwnership, Ownership, Principal};
use stored::StoredPolicy;

pub(super) use operation::ApiOperation;
pub use policy::Policy;
pub(super) use policy::known;
pub(super) use privilege::{
    GENERATE_PERSONAL_ACCESS_TOKENS, MANAGE_ACCESS_TOKENS, MANAGE_SYSTEM_OPERATIONS, RESTORE_INDICES,
    TRUNCATE_TIMESERIES,
};
pub(super) use stored::{delete_policy, list, store_policy};

/// How long policies and memberships are cached. This bounds how late a change by another process on the same
/// file is noticed. Changes in this process take effect at once.
const CACHE_LIFETIME: Duration = Duration::from_secs(1);

/// Decides by the stored policies.
#[derive(Debug)]
pub(super) struct Authorization {
    /// Whether Rest.li and OpenAPI check policies (`authorization.restApiAuthorization`).
    rest: bool,
    /// The name of the caller that authenticates as GMS itself.
    system_client: Option<String>,
    store: Arc<Store>,
    known: Mutex<HashMap<String, CachedAccess>>,
    generation: AtomicU64,
}

/// Cached data of a user.
#[derive(Clone, Debug)]
struct CachedAccess {
    generation: u64,
    since: Instant,
    principal: Arc<Principal>,
    policies: Arc<Vec<StoredPolicy>>,
}

/// The permissions of a request's caller.
#[derive(Clone, Debug)]
pub(super) struct Permissions {
    principal: Arc<Principal>,
    /// Whether policies are not consulted: for the administrator and GMS itself.
    root: bool,
    rest: bool,
    policies: Arc<Vec<StoredPolicy>>,
    /// Looks up the owners of an entity.
    store: Arc<Store>,
}

impl Authorization {
    pub(super) fn new(rest: bool, system_client: Option<String>, store: Arc<Store>) -> Self {
        Self { rest, system_client, store, known: Mutex::default(), generation: AtomicU64::new(0) }
    }

    /// Invalidates the cache: policies or memberships may have changed.
    pub(super) fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The permissions of a caller.
    ///
    /// # Errors
    /// If policies or memberships cannot be read.
    pub(super) async fn permissions(&self, actor: &Actor) -> Result<Permissions, Failure> {
        let CachedAccess { principal, policies, .. } = self.known(actor::user_urn(&actor.0)).await?;
        Ok(Permissions {
            principal,
            root: [actor::ADMINISTRATOR, SYSTEM_ACTOR].contains(&actor.0.as_str())
                || self.system_client.as_ref() == Some(&actor.0),
            rest: self.rest,
            policies,
            store: Arc::clone(&self.store),
        })
    }

    async fn known(&self, user: String) -> Result<CachedAccess, Failure> {
        let generation = self.generation.load(Ordering::Acquire);
        let fresh =
            |known: &CachedAccess| known.generation == generation && known.since.elapsed() < CACHE_LIFETIME;
        let remembered = self.memory().get(&user).filter(|known| fresh(known)).cloned();
        if let Some(known) = remembered {
            return Ok(known);
        }
        let since = Instant::now();
        let (principal, policies) = self
            .store
            .read({
                let user = user.clone();
                move |connection| Ok((Principal::read(connection, user)?, stored::all(connection)?))
            })
            .await?;
        let known =
            CachedAccess { generation, since, principal: Arc::new(principal), policies: Arc::new(policies) };
        let mut memory = self.memory();
        memory.retain(|_, known| fresh(known));
        memory.insert(user, known.clone());
        Ok(known)
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<String, CachedAccess>> {
        lock(&self.known)
    }
}

impl Permissions {
    /// The caller's URN.
    pub(super) fn user(&self) -> &str {
        &self.principal.user
    }

    /// Whether the caller may do everything.
    pub(super) fn may_do_everything(&self) -> bool {
        self.root
    }

    /// Whether the caller has a platform privilege. GraphQL checks these.
    pub(super) fn has_privilege(&self, privilege: &str) -> bool {
        self.root || self.grants(&[privilege], "", "")
    }

    /// Whether REST allows an operation on every entity of a type.
    pub(super) fn may_all(&self, operation: ApiOperation, entity_type: &str) -> bool {
        !self.rest || self.root || self.grants(operation.privileges(entity_type), entity_type, "")
    }

    /// Whether REST allows all operations on every entity of a type (`ApiOperation.MANAGE`).
    pub(super) fn may_manage(&self, entity_type: &str) -> bool {
        use ApiOperation::{Create, Delete, Read, Update};
        [Create, Read, Update, Delete].iter().all(|operation| self.may_all(*operation, entity_type))
    }

    /// Whether REST allows an administrative operation on one entity, or with empty names on all
    /// (`AuthUtil.isAPIOperationsAuthorized`).
    pub(super) fn may_operate(&self, privilege: &str, entity_type: &str, urn: &str) -> bool {
        let either = [privilege, MANAGE_SYSTEM_OPERATIONS];
        !self.rest || self.root || self.grants(&either, entity_type, urn)
    }

    /// The entities on which REST does not allow the operation, in order. Owners are looked up only where
    /// they decide, for all entities at once.
    ///
    /// # Errors
    /// If the owners cannot be read.
    pub(super) async fn refused(
        &self,
        wanted: impl IntoIterator<Item = (ApiOperation, Urn)>,
    ) -> Result<Vec<Urn>, Failure> {
        if !self.rest || self.root {
            return Ok(Vec::new());
        }
        let mut refused: Vec<_> = wanted
            .into_iter()
            .filter(|(operation, urn)| {
                let entity_type = urn.entity_type();
                !self.grants(operation.privileges(entity_type), entity_type, urn.as_str())
            })
            .collect();
        let owner_may =
            |(operation, urn): &(ApiOperation, Urn)| self.owner_policies(*operation, urn).next().is_some();
        if refused.iter().any(owner_may) {
            let asked: Vec<_> =
                refused.iter().filter(|one| owner_may(one)).map(|(_, urn)| urn.to_string()).collect();
            let owners = self.store.read(move |connection| Ownership::read(connection, asked)).await?;
            refused.retain(|(operation, urn)| {
                !self
                    .owner_policies(*operation, urn)
                    .any(|policy| owners.is_owner(urn.as_str(), &self.principal, policy))
            });
        }
        Ok(refused.into_iter().map(|(_, urn)| urn).collect())
    }

    /// Whether the caller has one of these privileges on an entity, by name or as its owner. GraphQL checks
    /// these, whether REST authorization is on or not.
    ///
    /// # Errors
    /// If the owners cannot be read.
    pub(super) async fn may_any(&self, privileges: &[&str], urn: &Urn) -> Result<bool, Failure> {
        let (entity_type, text) = (urn.entity_type(), urn.as_str());
        if self.root || self.grants(privileges, entity_type, text) {
            return Ok(true);
        }
        let by_ownership = || {
            let policies =
                self.policies.iter().filter(|policy| policy.gives_any(privileges, entity_type, text));
            policies.filter_map(StoredPolicy::owners)
        };
        if by_ownership().next().is_none() {
            return Ok(false);
        }
        let asked = vec![text.to_owned()];
        let owners = self.store.read(move |connection| Ownership::read(connection, asked)).await?;
        Ok(by_ownership().any(|policy| owners.is_owner(text, &self.principal, policy)))
    }

    /// The policies that would allow the operation to an owner of the entity.
    fn owner_policies(&self, operation: ApiOperation, urn: &Urn) -> impl Iterator<Item = ByOwnership<'_>> {
        let entity_type = urn.entity_type();
        let privileges = operation.privileges(entity_type);
        self.policies
            .iter()
            .filter(move |policy| policy.gives_any(privileges, entity_type, urn.as_str()))
            .filter_map(StoredPolicy::owners)
    }

    fn grants(&self, privileges: &[&str], entity_type: &str, urn: &str) -> bool {
        let mut policies = self.policies.iter().filter(|policy| policy.is_for(&self.principal));
        policies.any(|policy| policy.gives_any(privileges, entity_type, urn))
    }

    /// Refuses an operation that the caller may not perform. `refusal` makes the message from the caller's
    /// URN.
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check(
        &self,
        operation: ApiOperation,
        urn: &Urn,
        refusal: impl FnOnce(&str) -> String,
    ) -> Result<(), Failure> {
        if self.refused([(operation, urn.clone())]).await?.is_empty() {
            return Ok(());
        }
        Err(forbidden(refusal(self.user())))
    }

    /// Refuses a Rest.li batch as a whole if one of its proposals is not allowed, and names all that are not
    /// (`AspectResource`).
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check_proposals(
        &self,
        targets: impl Iterator<Item = (change::ChangeType, Urn)>,
    ) -> Result<(), Failure> {
        let refused = self.refused(targets.map(|(change, urn)| (ApiOperation::of(change), urn))).await?;
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

    /// Refuses snapshots, which only require the permission to create (`EntityResource`).
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check_snapshots(&self, changes: &[Change], single: bool) -> Result<(), Failure> {
        let wanted = changes.iter().map(|change| (ApiOperation::Create, change.urn.clone()));
        match self.refused(wanted).await?.first() {
            None => Ok(()),
            Some(urn) if single => {
                Err(forbidden(format!("User {} is unauthorized to edit entity {urn}", self.user())))
            }
            Some(_) => Err(forbidden(format!("User {} is unauthorized to edit entities.", self.user()))),
        }
    }

    /// Refuses an OpenAPI call on all entities of a type (`GenericEntitiesController`).
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_type(&self, operation: ApiOperation, entity_type: &str) -> Result<(), Failure> {
        if self.may_all(operation, entity_type) { Ok(()) } else { Err(self.openapi_refusal(operation)) }
    }

    /// Refuses an OpenAPI call if it is not allowed on one of these entities.
    ///
    /// # Errors
    /// 403.
    pub(super) async fn check_entities(
        &self,
        operation: ApiOperation,
        urns: impl IntoIterator<Item = Urn>,
    ) -> Result<(), Failure> {
        let refused = self.refused(urns.into_iter().map(|urn| (operation, urn))).await?;
        if refused.is_empty() { Ok(()) } else { Err(self.openapi_refusal(operation)) }
    }

    fn openapi_refusal(&self, operation: ApiOperation) -> Failure {
        forbidden(format!("{} is unauthorized to {} entities.", self.user(), operation.name()))
    }
}

/// 403.
pub(super) fn forbidden(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, message)
}
