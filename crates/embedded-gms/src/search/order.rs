//! The order of search results, and positions in it.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::document::Document;

/// A field to sort by.
#[derive(Clone, Debug)]
pub(crate) struct SortField {
    pub(crate) field: String,
    pub(crate) descending: bool,
}

/// One of several parts of about equal size, for parallel readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// From 0.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl Slice {
    /// Whether the entity belongs to this slice, independent of the other results.
    pub(super) fn has(self, urn: &str) -> bool {
        let digest = Sha256::digest(urn);
        let number = digest.iter().take(4).fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        number.checked_rem(self.of) == Some(self.number)
    }
}

/// The position of an entity: the values of the sort fields, and then the URN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    values: Vec<Option<String>>,
    urn: String,
}

impl Position {
    pub(super) fn of(document: &Document, order: &[SortField]) -> Self {
        let value = |SortField { field, descending }: &SortField| {
            let values = document.values(field).into_iter();
            if *descending {
                values.max_by(|one, other| by_value(one, other))
            } else {
                values.min_by(|one, other| by_value(one, other))
            }
        };
        Self { values: order.iter().map(value).collect(), urn: document.urn().to_owned() }
    }

    pub(super) fn urn(&self) -> &str {
        &self.urn
    }

    /// Entities without a value come last in both directions.
    pub(super) fn compare(&self, other: &Self, order: &[SortField]) -> Ordering {
        for ((one, other), SortField { descending, .. }) in self.values.iter().zip(&other.values).zip(order) {
            let found = match (one, other) {
                (Some(one), Some(other)) if *descending => by_value(other, one),
                (Some(one), Some(other)) => by_value(one, other),
                (one, other) => other.is_some().cmp(&one.is_some()),
            };
            if found != Ordering::Equal {
                return found;
            }
        }
        self.urn.cmp(&other.urn)
    }

    /// The scroll id, which is opaque to clients.
    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::json!(self).to_string())
    }

    /// Parses a scroll id for a number of sort fields.
    pub(crate) fn parse(text: &str, fields: usize) -> Option<Self> {
        let place: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        (place.values.len() == fields).then_some(place)
    }
}

/// Numbers by value, followed by all other texts. A number is never compared as text: `9`, `10` and `1a`
/// would have no order.
fn by_value(one: &str, other: &str) -> Ordering {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(first), Ok(second)) => first.total_cmp(&second),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_have_a_total_order(values in prop::collection::vec("-?[0-9]{1,2}(a|\\.5|e1)?|[A-Z]?|nan", 12)) {
            for (one, two) in values.iter().flat_map(|one| values.iter().map(move |two| (one, two))) {
                prop_assert_eq!(by_value(one, two), by_value(two, one).reverse());
                let behind = values.iter().filter(|three| by_value(two, three).is_le());
                for three in behind.filter(|_| by_value(one, two).is_le()) {
                    prop_assert!(by_value(one, three).is_le(), "{one} {two} {three}");
                }
            }
        }
    }

    fn place(values: &[Option<&str>], urn: &str) -> Position {
        Position { values: values.iter().map(|value| value.map(str::to_owned)).collect(), urn: urn.into() }
    }

    #[test]
    fn positions_are_ordered_by_field_and_then_by_urn() {
        let order = |descending| vec![SortField { field: "x".into(), descending }];
        let compare = |one: &Position, other: &Position, descending| one.compare(other, &order(descending));
        for (less, more) in [("a", "b"), ("9", "10"), ("-1", "0.5"), ("10", "a")] {
            let (less, more) = (place(&[Some(less)], "u"), place(&[Some(more)], "u"));
            assert_eq!(compare(&less, &more, false), Ordering::Less);
            assert_eq!(compare(&less, &more, true), Ordering::Greater);
        }
        for descending in [false, true] {
            assert_eq!(compare(&place(&[Some("z")], "u"), &place(&[None], "t"), descending), Ordering::Less);
            assert_eq!(compare(&place(&[None], "t"), &place(&[None], "u"), descending), Ordering::Less);
        }
    }

    #[test]
    fn a_scroll_id_round_trips() {
        let place = place(&[Some("é"), None], "urn:li:tag:x");
        assert_eq!(Position::parse(&place.to_text(), 2), Some(place.clone()));
        assert_eq!(Position::parse(&place.to_text(), 1), None);
        for broken in ["", "x", "e30"] {
            assert_eq!(Position::parse(broken, 2), None, "{broken}");
        }
    }

    #[test]
    fn every_entity_is_in_exactly_one_slice() {
        for number in 0..100 {
            let urn = format!("urn:li:tag:{number}");
            let owners = (0..3).filter(|number| Slice { number: *number, of: 3 }.has(&urn)).count();
            assert_eq!(owners, 1);
        }
        assert!(!Slice { number: 0, of: 0 }.has("x"));
    }
}
