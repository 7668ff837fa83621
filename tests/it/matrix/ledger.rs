//! The log of the server's writes, and the check that every record is accounted for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::corpus;

/// The store: the latest text for each URN and aspect.
pub(super) type Latest = BTreeMap<(String, String), String>;

/// The server's data file, with triggers that log every write of a latest version in a table.
pub(super) struct Ledger(Connection);

impl Ledger {
    pub(super) fn open(data: &Path) -> Self {
        let connection = Connection::open(data).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE written (number INTEGER PRIMARY KEY, urn TEXT, metadata TEXT);
                 CREATE TRIGGER first AFTER INSERT ON aspect WHEN new.version = 0 BEGIN
                     INSERT INTO written (urn, metadata) VALUES (new.urn, new.metadata);
                 END;
                 CREATE TRIGGER later AFTER UPDATE ON aspect WHEN new.version = 0 BEGIN
                     INSERT INTO written (urn, metadata) VALUES (new.urn, new.metadata);
                 END;",
            )
            .unwrap();
        Self(connection)
    }

    /// The numbers of the records written so far, in order.
    pub(super) fn written(&self) -> Vec<usize> {
        let mut rows = self.0.prepare("SELECT metadata FROM written ORDER BY number").unwrap();
        let texts = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        texts.filter_map(|text| corpus::number(&serde_json::from_str(&text.unwrap()).unwrap())).collect()
    }

    pub(super) fn latest(&self) -> Latest {
        let sql = "SELECT urn, aspect, metadata FROM aspect WHERE version = 0 AND urn LIKE 'urn:li:tag:%'";
        let mut rows = self.0.prepare(sql).unwrap();
        let found = rows.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
        found.map(Result::unwrap).collect()
    }
}

/// The places of the records after a run with a failure.
#[derive(Debug)]
pub(super) struct Account {
    /// Written by the server, in order.
    pub(super) written: Vec<usize>,
    /// In the dead-letter file.
    pub(super) dead_letters: Vec<usize>,
    /// Still to be sent by a resume.
    pub(super) remaining: Vec<usize>,
}

impl Account {
    /// Checks that each record is in one place (in at least one if `repeats`), and that the records of one
    /// entity are in order in every place. Records of the entity `excused` may be missing.
    pub(super) fn is_the_input(&self, repeats: bool, excused: Option<&str>) {
        for number in 0..corpus::RECORDS {
            if excused == Some(&corpus::urn(number)) {
                continue;
            }
            let places = [&self.written, &self.dead_letters, &self.remaining];
            let found: usize =
                places.iter().map(|place| place.iter().filter(|other| **other == number).count()).sum();
            assert!(found > 0, "record {number} is lost: {self:?}");
            assert!(repeats || found == 1, "record {number} is there {found} times: {self:?}");
        }
        for place in [&self.dead_letters, &self.remaining] {
            in_order(place.iter());
        }
        // Records that are sent again, now or by the resume, are sent in order as well: the first writes of
        // all records are in order, and so are the last writes.
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        for (time, number) in self.written.iter().enumerate() {
            first.entry(*number).or_insert(time);
        }
        for (time, number) in self.written.iter().chain(&self.remaining).enumerate() {
            last.insert(*number, time);
        }
        for times in [first, last] {
            let mut numbers: Vec<_> = times.into_iter().collect();
            numbers.sort_unstable_by_key(|(_, time)| *time);
            in_order(numbers.iter().map(|(number, _)| number));
        }
    }
}

fn in_order<'a>(numbers: impl Iterator<Item = &'a usize>) {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for number in numbers {
        if let Some(before) = last.insert(corpus::urn(*number), *number) {
            assert!(before <= *number, "record {number} came after {before}");
        }
    }
}
