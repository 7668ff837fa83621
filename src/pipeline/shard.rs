//! A shard: the part of the input that one of several senders delivers.

use std::fmt;
use std::str::FromStr;

use crate::metadata::Urn;

/// The largest number of shards: more senders than that are a mistake.
const MAX_SHARDS: u32 = 1_000;

/// One of several senders that share an input: `2/4` is the second of four.
///
/// A URN belongs to the same shard in every run, so each entity has one sender, and the order of its changes
/// holds. The hash is CRC-32, which is also that of Kafka's default partitioner: where the number of
/// partitions is a multiple of the number of shards, each sender has partitions of its own.
///
/// ```
/// use datahub_emitter::pipeline::Shard;
///
/// let shard: Shard = "2/4".parse()?;
/// assert_eq!(shard.to_string(), "2/4");
/// assert!("0/4".parse::<Shard>().is_err());
/// # Ok::<_, datahub_emitter::pipeline::InvalidShard>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    /// From 0.
    index: u32,
    count: u32,
}

/// The text does not name a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected I/N, for example 2/4 for the second of four senders, with I from 1 to N and N at most 1000"
)]
pub struct InvalidShard(());

impl Shard {
    /// Whether this shard delivers the proposals of `urn`.
    pub fn owns(self, urn: &Urn) -> bool {
        crc32fast::hash(urn.as_str().as_bytes()) % self.count == self.index
    }

    /// Whether this shard handles what belongs to no entity, for example a record that cannot be understood.
    pub(super) fn is_first(self) -> bool {
        self.index == 0
    }

    /// The end of the name of the shard's state directory.
    pub(super) fn suffix(self) -> String {
        format!("-{}-of-{}", self.index + 1, self.count)
    }
}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| InvalidShard(()));
        let (number_text, count) = text.split_once('/').ok_or(InvalidShard(()))?;
        let (number, count) = (number(number_text)?, number(count)?);
        if !(1..=count).contains(&number) || count > MAX_SHARDS {
            return Err(InvalidShard(()));
        }
        Ok(Self { index: number - 1, count })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_number_and_a_count_are_a_shard() {
        for text in ["", "1", "0/2", "3/2", "1/0", "1/1001", "a/b", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let shard: Shard = "3/4".parse().unwrap();
        assert_eq!(shard.suffix(), "-3-of-4");
    }

    proptest! {
        #[test]
        fn each_urn_belongs_to_exactly_one_shard(name in "[a-z]{1,12}", count in 1_u32..20) {
            let urn = Urn::parse(&format!("urn:li:tag:{name}")).unwrap();
            let owners = (1..=count).filter(|number| {
                format!("{number}/{count}").parse::<Shard>().unwrap().owns(&urn)
            });
            prop_assert_eq!(owners.count(), 1);
        }
    }
}
