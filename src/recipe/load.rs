//! Loads a recipe: reads its text, parses it and expands its variables.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::annotated_text::AnnotatedText;
use super::key_recorder::KeyRecorder;
use super::mistake::RecipeError;
use super::named_text::NamedText;
use super::parsed::Parsed;
use super::problem::Problem;
use super::tree::{Node, Value};
use super::{Recipe, expand, json, toml, yaml};
use crate::environment::Environment;

/// The maximum size of a recipe, in bytes: 1 MiB. The largest known ones have about 100 KiB.
const MAX_TEXT: u64 = 1 << 20;

/// The name of standard input in messages.
const STANDARD_INPUT: &str = "standard input";

/// The format of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// YAML as `PyYAML` understands it; `.yml`, `.yaml`.
    Yaml,
    /// JSON; `.json`.
    Json,
    /// TOML; `.toml`.
    Toml,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        let suffix = path.extension().and_then(OsStr::to_str)?;
        match suffix.to_ascii_lowercase().as_str() {
            "yml" | "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

impl Recipe {
    /// Reads a recipe of at most 1 MiB from a file, whose suffix `.yml`, `.yaml`, `.json` or `.toml` gives
    /// the format, or from standard input if the path is `-`.
    ///
    /// Mistakes that leave the rest readable, such as an unset variable or a duplicate key, are kept for
    /// [`mistakes`](Self::mistakes), so that they are reported together with those that the components find.
    ///
    /// # Errors
    /// When the file cannot be read, or its text is not a recipe.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, RecipeError> {
        if path == Path::new("-") {
            return Self::from_reader(io::stdin().lock(), environment);
        }
        let name = path.display().to_string();
        let fail = |message: &str| failure(&name, message.to_owned());
        if name.contains("://") {
            return Err(fail("a recipe is read from a file or standard input, not from an address"));
        }
        let Some(format) = Format::of(path) else {
            return Err(fail(
                "the name of a recipe ends in .yml, .yaml, .json or .toml, which tells how it is written",
            ));
        };
        let mut file = File::open(path).map_err(|error| unreadable(&name, &error))?;
        let metadata = file.metadata().map_err(|error| unreadable(&name, &error))?;
        if metadata.is_dir() {
            return Err(fail("this is a directory; expected the file of a recipe"));
        }
        let text = read(&mut file, &name)?;
        Self::parse(&name, format, &text, environment)
    }

    /// Reads a recipe without a file name: JSON if it starts with `{` and is valid JSON, else YAML.
    ///
    /// # Errors
    /// When it cannot be read, or its text is not a recipe.
    pub fn from_reader(mut reader: impl Read, environment: &Environment) -> Result<Self, RecipeError> {
        let text = read(&mut reader, STANDARD_INPUT)?;
        let start = text.trim_start();
        // A YAML recipe may start with `{` too. An invalid text that continues like JSON is more likely JSON.
        let looks_like_json =
            start.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']));
        let is_json = start.starts_with('{') && serde_json::from_str::<IgnoredAny>(start).is_ok();
        let is_yaml = || yaml::parse(&NamedText::new("", text.as_str())).is_ok();
        let format = if is_json || (looks_like_json && !is_yaml()) { Format::Json } else { Format::Yaml };
        Self::parse(STANDARD_INPUT, format, &text, environment)
    }

    /// Parses the text of a recipe and expands its `${…}`. `name` is its name in messages.
    ///
    /// # Errors
    /// When the text is not a recipe.
    pub fn parse(
        name: &str,
        format: Format,
        text: &str,
        environment: &Environment,
    ) -> Result<Self, RecipeError> {
        if text.len() as u64 > MAX_TEXT {
            return Err(too_large(name));
        }
        let text = NamedText::new(name, text.strip_prefix('\u{feff}').unwrap_or(text));
        if let Some(nul) = text.all.find('\0') {
            let problem = Problem::new(text.span(nul..nul), "there is a NUL byte here; expected a text");
            return Err(RecipeError::new(&AnnotatedText::unparsed(text), vec![problem]));
        }
        let parsed = match format {
            Format::Yaml => yaml::parse(&text).map_err(|problem| vec![problem]),
            Format::Json => json::parse(&text).map_err(|problem| vec![problem]),
            Format::Toml => toml::parse(&text),
        };
        match parsed {
            Ok(parsed) => Self::from_parsed(text, parsed, Some(environment)),
            Err(problems) => Err(RecipeError::new(&AnnotatedText::unparsed(text), problems)),
        }
    }

    /// A recipe from a JSON value, for example of a program that makes its own recipes. `${…}` is not
    /// expanded.
    ///
    /// # Errors
    /// When the value is not a mapping.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, RecipeError> {
        let parsed = Parsed { root: Node::from_json(value), problems: Vec::new(), dropped: Vec::new() };
        Self::from_parsed(NamedText::new("recipe", ""), parsed, None)
    }

    /// Takes defaults, such as the address of GMS, from `environment`. Values of the recipe are not expanded
    /// with it: that happens when a recipe is loaded.
    #[must_use]
    pub fn with_environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// A recipe from a JSON value, whose readers tell `recorder` which keys they ask for.
    pub(crate) fn recording(value: &serde_json::Value, recorder: &Arc<KeyRecorder>) -> Self {
        let root = Node::from_json(value);
        let mut source = AnnotatedText::default();
        source.recorder = Some(Arc::clone(recorder));
        Self { root, source: source.into(), problems: Vec::new(), environment: Environment::default() }
    }

    fn from_parsed(
        text: NamedText,
        mut parsed: Parsed,
        environment: Option<&Environment>,
    ) -> Result<Self, RecipeError> {
        let source = AnnotatedText::parsed(text, &parsed);
        match &parsed.root.value {
            Value::Map(_) => {}
            Value::Null => {
                return Err(RecipeError::whole(
                    &source,
                    "the recipe is empty; expected at least a `source`".to_owned(),
                ));
            }
            _ => {
                let found = source.describe(&parsed.root);
                let message =
                    format!("a recipe is a mapping with keys such as `source` and `sink`; found {found}");
                return Err(RecipeError::new(&source, vec![Problem::new(parsed.root.span, message)]));
            }
        }
        for key in ["__recipe_yaml__", "__secrets__"] {
            let entries = parsed.root.entries().unwrap_or_default();
            if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
                source.hide(parsed.root.span);
                let problem = Problem::new(
                    entry.key_span,
                    format!("`{key}`: the envelope of a recipe and its secrets is not supported"),
                )
                .with_help("give the recipe itself, and its secrets as environment variables");
                return Err(RecipeError::new(&source, vec![problem]));
            }
        }
        refuse_files(&parsed.root, &source, &mut parsed.problems);
        let environment = environment.map(|environment| {
            let mut environment = environment.clone();
            let problems = &mut parsed.problems;
            expand::expand(&mut parsed.root, &mut environment, &source.secrets, problems);
            environment
        });
        Ok(Self {
            root: parsed.root,
            source: source.into(),
            problems: parsed.problems,
            environment: environment.unwrap_or_default(),
        })
    }
}

