//! A mistake that a reader of a recipe reports.

use super::tree::Span;
use crate::redact::show_word;

/// A mistake before it is rendered. Its message quotes only text of the recipe that may be shown.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Problem {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn duplicate_key(key: &str, span: Span, first: Span) -> Self {
        let message = format!(
            "the key `{}` stands here for the second time; the first is in line {}, column {}",
            show_word(key),
            first.line,
            first.column
        );
        Self::new(span, message).with_help("remove one of the two")
    }
}
