//! Numbers and outcomes in words.

use datahub_emitter::sink::{DeliveredMeans, SinkDestination, SinkEndpoint};

/// The state of a delivered proposal; the words promise no more than is known.
pub(super) fn delivery_words(destination: &SinkDestination) -> &'static str {
    match destination.delivered_means {
        Some(DeliveredMeans::Queued) if destination.endpoint == Some(SinkEndpoint::Kafka) => {
            "accepted (queued in Kafka)"
        }
        Some(DeliveredMeans::Queued) => "accepted (queued by GMS)",
        Some(DeliveredMeans::Stored) => "stored by GMS",
        Some(DeliveredMeans::Indexed) => "stored and indexed by GMS",
        Some(DeliveredMeans::Written) => "written",
        _ => "taken by the sink",
    }
}

pub(super) fn records(count: u64) -> String {
    format!("{} record{}", grouped(count), if count == 1 { "" } else { "s" })
}

pub(super) fn proposals(count: u64) -> String {
    format!("{} proposal{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1204` as `1,204`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if count >= size {
            return format!("{}.{} {unit}", count / size, count % size * 10 / size);
        }
    }
    format!("{count} bytes")
}

pub(super) fn seconds(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}