/// Reports keys such as `__DATAHUB_TO_FILE_x`, for which DataHub's own client writes the value to a temporary
/// file.
fn refuse_files(node: &Node, source: &AnnotatedText, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| refuse_files(item, source, problems)),
        Value::Map(entries) => {
            for entry in entries {
                if let Some(name) = entry.key.strip_prefix("__DATAHUB_TO_FILE_") {
                    source.hide(entry.node.span);
                    let name = source.describe_key(name);
                    problems.push(
                        Problem::new(entry.key_span, format!("`__DATAHUB_TO_FILE_{name}` is not supported"))
                            .with_help(format!("write the text to a file, and `{name}: PATH` here")),
                    );
                }
                refuse_files(&entry.node, source, problems);
            }
        }
        _ => {}
    }
}

fn read(reader: &mut dyn Read, name: &str) -> Result<String, RecipeError> {
    let mut bytes = Vec::new();
    reader.take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(too_large(name));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(failure(name, "this is UTF-16; save the recipe as UTF-8".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..offset).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let message = format!("this is not UTF-8: byte {offset}, in line {line}; save the recipe as UTF-8");
        failure(name, message)
    })
}

fn unreadable(name: &str, error: &io::Error) -> RecipeError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory; expected the file of a recipe".to_owned(),
        io::ErrorKind::PermissionDenied => "the file may not be read: permission denied".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    failure(name, message)
}

fn too_large(name: &str) -> RecipeError {
    failure(
        name,
        "this is larger than 1 MiB, the most that a recipe may have; metadata belongs in a file that the recipe names"
            .to_owned(),
    )
}

fn failure(name: &str, message: String) -> RecipeError {
    RecipeError::whole(&AnnotatedText::unparsed(NamedText::new(name, "")), message)
}

#[cfg(test)]
mod tests;
