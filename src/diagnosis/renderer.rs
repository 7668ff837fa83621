//! From the data of a diagnosis to text.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Evidence, Fix, Summary, TokenSource};

/// Turns a diagnosis into text for one kind of user. The default methods speak to a program that uses this
/// crate, and name methods of its builders; a front end with recipes and commands names those instead.
pub trait Renderer: fmt::Debug + Send + Sync {
    /// The source of a token as a noun phrase.
    fn token_source(&self, source: &TokenSource) -> String {
        source.place()
    }

    /// The cause in one sentence.
    fn summary(&self, summary: &Summary) -> String {
        summary.text(&|source| self.token_source(source))
    }

    /// One observation, in one line.
    fn evidence(&self, evidence: &Evidence) -> String {
        evidence.text(&|source| self.token_source(source))
    }

    /// One thing to do, in one line.
    fn fix(&self, fix: &Fix) -> String {
        fix.text(&|source| self.token_source(source))
    }
}

/// The renderer for programs that use this crate: all methods of [`Renderer`] with their defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct LibraryRenderer;

impl Renderer for LibraryRenderer {}

/// A renderer that the parts of a run share. The default is [`LibraryRenderer`].
#[derive(Clone, Debug)]
pub struct SharedRenderer(Arc<dyn Renderer>);

impl SharedRenderer {
    /// Shares `renderer`.
    pub fn new(renderer: impl Renderer + 'static) -> Self {
        Self(Arc::new(renderer))
    }
}

impl Default for SharedRenderer {
    fn default() -> Self {
        Self::new(LibraryRenderer)
    }
}

impl Deref for SharedRenderer {
    type Target = dyn Renderer;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}
