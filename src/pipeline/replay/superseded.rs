//! Whether GMS has written an aspect since its letter was.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::super::RunControl;
use crate::auth::Code;
use crate::gms::{Client, LastWritten, Written};
use crate::metadata::{ChangeType, Proposal, Urn, model};
use crate::{Error, ErrorKind};

/// Questions that are under way at a time.
const AT_A_TIME: usize = 16;

/// Knows when the aspects were last written that letters are about, as of the first letter of each.
///
/// It keeps a few bytes for each aspect and not its name, so that a long file of letters needs little memory.
pub(super) struct WrittenSince {
    control: RunControl,
    runtime: Handle,
    names: RandomState,
    known: HashMap<u64, Option<Written>>,
}

/// What is asked about one entity.
#[derive(Default)]
struct Question {
    aspects: Vec<String>,
    /// A letter wants to delete the entity, so that all its aspects count.
    whole: bool,
}

impl WrittenSince {
    /// Must be called where there is a runtime.
    pub(super) fn new(control: RunControl) -> Self {
        Self { control, runtime: Handle::current(), names: RandomState::new(), known: HashMap::new() }
    }

    /// Asks GMS about `proposals`, as far as it was not asked yet. Blocks the thread; false when the run was stopped
    /// meanwhile.
    pub(super) fn ask<'a>(&mut self, proposals: impl Iterator<Item = &'a Proposal>) -> Result<bool, Error> {
        // Another sink than GMS has nothing to say.
        let Some(gms) = self.control.gms().cloned() else { return Ok(true) };
        let mut questions: HashMap<Urn, Question> = HashMap::new();
        for proposal in proposals.filter(|proposal| can_be_superseded(proposal)) {
            if let Entry::Vacant(unknown) = self.known.entry(self.names.hash_one(name(proposal))) {
                unknown.insert(None);
                let question = questions.entry(proposal.urn.clone()).or_default();
                question.whole |= deletes_entity(proposal);
                question.aspects.push(proposal.aspect_name.to_string());
            }
        }
        let control = self.control.clone();
        let answers = self.runtime.block_on(async move {
            tokio::select! {
                biased;
                () = control.stopped() => Ok(None),
                answers = all(gms, questions) => answers.map(Some),
            }
        })?;
        let Some(answers) = answers else { return Ok(false) };
        for (urn, question, found) in answers {
            for aspect in &question.aspects {
                let is_key = model::is_key_aspect(urn.entity_type(), aspect);
                let written = if is_key { found.newest(aspect) } else { found.aspect(aspect) };
                self.known.insert(self.names.hash_one((urn.as_str(), aspect.as_str())), written);
            }
        }
        Ok(true)
    }

    /// Whether what GMS has of the aspect is newer than a letter of `at`, or that letter itself.
    pub(super) fn supersedes(&self, proposal: &Proposal, at: Timestamp) -> bool {
        let observed = proposal.system_metadata.as_ref().and_then(|metadata| metadata.last_observed);
        can_be_superseded(proposal)
            && self
                .known
                .get(&self.names.hash_one(name(proposal)))
                .copied()
                .flatten()
                .is_some_and(|written| written.supersedes(at, observed))
    }
}

/// An event of a time series stands beside the others, and a key never changes.
fn can_be_superseded(proposal: &Proposal) -> bool {
    let is_key = model::is_key_aspect(&proposal.entity_type, &proposal.aspect_name);
    !model::is_timeseries(&proposal.aspect_name) && (!is_key || deletes_entity(proposal))
}

fn deletes_entity(proposal: &Proposal) -> bool {
    proposal.change_type == ChangeType::Delete
        && model::is_key_aspect(&proposal.entity_type, &proposal.aspect_name)
}

fn name(proposal: &Proposal) -> (&str, &str) {
    (proposal.urn.as_str(), &proposal.aspect_name)
}

type Answer = (Urn, Question, LastWritten);

async fn all(gms: Client, questions: HashMap<Urn, Question>) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::with_capacity(questions.len());
    let mut under_way = JoinSet::new();
    let mut questions = questions.into_iter();
    loop {
        while under_way.len() < AT_A_TIME
            && let Some((urn, question)) = questions.next()
        {
            under_way.spawn(one(gms.clone(), urn, question));
        }
        match under_way.join_next().await {
            None => return Ok(answers),
            Some(Ok(answer)) => answers.push(answer?),
            Some(Err(error)) => {
                return Err(
                    Error::new(ErrorKind::Internal, "a question to GMS was given up").with_source(error)
                );
            }
        }
    }
}

async fn one(gms: Client, urn: Urn, question: Question) -> Result<Answer, Error> {
    let aspects: Vec<&str> =
        if question.whole { Vec::new() } else { question.aspects.iter().map(String::as_str).collect() };
    let found = gms.last_written(&urn, &aspects).await.map_err(with_the_way_out)?;
    Ok((urn, question, found))
}

/// Who may write may not be allowed to read.
fn with_the_way_out(error: Error) -> Error {
    match error.diagnosis() {
        Some(diagnosis) if diagnosis.code == Code::Forbidden => {
            let mut diagnosis = diagnosis.clone();
            diagnosis.fixes.push("--force sends the letters without asking what GMS has".into());
            diagnosis.into()
        }
        _ => error,
    }
}
