//! The order in which a search gives what it finds, and the place in it where a page ends.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::document::Document;

/// A field to sort by.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) field: String,
    pub(crate) descending: bool,
}

/// One of several parts of equal size, into which who reads in parallel divides what is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// Counted from 0.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl Slice {
    /// Whether the entity belongs to this part. That does not depend on what else is found.
    pub(super) fn has(self, urn: &str) -> bool {
        let digest = Sha256::digest(urn);
        let number = digest.iter().take(4).fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        number.checked_rem(self.of) == Some(self.number)
    }
}

/// Where an entity stands: by its values of the fields to sort by, and then by its URN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    values: Vec<Option<String>>,
    urn: String,
}

impl Place {
    pub(super) fn of(document: &Document, order: &[Order]) -> Self {
        let value = |Order { field, descending }: &Order| {
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

    /// What has no value comes last, whichever way the others are sorted.
    pub(super) fn compare(&self, other: &Self, order: &[Order]) -> Ordering {
        for ((one, other), Order { descending, .. }) in self.values.iter().zip(&other.values).zip(order) {
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

    /// As clients get it, who are not to look into it.
    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::json!(self).to_string())
    }

    /// The place that a text stands for, if it is one in this order.
    pub(crate) fn parse(text: &str, fields: usize) -> Option<Self> {
        let place: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        (place.values.len() == fields).then_some(place)
    }
}

/// Numbers by their size, and after them everything else as text. A number never counts as text: with `9`, `10` and `1a`
/// there would be no order.
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

    fn place(values: &[Option<&str>], urn: &str) -> Place {
        Place { values: values.iter().map(|value| value.map(str::to_owned)).collect(), urn: urn.into() }
    }

    #[test]
    fn a_place_is_before_another_by_field_and_then_by_urn() {
        let order = |descending| vec![Order { field: "x".into(), descending }];
        let compare = |one: &Place, other: &Place, descending| one.compare(other, &order(descending));
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
    fn a_place_comes_back_from_its_text() {
        let place = place(&[Some("é"), None], "urn:li:tag:x");
        assert_eq!(Place::parse(&place.to_text(), 2), Some(place.clone()));
        assert_eq!(Place::parse(&place.to_text(), 1), None);
        for broken in ["", "x", "e30"] {
            assert_eq!(Place::parse(broken, 2), None, "{broken}");
        }
    }

    #[test]
    fn slices_share_everything_out() {
        for number in 0..100 {
            let urn = format!("urn:li:tag:{number}");
            let owners = (0..3).filter(|number| Slice { number: *number, of: 3 }.has(&urn)).count();
            assert_eq!(owners, 1);
        }
        assert!(!Slice { number: 0, of: 0 }.has("x"));
    }
}
