//! Exact comparison of numbers of any size.

/// A form that two JSON numbers share exactly if they have the same value; `None` for other texts and for
/// exponents that do not fit.
pub(super) fn canonical(text: &str) -> Option<(bool, String, i64)> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.checked_sub(places)?.checked_add(zeros)?;
    Some((negative, significant.to_owned(), exponent))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn the_same_value_has_the_same_form() {
        for group in [
            &["1", "1.0", "10e-1", "0.1E+1", "1.000"][..],
            &["0", "-0", "0.00", "0e5"],
            &["-120", "-1.2e2"],
            &["1e400", "10e399"],
        ] {
            for number in group {
                assert_eq!(canonical(number), canonical(group[0]), "{number}");
                assert!(canonical(number).is_some());
            }
        }
        assert_ne!(canonical("1"), canonical("-1"));
        assert_ne!(canonical("1"), canonical("10"));
        assert_ne!(canonical("0.1"), canonical("0.01"));
        assert_eq!(canonical("true"), None);
        assert_eq!(canonical("1e99999999999999999999"), None);
    }
}
