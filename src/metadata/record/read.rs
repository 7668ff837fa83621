//! From a record's text to proposals.

use std::borrow::Cow;

use super::aspect::{AspectContext, AspectReader};
use super::avro::{AvroTag, untagged};
use super::entity::{self, EntityNaming, entity_type};
use super::metadata::{self, SharedText};
use super::snapshot::{self, Snapshot};
use super::{Ignored, ParsedRecord, RecordError, RecordLimits};
use crate::metadata::json::{Cursor, Kind};
use crate::metadata::{Aspect, ChangeType, Name, Origin, Proposal, SystemMetadata, Urn, model};
use crate::suggest::suggestion;

/// The members that a record may have.
const MEMBERS: [&str; 12] = [
    "entityType",
    "entityUrn",
    "entityKeyAspect",
    "changeType",
    "aspectName",
    "aspect",
    "systemMetadata",
    "headers",
    "auditHeader",
    "proposedSnapshot",
    "proposedDelta",
    "deadLetter",
];

/// Reads records one after another, and reuses its memory.
#[derive(Debug, Default)]
pub struct RecordReader {
    limits: RecordLimits,
    aspects: AspectReader,
    shared: SharedText,
    /// The last URN; consecutive records are often about one entity.
    urn: Option<Urn>,
}

/// The members of a record, and their offsets, before its kind is known.
#[derive(Default)]
struct FoundMembers<'a> {
    entity_type: Option<(Cow<'a, str>, usize)>,
    urn: Option<Urn>,
    key_aspect: Option<usize>,
    change_type: Option<ChangeType>,
    aspect_name: Option<Name>,
    aspect: Option<FoundAspect>,
    system_metadata: Option<Box<SystemMetadata>>,
    headers: Vec<(String, String)>,
    snapshot: Option<Snapshot>,
    delta: Option<usize>,
    usage: bool,
    dead_letter: Option<usize>,
    /// The first member that is neither known nor null.
    unknown: Option<(String, usize)>,
}

impl FoundMembers<'_> {
    fn naming(&self) -> Option<EntityNaming<'_>> {
        match (&self.urn, self.key_aspect) {
            (None, None) => None,
            (Some(urn), None) => Some(EntityNaming::Urn(urn)),
            (None, Some(at)) => Some(EntityNaming::Key(at)),
            (Some(urn), Some(at)) => Some(EntityNaming::Both(urn, at)),
        }
    }
}

enum FoundAspect {
    Read(Option<Aspect>),
    /// The aspect stood before the members that are needed to read it.
    At(usize),
}

