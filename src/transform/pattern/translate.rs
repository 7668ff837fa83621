//! Translates a pattern of Python's module `re` to the dialect of Rust's regular expressions.
//!
//! | Python | meaning | in Rust's dialect |
//! |---|---|---|
//! | `\Z` | the end of the text | `\z` |
//! | `$` | the end, or before a last line end | the end of the text (URNs and names have no line ends) |
//! | `\<` and other escaped punctuation | the character itself | escaped by its code |
//! | `{` that begins no repetition | the character itself | `\{` |
//! | `{,n}` | from 0 to `n` times | `{0,n}` |
//! | `[`, `&&`, `--`, `~~` in a class | the characters themselves | escaped |
//! | `(?a)`, `(?u)` | ASCII or Unicode classes | `(?-u:…)` for `(?a)` at the start, nothing for `(?u)` |
//! | `\uXXXX`, `\UXXXXXXXX`, octal escapes | the character | `\x{…}` |

use std::fmt::{self, Write as _};
use std::iter::Peekable;
use std::str::Chars;

/// Translates `pattern`.
///
/// # Errors
/// Why Python does not accept it. Other mistakes are found when the translation is compiled.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let (pattern, is_ascii) = match pattern.strip_prefix("(?a)") {
        Some(rest) => (rest, true),
        None => (pattern.strip_prefix("(?u)").unwrap_or(pattern), false),
    };
    let mut translation = Translation {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        is_ascii,
    };
    translation.run()?;
    Ok(translation.out)
}

struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// `\w`, `\d`, `\s` and `\b` are about ASCII characters only.
    is_ascii: bool,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '{' => self.brace(),
                _ => self.out.push(next),
            }
        }
        Ok(())
    }

    /// An escape; the backslash has been read.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(next) = self.rest.next() else {
            return Err("it ends with a backslash".into());
        };
        match next {
            'Z' if !in_class => self.out.push_str(r"\z"),
            'A' | 'b' | 'B' if !in_class => self.ascii_class(next),
            'b' => self.out.push_str(r"\x08"),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => self.ascii_class(next),
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => self.push_pair(next),
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '0' => self.octal("0"),
            '1'..='9' if !in_class => {
                let mut digits = String::from(next);
                if let Some(second) = self.rest.next_if(char::is_ascii_digit) {
                    digits.push(second);
                }
                // A digit that follows must not become part of the number.
                self.push_fmt(format_args!("(?:\\{digits})"));
            }
            '1'..='7' => self.octal(&next.to_string()),
            'a'..='z' | 'A'..='Z' | '8' | '9' => return Err(format!("it has the unknown escape \\{next}")),
            _ => self.literal(next),
        }
        Ok(())
    }

    fn push_fmt(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        self.out.write_fmt(text).unwrap_or_default();
    }

    fn push_pair(&mut self, escaped: char) {
        self.out.push('\\');
        self.out.push(escaped);
    }

    fn ascii_class(&mut self, class: char) {
        if self.is_ascii && class != 'A' {
            let set = match class {
                'd' => "0-9",
                's' => r"\t\n\x0b\x0c\r ",
                'w' => "0-9A-Za-z_",
                'D' => "^0-9",
                'S' => r"^\t\n\x0b\x0c\r ",
                'W' => "^0-9A-Za-z_",
                _ => "",
            };
            if !set.is_empty() {
                self.push_fmt(format_args!("[{set}]"));
                return;
            }
        }
        self.push_pair(class);
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii_punctuation() || character == ' ' || character == '#' {
            self.push_fmt(format_args!("\\x{{{:x}}}", u32::from(character)));
        } else {
            self.out.push(character);
        }
    }

    fn code(&mut self, digits: usize) -> Result<(), String> {
        let mut number = String::new();
        while number.len() < digits
            && let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit)
        {
            number.push(digit);
        }
        if number.len() < digits {
            return Err(format!("it has an escape with fewer than {digits} hexadecimal digits"));
        }
        self.push_fmt(format_args!("\\x{{{number}}}"));
        Ok(())
    }

    fn octal(&mut self, first: &str) {
        let mut number = first.to_owned();
        while number.len() < 3
            && let Some(digit) = self.rest.next_if(|next| matches!(next, '0'..='7'))
        {
            number.push(digit);
        }
        let code = u32::from_str_radix(&number, 8).unwrap_or_default();
        self.push_fmt(format_args!("\\x{{{code:x}}}"));
    }

    /// A class; its opening bracket has been read.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let Some(next) = self.rest.next() else {
                return Err("it has a class without its closing bracket".into());
            };
            match next {
                ']' if !is_first => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => self.escape(true)?,
                '-' => {
                    // At the ends of a class it is itself; `--` would be a difference.
                    let is_last = self.rest.peek() == Some(&']');
                    self.out.push_str(if is_first || is_last { r"\-" } else { "-" });
                }
                ']' | '[' | '&' | '~' => {
                    self.out.push('\\');
                    self.out.push(next);
                }
                _ => self.out.push(next),
            }
            is_first = false;
        }
    }

    /// A brace that has been read: a repetition, or itself.
    fn brace(&mut self) {
        let ahead: String = self.rest.clone().take_while(|next| *next != '}').take(24).collect();
        let closes = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (least, most) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        let is_repetition = closes
            && is_number(least)
            && is_number(most)
            && !ahead.is_empty()
            && (ahead != ",")
            && !self.out.is_empty();
        if !is_repetition {
            self.out.push_str(r"\{");
            return;
        }
        self.out.push('{');
        if least.is_empty() {
            self.out.push('0');
        }
        self.out.push_str(&ahead);
        self.out.push('}');
        for _ in 0..=ahead.chars().count() {
            self.rest.next();
        }
    }
}
