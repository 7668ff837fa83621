//! Mistakes in a recipe, with their places and without secrets.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::annotated_text::AnnotatedText;
use super::problem::Problem;
use super::render;
use super::tree::{Node, Span};
use crate::{Error, ErrorKind};

/// The maximum number of mistakes that are shown; the rest is counted.
const MAX_SHOWN: usize = 100;

/// The maximum number of mistakes that are collected. It is larger than [`MAX_SHOWN`], because the first
/// mistakes of the text are shown, and they are not found in that order.
const MAX_COLLECTED: usize = 10 * MAX_SHOWN;

/// All mistakes that were found in a recipe. Several readers, on several threads, may report to it.
///
/// That of [`Recipe::mistakes`](super::Recipe::mistakes) can show the line of a mistake.
/// [`Mistakes::default`] has no text; it is for recipes that exist as values only.
#[derive(Debug, Default)]
pub struct Mistakes {
    source: Arc<AnnotatedText>,
    problems: Mutex<Vec<Problem>>,
    warnings: Mutex<Vec<String>>,
    /// The mappings that were read, by path: their place, and whether they are not a mapping at all.
    blocks: Mutex<HashMap<String, (Span, bool)>>,
}

impl Mistakes {
    pub(super) fn new(source: Arc<AnnotatedText>, problems: Vec<Problem>) -> Self {
        Self { source, problems: Mutex::new(problems), warnings: Mutex::default(), blocks: Mutex::default() }
    }

    /// An empty collection for the same recipe.
    pub(crate) fn again(&self) -> Self {
        Self::new(Arc::clone(&self.source), Vec::new())
    }

    /// Reports a mistake at a value. If the value could be a secret, `message` is masked where it quotes it.
    pub fn at(&self, node: &Node, message: impl Into<String>) {
        let mut message = message.into();
        if let Some(text) = node.as_str()
            && text.len() > 1
            && !self.source.may_show(node)
        {
            message = message.replace(text, crate::redact::MASK);
        }
        self.report(Problem::new(node.span, message));
    }

    /// Takes the warnings that [`Fields::warn`](super::Fields::warn) has added, in order.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn warn(&self, message: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }

    /// Whether no mistake was reported.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// All mistakes, in the order of their places, if there is one.
    pub fn into_error(self) -> Result<(), RecipeError> {
        let problems = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        if problems.is_empty() { Ok(()) } else { Err(RecipeError::new(&self.source, problems)) }
    }

    /// Ends the collection with the value that was read, or `None` if a mistake prevented reading it.
    ///
    /// # Errors
    /// All mistakes, in the order of their places, if there is one or `value` is `None`.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, RecipeError> {
        if value.is_none() && self.is_empty() {
            let message = "a plugin could not read its keys, and reported no mistake";
            self.report(Problem::new(Span::NOWHERE, message));
        }
        let source = Arc::clone(&self.source);
        self.into_error()?;
        value.ok_or_else(|| RecipeError::new(&source, Vec::new()))
    }

    pub(super) fn report(&self, problem: Problem) {
        let mut problems = self.lock();
        if problems.len() < MAX_COLLECTED {
            problems.push(problem);
        }
    }

    /// Whether further mistakes are dropped.
    pub(super) fn is_full(&self) -> bool {
        self.lock().len() >= MAX_COLLECTED
    }

    /// Whether there is a mistake at exactly this place.
    pub(super) fn any_at(&self, span: Span) -> bool {
        span.is_somewhere() && self.lock().iter().any(|problem| problem.span.start == span.start)
    }

    /// Remembers the place of a mapping, for absent mappings below it.
    pub(super) fn remember(&self, path: &str, place: Span, broken: bool) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.insert(path.to_owned(), (place, broken));
    }

    /// The place of the nearest mapping above an absent one, and whether that is not a mapping at all.
    pub(super) fn above(&self, path: &str) -> Option<(Span, bool)> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let parents = std::iter::successors(Some(path), |path| {
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            (!path.is_empty()).then_some(parent)
        });
        parents.skip(1).find_map(|parent| blocks.get(parent)).copied()
    }

    pub(super) fn source(&self) -> &AnnotatedText {
        &self.source
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Problem>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One mistake, with every secret masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mistake {
    /// The mistake, and what was expected instead.
    pub message: String,
    /// The recipe's path as it was given, or `standard input`.
    pub file: String,
    /// The line, from 1; `None` if the mistake has no place.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
    /// How to correct it.
    pub help: Option<String>,
    /// The line of the mistake; a long one is cut.
    pub text: Option<String>,
    /// The carets below the line that mark the place.
    #[serde(skip)]
    marker: String,
}

/// A recipe that cannot be used, with all mistakes that were found.
///
/// Its [`Display`](fmt::Display) is what a terminal shows; as JSON it is
/// `{"mistakes": [{"message", "file", "line", …}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipeError {
    mistakes: Vec<Mistake>,
}

impl RecipeError {
    pub(super) fn new(source: &AnnotatedText, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.line, problem.span.column));
        let mut mistakes: Vec<Mistake> = Vec::with_capacity(problems.len());
        let mut places = HashSet::new();
        // A mistake in a value that an alias uses twice is reported once.
        problems.retain(|problem| places.insert((problem.span.start, problem.message.clone())));
        let omitted = problems.len().saturating_sub(MAX_SHOWN);
        for problem in problems.iter().take(MAX_SHOWN) {
            let place = problem.span.is_somewhere();
            let shown = place.then(|| render::line(source, problem.span));
            let (text, marker) = shown.unzip();
            mistakes.push(Mistake {
                message: source.secrets.mask(&problem.message),
                file: source.text.name.clone(),
                line: place.then_some(problem.span.line),
                column: place.then_some(problem.span.column),
                // Advice is made of the program's own words and of names that were checked.
                help: problem.help.as_ref().map(|help| source.secrets.mask_known(help)),
                text,
                marker: marker.unwrap_or_default(),
            });
        }
        if omitted > 0 {
            let message = format!("and at least {omitted} more mistakes");
            mistakes.extend(Self::whole(source, message).mistakes);
        }
        Self { mistakes }
    }

    /// An error without a place, such as a missing file.
    pub(super) fn whole(source: &AnnotatedText, message: String) -> Self {
        Self::new(source, vec![Problem::new(Span::NOWHERE, message)])
    }

    /// The mistakes, in the order of their places.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, message, .. } = self;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{file}:{line}:{column}: {message}")?,
            _ => write!(f, "{file}: {message}")?,
        }
        if let (Some(line), Some(text)) = (self.line, &self.text) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin} |\n{number} | {text}\n{margin} | {}", self.marker)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "error: {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RecipeError {}

/// An input error with the same text but the leading `error: `, which the command line prints itself. The
/// [`RecipeError`] is its [`source`](std::error::Error::source).
impl From<RecipeError> for Error {
    fn from(error: RecipeError) -> Self {
        let text = error.to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
        Self::new(ErrorKind::Input, message).with_source(error)
    }
}
