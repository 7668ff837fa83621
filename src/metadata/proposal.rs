//! The metadata change proposal (MCP).

use std::sync::Arc;

use super::{Aspect, ChangeType, InvalidAspect, Name, Origin, SystemMetadata, Urn, model};

/// A metadata change proposal: one change to one aspect of one entity, on its way from a source to a sink.
///
/// An aspect may be given as JSON text, as a [`serde_json::Value`] or as an [`Aspect`].
///
/// ```
/// use datahub_emitter::metadata::{Aspect, Proposal, Urn};
/// use serde_json::json;
///
/// let orders = Urn::dataset("hive", "shop.orders", "PROD")?;
/// let status = Proposal::upsert(&orders, "status", r#"{"removed": false}"#)?;
/// let tags = Proposal::upsert(&orders, "globalTags", json!({"tags": [{"tag": "urn:li:tag:pii"}]}))?
///     .with_run_id("nightly-2026-11-30")
///     .with_header("If-Version-Match", "1");
/// let removal = Proposal::delete(&orders, "globalTags");
///
/// assert_eq!(status.entity_type(), "dataset");
/// assert_eq!(status.aspect().map(Aspect::as_str), Some(r#"{"removed":false}"#));
/// assert_eq!(tags.headers(), [("If-Version-Match".to_owned(), "1".to_owned())]);
/// assert!(removal.aspect().is_none());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub(super) entity_type: Name,
    pub(super) urn: Urn,
    pub(super) key_aspect: Option<Aspect>,
    pub(super) change_type: ChangeType,
    pub(super) aspect_name: Name,
    pub(super) aspect: Option<Aspect>,
    pub(super) system_metadata: Option<Box<SystemMetadata>>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) origin: Option<Origin>,
}

impl Proposal {
    /// A proposal of any change type. Nothing is checked: a PATCH should have a patch as its aspect, and only
    /// a DELETE can do without one.
    pub fn new(
        change_type: ChangeType,
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        aspect: Option<Aspect>,
    ) -> Self {
        let urn = urn.into();
        Self {
            entity_type: model::intern_entity_type(urn.entity_type()),
            urn,
            key_aspect: None,
            change_type,
            aspect_name: aspect_name.into(),
            aspect,
            system_metadata: None,
            headers: Vec::new(),
            origin: None,
        }
    }

    /// Writes an aspect, whether it exists or not (UPSERT).
    ///
    /// # Errors
    /// When `aspect` is text that is not valid JSON.
    pub fn upsert<A>(
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        aspect: A,
    ) -> Result<Self, InvalidAspect>
    where
        A: TryInto<Aspect>,
        InvalidAspect: From<A::Error>,
    {
        Ok(Self::new(ChangeType::Upsert, urn, aspect_name, Some(aspect.try_into()?)))
    }

    /// Writes an aspect that must not exist (CREATE). GMS rejects the proposal if it does.
    ///
    /// # Errors
    /// When `aspect` is text that is not valid JSON.
    pub fn create<A>(
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        aspect: A,
    ) -> Result<Self, InvalidAspect>
    where
        A: TryInto<Aspect>,
        InvalidAspect: From<A::Error>,
    {
        Ok(Self::new(ChangeType::Create, urn, aspect_name, Some(aspect.try_into()?)))
    }

    /// Writes an aspect of an entity that must not exist (`CREATE_ENTITY`). GMS rejects the proposal if it
    /// does.
    ///
    /// # Errors
    /// When `aspect` is text that is not valid JSON.
    pub fn create_entity<A>(
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        aspect: A,
    ) -> Result<Self, InvalidAspect>
    where
        A: TryInto<Aspect>,
        InvalidAspect: From<A::Error>,
    {
        Ok(Self::new(ChangeType::CreateEntity, urn, aspect_name, Some(aspect.try_into()?)))
    }

    /// Writes an aspect that must exist (UPDATE). GMS rejects the proposal if it does not.
    ///
    /// # Errors
    /// When `aspect` is text that is not valid JSON.
    pub fn update<A>(
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        aspect: A,
    ) -> Result<Self, InvalidAspect>
    where
        A: TryInto<Aspect>,
        InvalidAspect: From<A::Error>,
    {
        Ok(Self::new(ChangeType::Update, urn, aspect_name, Some(aspect.try_into()?)))
    }

    /// Changes parts of an aspect (PATCH). `patch` is a list of RFC 6902 operations, or an object that has
    /// such a list as its member `patch` (DataHub's `GenericJsonPatch`). Its content type becomes
    /// [`Aspect::JSON_PATCH`].
    ///
    /// ```
    /// use datahub_emitter::metadata::{Proposal, Urn};
    /// use serde_json::json;
    ///
    /// let orders = Urn::dataset("hive", "shop.orders", "PROD")?;
    /// let tag = json!([{"op": "add", "path": "/tags/urn:li:tag:pii", "value": {"tag": "urn:li:tag:pii"}}]);
    /// let proposal = Proposal::patch(orders, "globalTags", tag)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When `patch` is text that is not valid JSON, or has neither of the two forms.
    pub fn patch<A>(
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        patch: A,
    ) -> Result<Self, InvalidAspect>
    where
        A: TryInto<Aspect>,
        InvalidAspect: From<A::Error>,
    {
        let patch = patch.try_into()?.into_patch()?;
        Ok(Self::new(ChangeType::Patch, urn, aspect_name, Some(patch)))
    }