impl RecordReader {
    /// A reader with these limits.
    pub fn new(limits: RecordLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Reads one record: a JSON object in UTF-8, which may have white space around it.
    ///
    /// An aspect that DataHub's model knows is rewritten for an UPSERT to the form that GMS accepts: without
    /// null members, and without the union tags and the namespace of old files. Any other aspect is only
    /// checked and compacted.
    ///
    /// # Errors
    /// When the record is not JSON, not one of the known forms, or larger than the limits allow.
    pub fn read(&mut self, record: &[u8], origin: Origin) -> Result<ParsedRecord, RecordError> {
        if record.len() > self.limits.max_bytes {
            let reason =
                format!("the record has {} bytes: expected at most {}", record.len(), self.limits.max_bytes);
            return Err(RecordError::new(self.limits.max_bytes, reason));
        }
        let mut cursor = Cursor::new(record, self.limits.max_depth)?;
        let kind = cursor.kind()?;
        if kind != Kind::Object {
            let reason = format!("expected an object, found {}", kind.name());
            return Err(RecordError::new(cursor.offset(), reason));
        }
        let start = cursor.offset();
        let mut found = self.members(&mut cursor)?;
        cursor.end()?;

        if let Some(snapshot) = found.snapshot.take() {
            return from_snapshot(&found, snapshot, &origin, start).map(ParsedRecord::Proposals);
        }
        if found.usage && found.aspect.is_none() && found.aspect_name.is_none() {
            return Ok(ParsedRecord::Ignored(Ignored::Usage));
        }
        self.proposal(found, &cursor, origin, start).map(|proposal| ParsedRecord::Proposals(vec![proposal]))
    }

    fn members<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<FoundMembers<'a>, RecordError> {
        let mut found = FoundMembers::default();
        let mut seen = 0_u16;
        let mut object = cursor.object()?;
        while let Some(key) = cursor.key(&mut object)? {
            let name = key.decode()?;
            if let Some(index) = MEMBERS.iter().position(|known| *known == name) {
                if seen & 1 << index != 0 {
                    let reason = format!("the record has the member `{name}` twice");
                    return Err(RecordError::new(key.offset(), reason));
                }
                seen |= 1 << index;
            }
            let is_null = cursor.kind()? == Kind::Null;
            let at = cursor.offset();
            if is_null && name != "aspect" {
                cursor.skip()?;
                continue;
            }
            match &*name {
                "entityType" => {
                    found.entity_type = Some((metadata::string(cursor, "entityType")?.decode()?, at));
                }
                "entityUrn" => found.urn = Some(self.read_urn(cursor, "entityUrn")?),
                "changeType" => {
                    let text = metadata::string(cursor, "changeType")?.decode()?;
                    found.change_type = Some(text.parse().map_err(|error| RecordError::new(at, error))?);
                }
                "aspectName" => {
                    let text =
                        untagged(cursor, AvroTag::STRING, |cursor| metadata::string(cursor, "aspectName"))?;
                    found.aspect_name = Some(model::intern(&text.decode()?));
                }
                "aspect" => found.aspect = Some(self.read_aspect(cursor, &found)?),
                "systemMetadata" => {
                    found.system_metadata = metadata::system_metadata(cursor, &mut self.shared)?;
                }
                "headers" => found.headers = metadata::string_map(cursor, "headers")?,
                "proposedSnapshot" => found.snapshot = Some(snapshot::read(cursor, self)?),
                other => {
                    cursor.skip()?;
                    match other {
                        "entityKeyAspect" => found.key_aspect = Some(at),
                        "proposedDelta" => found.delta = Some(at),
                        "deadLetter" => found.dead_letter = Some(at),
                        "auditHeader" => {}
                        "bucket" => found.usage = true,
                        _ if found.unknown.is_none() => {
                            found.unknown = Some((other.to_owned(), key.offset()));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(found)
    }

    fn read_urn(&mut self, cursor: &mut Cursor<'_>, place: &str) -> Result<Urn, RecordError> {
        let text = untagged(cursor, AvroTag::STRING, |cursor| metadata::string(cursor, place))?;
        let decoded = text.decode()?;
        if let Some(last) = &self.urn
            && last.as_str() == decoded
        {
            return Ok(last.clone());
        }
        let urn = Urn::parse_lenient(&decoded)
            .map_err(|error| RecordError::new(text.offset(), format_args!("{place}: {error}")))?;
        self.urn = Some(urn.clone());
        Ok(urn)
    }

    fn read_aspect(
        &mut self,
        cursor: &mut Cursor<'_>,
        found: &FoundMembers<'_>,
    ) -> Result<FoundAspect, RecordError> {
        if let (Some(name), Some(change_type)) = (&found.aspect_name, found.change_type) {
            let context = AspectContext::new(name, change_type, self.limits.max_depth);
            return Ok(FoundAspect::Read(self.aspects.read(cursor, context)?));
        }
        let at = cursor.offset();
        cursor.skip()?;
        Ok(FoundAspect::At(at))
    }

    fn proposal(
        &mut self,
        found: FoundMembers<'_>,
        cursor: &Cursor<'_>,
        origin: Origin,
        start: usize,
    ) -> Result<Proposal, RecordError> {
        if let Some(at) = found.delta {
            let reason = "proposedDelta is not supported: expected a snapshot or a proposal";
            return Err(RecordError::new(at, reason));
        }
        let deletes = found.change_type == Some(ChangeType::Delete);
        let (Some(stated), Some(naming), Some(change_type), Some(aspect_name), true) = (
            &found.entity_type,
            found.naming(),
            found.change_type,
            &found.aspect_name,
            found.aspect.is_some() || deletes,
        ) else {
            return Err(incomplete(&found, start));
        };
        refuse_unknown(found.unknown.as_ref())?;
        let entity = entity::read(stated, naming, |name, at| {
            let context = AspectContext::of_key(name, self.limits.max_depth);
            self.aspects.read(&mut cursor.inside_at(at), context)
        })?;
        let aspect = match found.aspect {
            None => None,
            Some(FoundAspect::Read(aspect)) => aspect,
            Some(FoundAspect::At(at)) => {
                let context = AspectContext::new(aspect_name, change_type, self.limits.max_depth);
                self.aspects.read(&mut cursor.inside_at(at), context)?
            }
        };
        Ok(Proposal {
            entity_type: entity.entity_type,
            urn: entity.urn,
            key_aspect: entity.key_aspect,
            change_type,
            aspect_name: aspect_name.clone(),
            aspect,
            system_metadata: found.system_metadata,
            headers: found.headers,
            origin: Some(origin),
        })
    }
}

impl snapshot::SnapshotParts for RecordReader {
    fn urn(&mut self, cursor: &mut Cursor<'_>) -> Result<Urn, RecordError> {
        self.read_urn(cursor, "urn of the snapshot")
    }

    fn aspect(&mut self, cursor: &mut Cursor<'_>, name: &'static str) -> Result<Aspect, RecordError> {
        self.aspects.read_bare(cursor, name)
    }
}

/// Turns each aspect of a snapshot into a proposal.
fn from_snapshot(
    found: &FoundMembers<'_>,
    snapshot: Snapshot,
    origin: &Origin,
    start: usize,
) -> Result<Vec<Proposal>, RecordError> {
    if found.aspect.is_some() || found.naming().is_some() || found.aspect_name.is_some() {
        let reason =
            "the record is a snapshot and a proposal at once: expected either proposedSnapshot or aspect";
        return Err(RecordError::new(start, reason));
    }
    if let Some(at) = found.delta {
        let reason = "proposedDelta is not supported beside proposedSnapshot: expected null";
        return Err(RecordError::new(at, reason));
    }
    refuse_unknown(found.unknown.as_ref())?;
    let entity_type = entity_type(snapshot.entity_type, &snapshot.urn, snapshot.offset)?;
    let proposals = snapshot.aspects.into_iter().map(|(name, aspect)| Proposal {
        entity_type: entity_type.clone(),
        urn: snapshot.urn.clone(),
        key_aspect: None,
        change_type: ChangeType::Upsert,
        aspect_name: Cow::Borrowed(name),
        aspect: Some(aspect),
        system_metadata: found.system_metadata.clone(),
        headers: found.headers.clone(),
        origin: Some(origin.clone()),
    });
    Ok(proposals.collect())
}

fn refuse_unknown(unknown: Option<&(String, usize)>) -> Result<(), RecordError> {
    let Some((name, at)) = unknown else {
        return Ok(());
    };
    let hint = suggestion(name, MEMBERS);
    Err(RecordError::new(*at, format!("unknown member `{name}` in the record{hint}")))
}

/// The error for a record that lacks members of a proposal.
fn incomplete(found: &FoundMembers<'_>, start: usize) -> RecordError {
    let members = [
        ("entityType", found.entity_type.is_some()),
        ("entityUrn", found.naming().is_some()),
        ("changeType", found.change_type.is_some()),
        ("aspectName", found.aspect_name.is_some()),
        ("aspect", found.aspect.is_some()),
    ];
    if members.iter().all(|(_, there)| !there) {
        if let Some(at) = found.dead_letter {
            let reason = "a dead letter of a record that was not understood: it holds no proposal; correct the text in its \
                          `raw` and replace the dead letter by it";
            return RecordError::new(at, reason);
        }
        let reason = "neither a proposal (entityType, entityUrn, changeType, aspectName, aspect) nor a snapshot \
                      (proposedSnapshot)";
        return RecordError::new(start, reason);
    }
    let missing: Vec<_> =
        members.iter().filter(|(_, there)| !there).map(|(name, _)| format!("`{name}`")).collect();
    let verb = if missing.len() == 1 { "is" } else { "are" };
    let mut reason = format!("not a complete proposal: {} {verb} missing", missing.join(", "));
    if let Some((name, _)) = &found.unknown {
        reason = format!("{reason}; it has the unknown member `{name}`{}", suggestion(name, MEMBERS));
    }
    RecordError::new(start, reason)
}
