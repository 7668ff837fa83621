//! The meaning of an unquoted YAML scalar in `PyYAML`, for which recipes are written.
//!
//! The patterns are those of `PyYAML`'s `resolver.py` (YAML 1.1), but timestamps and numbers in base 60 stay
//! strings: no value of a recipe is a date or an angle, and `12:30:45` should not become 45045.

use super::tree::Value;

/// Reads an unquoted scalar.
pub(super) fn resolve(text: &str) -> Value {
    if let Some(boolean) = boolean(text) {
        return Value::Bool(boolean);
    }
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    integer(text).or_else(|| float(text)).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// A boolean of `PyYAML`; `y` and `n` are strings.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// An integer as decimal digits: `1_000`, `0x1F`, `0b11`, and octal with a leading zero. `09` and `0o17` are
/// strings.
pub(super) fn integer(text: &str) -> Option<String> {
    let (sign, digits) = signed(text);
    let radix_digits = |digits: &str, radix: u32| {
        let digits = digits.replace('_', "");
        u128::from_str_radix(&digits, radix).ok().map(|number| format!("{sign}{number}"))
    };
    let all = |digits: &str, is: fn(&u8) -> bool| digits.bytes().all(|byte| byte == b'_' || is(&byte));
    if let Some(digits) = digits.strip_prefix("0b") {
        return all(digits, |byte| matches!(byte, b'0' | b'1')).then(|| radix_digits(digits, 2)).flatten();
    }
    if let Some(digits) = digits.strip_prefix("0x") {
        return all(digits, u8::is_ascii_hexdigit).then(|| radix_digits(digits, 16)).flatten();
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return match octal {
            "" => Some(format!("{sign}0")),
            _ if octal.bytes().all(|byte| byte == b'_') => Some(format!("{sign}0")),
            _ => all(octal, |byte| matches!(byte, b'0'..=b'7')).then(|| radix_digits(octal, 8)).flatten(),
        };
    }
    let starts_well = digits.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    (starts_well && all(digits, u8::is_ascii_digit)).then(|| format!("{sign}{}", digits.replace('_', "")))
}

/// A float. It has a decimal point, and its exponent, if any, has a sign; `1e3` is a string.
pub(super) fn float(text: &str) -> Option<String> {
    let (sign, unsigned) = signed(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(format!("{sign}inf")),
        // `.nan` has no sign.
        ".nan" | ".NaN" | ".NAN" => return (text == unsigned).then(|| "NaN".to_owned()),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit());
    let starts_with_digit = |text: &str| text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let well_formed = digits(whole)
        && digits(fraction)
        && if whole.is_empty() {
            // `.5` is a float, `-.5` is not.
            starts_with_digit(fraction) && text == unsigned
        } else {
            starts_with_digit(whole)
        };
    let exponent_well_formed = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['-', '+'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    });
    (well_formed && exponent_well_formed).then(|| format!("{sign}{}", unsigned.replace('_', "")))
}

/// The sign as Rust writes it, and the rest of the text.
fn signed(text: &str) -> (&'static str, &str) {
    if let Some(rest) = text.strip_prefix('-') {
        ("-", rest)
    } else {
        ("", text.strip_prefix('+').unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            Value::Null => "null".to_owned(),
            Value::Bool(boolean) => format!("bool {boolean}"),
            Value::Number(text) => format!("number {text}"),
            Value::String(text) => format!("string {text}"),
            other => panic!("{other:?}"),
        }
    }

    /// The results of `safe_load` of `PyYAML` 6.0.3, except for the two kinds that stay strings.
    #[test]
    fn reads_scalars_as_pyyaml_does() {
        for (text, expected) in [
            ("yes", "bool true"),
            ("Off", "bool false"),
            ("ON", "bool true"),
            ("oN", "string oN"),
            ("y", "string y"),
            ("n", "string n"),
            ("TRUE", "bool true"),
            ("tRue", "string tRue"),
            ("", "null"),
            ("~", "null"),
            ("Null", "null"),
            ("nULL", "string nULL"),
            ("0", "number 0"),
            ("-0", "number -0"),
            ("+12", "number 12"),
            ("010", "number 8"),
            ("-010", "number -8"),
            ("1_000", "number 1000"),
            ("1__0", "number 10"),
            ("_1", "string _1"),
            ("09", "string 09"),
            ("0123456789", "string 0123456789"),
            ("0x1F", "number 31"),
            ("0X1F", "string 0X1F"),
            ("0b101", "number 5"),
            ("0o10", "string 0o10"),
            ("1e3", "string 1e3"),
            ("1.0e3", "string 1.0e3"),
            ("1.0e+3", "number 1.0e+3"),
            ("1.5", "number 1.5"),
            ("1.", "number 1."),
            (".5", "number .5"),
            ("-.5", "string -.5"),
            ("1_0.5_0", "number 10.50"),
            ("1.2.3", "string 1.2.3"),
            (".", "string ."),
            ("._5", "string ._5"),
            (".inf", "number inf"),
            ("-.INF", "number -inf"),
            (".nan", "number NaN"),
            ("-.nan", "string -.nan"),
            ("inf", "string inf"),
            ("=", "string ="),
            ("-", "string -"),
            ("12:30:45", "string 12:30:45"),
            ("2020-01-01", "string 2020-01-01"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_texts_that_rust_reads() {
        for text in ["010", "-1_000", "0x1F", "1.", ".5", "1.0e+3", ".inf", ".nan"] {
            let Value::Number(number) = resolve(text) else { panic!("{text}") };
            assert!(number.parse::<f64>().is_ok(), "{text}: {number}");
        }
    }
}