    /// Deletes an aspect (DELETE). With the key aspect of the entity type, for example `datasetKey`, it
    /// deletes the entity with all its aspects.
    pub fn delete(urn: impl Into<Urn>, aspect_name: impl Into<Name>) -> Self {
        Self::new(ChangeType::Delete, urn, aspect_name, None)
    }

    /// Writes an aspect again, so that GMS indexes it again (RESTATE).
    ///
    /// # Errors
    /// When `aspect` is text that is not valid JSON.
    pub fn restate<A>(
        urn: impl Into<Urn>,
        aspect_name: impl Into<Name>,
        aspect: A,
    ) -> Result<Self, InvalidAspect>
    where
        A: TryInto<Aspect>,
        InvalidAspect: From<A::Error>,
    {
        Ok(Self::new(ChangeType::Restate, urn, aspect_name, Some(aspect.try_into()?)))
    }

    /// Replaces the aspect.
    #[must_use]
    pub fn with_aspect(mut self, aspect: Option<Aspect>) -> Self {
        self.aspect = aspect;
        self
    }

    /// Adds a header of this proposal (not of the HTTP request), for example `If-Version-Match`.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the run id in the system metadata.
    #[must_use]
    pub fn with_run_id(mut self, run_id: impl Into<Arc<str>>) -> Self {
        self.system_metadata_mut().run_id = Some(run_id.into());
        self
    }

    /// Replaces the system metadata.
    #[must_use]
    pub fn with_system_metadata(mut self, system_metadata: SystemMetadata) -> Self {
        self.system_metadata = Some(Box::new(system_metadata));
        self
    }

    /// Sets where the proposal was read; reports and dead letters show it.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The type of the entity, for example `dataset`.
    pub fn entity_type(&self) -> &str {
        &self.entity_type
    }

    /// As [`entity_type`](Self::entity_type); a clone of a known type allocates nothing.
    pub(crate) fn entity_type_name(&self) -> &Name {
        &self.entity_type
    }

    /// The entity.
    pub fn urn(&self) -> &Urn {
        &self.urn
    }

    /// The key aspect, if a record named the entity by its `entityKeyAspect` and had no URN;
    /// [`urn`](Self::urn) was derived from it. Rest.li requests carry the key instead of the URN, as the
    /// record did.
    pub fn key_aspect(&self) -> Option<&Aspect> {
        self.key_aspect.as_ref()
    }

    /// The change to make.
    pub fn change_type(&self) -> ChangeType {
        self.change_type
    }

    /// The name of the aspect, for example `datasetProperties`.
    pub fn aspect_name(&self) -> &str {
        &self.aspect_name
    }

    /// The aspect; `None` for a DELETE, and for a record that says `"aspect": null`.
    pub fn aspect(&self) -> Option<&Aspect> {
        self.aspect.as_ref()
    }

    /// The run that wrote it, and when; `None` if nothing was set.
    pub fn system_metadata(&self) -> Option<&SystemMetadata> {
        self.system_metadata.as_deref()
    }

    /// The system metadata to change; it is created empty if there is none.
    pub fn system_metadata_mut(&mut self) -> &mut SystemMetadata {
        self.system_metadata.get_or_insert_default()
    }

    /// The headers of this proposal (not of the HTTP request), in the order in which they were added.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Where it was read; `None` for a proposal that a program made.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urn() -> Urn {
        Urn::parse("urn:li:tag:x").unwrap()
    }

    #[test]
    fn each_constructor_sets_its_change_type() {
        let aspect = r#"{"removed":false}"#;
        for (proposal, expected) in [
            (Proposal::upsert(urn(), "status", aspect), ChangeType::Upsert),
            (Proposal::create(urn(), "status", aspect), ChangeType::Create),
            (Proposal::create_entity(urn(), "status", aspect), ChangeType::CreateEntity),
            (Proposal::update(urn(), "status", aspect), ChangeType::Update),
            (Proposal::restate(urn(), "status", aspect), ChangeType::Restate),
        ] {
            let proposal = proposal.unwrap();
            assert_eq!(proposal, Proposal::new(expected, urn(), "status", Some(aspect.parse().unwrap())));
        }
        assert_eq!(Proposal::delete(urn(), "status").change_type(), ChangeType::Delete);
        assert!(Proposal::update(urn(), "status", "{").is_err());
    }

    #[test]
    fn a_patch_has_one_of_its_two_forms() {
        for patch in ["[]", r#"{"patch":[],"arrayPrimaryKeys":{}}"#] {
            let proposal = Proposal::patch(urn(), "globalTags", patch).unwrap();
            assert_eq!(proposal.aspect().unwrap().content_type(), "application/json-patch+json");
        }
        for (patch, reason) in
            [("{}", "an object without it"), (r#"{"patch":{}}"#, "found an object"), ("5", "found a number")]
        {
            let error = Proposal::patch(urn(), "globalTags", patch).unwrap_err();
            assert!(error.reason().ends_with(reason), "{error}");
        }
    }
}
