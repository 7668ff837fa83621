//! The replacement of `re.sub`.

use super::Pattern;

/// The text that replaces a match: literal text, and the texts of groups.
#[derive(Clone, Debug)]
pub(in crate::transform) struct Replacement(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// The replacement without any text.
    pub(in crate::transform) fn empty() -> Self {
        Self(Vec::new())
    }

    /// Parses the template of `re.sub`: `\1`, `\g<1>`, `\g<name>`, and the escapes of strings.
    ///
    /// # Errors
    /// Why Python does not accept it for `pattern`.
    pub(in crate::transform) fn new(template: &str, pattern: &Pattern) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template.chars();
        while let Some(next) = rest.next() {
            if next != '\\' {
                text.push(next);
                continue;
            }
            let Some(escaped) = rest.next() else {
                return Err("it ends with a backslash".into());
            };
            match escaped {
                'g' => {
                    let name = group_reference(&mut rest)?;
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Group(group_named(&name, pattern)?));
                }
                '1'..='9' => {
                    let mut digits = escaped.to_string();
                    if let Some(second) = rest.clone().next().filter(char::is_ascii_digit) {
                        digits.push(second);
                        rest.next();
                    }
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Group(group_named(&digits, pattern)?));
                }
                '0' => text.push('\0'),
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'a' => text.push('\x07'),
                'b' => text.push('\x08'),
                'f' => text.push('\x0c'),
                'v' => text.push('\x0b'),
                '\\' => text.push('\\'),
                other if other.is_ascii_alphanumeric() => {
                    return Err(format!("it has the unknown escape \\{other}"));
                }
                // Python keeps the backslash before other characters.
                other => text.extend(['\\', other]),
            }
        }
        parts.push(Part::Text(text));
        Ok(Self(parts))
    }

    /// Appends the replacement of a match. A group that did not take part is empty.
    pub(super) fn expand(&self, captures: &fancy_regex::Captures<'_>, out: &mut String) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(group) => {
                    out.push_str(captures.get(*group).map(|group| group.as_str()).unwrap_or_default());
                }
            }
        }
    }
}

/// The name between angle brackets.
fn group_reference(rest: &mut std::str::Chars<'_>) -> Result<String, String> {
    let (name, behind) = rest
        .as_str()
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .ok_or(r"it has \g without a group in angle brackets")?;
    let name = name.to_owned();
    *rest = behind.chars();
    Ok(name)
}

fn group_named(name: &str, pattern: &Pattern) -> Result<usize, String> {
    let by_number = name.parse::<usize>().ok().filter(|number| *number <= pattern.groups());
    let by_name = || pattern.group_names().position(|known| known == Some(name)).map(|index| index + 1);
    by_number.or_else(by_name).ok_or_else(|| format!("the pattern has no group {name}"))
}
