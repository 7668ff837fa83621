//! `datahub-emit explain`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use datahub_emitter::diagnosis::Code;
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::output;

/// The page that explains the codes; this command prints its rows.
const DIAGNOSTICS: &str = include_str!("../../docs/reference/diagnostics.md");

/// The longest line of an explanation.
const WIDTH: usize = 80;

#[derive(Debug, Args)]
#[command(after_help = "\
Without a code it lists all codes.

Examples:
  datahub-emit explain auth.token-expired
  datahub-emit explain")]
pub(crate) struct Explain {
    /// The code in brackets after `error` or in the report, for example
    /// `auth.token-expired`.
    #[arg(value_name = "CODE", value_parser = PossibleValuesParser::new(Code::ALL.map(Code::as_str)), hide_possible_values = true)]
    code: Option<String>,
}

/// The explanation of a code.
struct Explanation<'a> {
    code: &'a str,
    /// The exit code of a run that ends with it, or `a note`.
    exit: &'a str,
    cause: &'a str,
    help: &'a str,
}

impl Explain {
    pub(crate) fn run(&self) -> Result<Exit, Error> {
        let text = match &self.code {
            Some(code) => explanations().find(|found| found.code == code).map(|found| found.text()),
            None => Some(Code::ALL.map(Code::as_str).join("\n") + "\n"),
        };
        let Some(text) = text else {
            return Err(Error::new(ErrorKind::Internal, "the code has no explanation"));
        };
        output::write(text.as_bytes())?;
        Ok(Exit::Done)
    }
}

impl Explanation<'_> {
    fn text(&self) -> String {
        let exit = match self.exit.parse::<u8>() {
            Ok(code) => format!("exit code {code}"),
            Err(_) => self.exit.to_owned(),
        };
        let mut text = format!("{} ({exit})\n", self.code);
        for (label, paragraph) in [("cause", self.cause), ("help", self.help)] {
            text += &folded(label, paragraph);
        }
        text
    }
}

/// A paragraph in lines of at most 80 columns, indented below its label.
fn folded(label: &str, paragraph: &str) -> String {
    const INDENT: usize = 9;
    let mut text = format!("\n  {label:<7}");
    let mut column = INDENT;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column > INDENT && column + length > WIDTH {
            text += "\n";
            text += &" ".repeat(INDENT);
            column = INDENT;
        } else if column > INDENT {
            text.push(' ');
        }
        text += word;
        column += length + 1;
    }
    text + "\n"
}

/// The rows of the table, without Markdown's marks.
fn explanations() -> impl Iterator<Item = Explanation<'static>> {
    DIAGNOSTICS.lines().filter_map(|line| {
        let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
        let mut cells = cells.split(" | ");
        let code = cells.next()?.trim_end_matches('`');
        Some(Explanation { code, exit: cells.next()?, cause: cells.next()?, help: cells.next()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_an_explanation_that_fits_a_terminal() {
        for code in Code::ALL {
            let found = explanations().find(|found| found.code == code.as_str());
            let text = found.unwrap_or_else(|| panic!("{code} has no explanation")).text();
            assert!(text.contains("\n  cause  ") && text.contains("\n  help   "), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
        assert_eq!(explanations().count(), Code::ALL.len());
    }
}
