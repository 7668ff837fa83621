//! What the server wrote, in the order in which it did, and whether that and what is kept makes up the input.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::corpus;

/// The store: the latest text for each URN and aspect.
pub(super) type Latest = BTreeMap<(String, String), String>;

/// The server's data file, with a table that every write of a latest version leaves a line in.
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

    /// The numbers of the records that were written so far, in that order.
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

/// Where the records are after a run that something went wrong with.
#[derive(Debug)]
pub(super) struct Account {
    /// In the server's store, in the order in which they were written.
    pub(super) written: Vec<usize>,
    /// In the dead letters.
    pub(super) letters: Vec<usize>,
    /// Left to a resume.
    pub(super) left: Vec<usize>,
}

impl Account {
    /// Checks that each record is somewhere, and in one place alone unless it may have come twice, and that those about
    /// one entity are in order everywhere. Records about the entity `excused` may be nowhere.
    pub(super) fn is_the_input(&self, repeats: bool, excused: Option<&str>) {
        for number in 0..corpus::RECORDS {
            if excused == Some(&corpus::urn(number)) {
                continue;
            }
            let places = [&self.written, &self.letters, &self.left];
            let found: usize =
                places.iter().map(|place| place.iter().filter(|other| **other == number).count()).sum();
            assert!(found > 0, "record {number} is lost: {self:?}");
            assert!(repeats || found == 1, "record {number} is there {found} times: {self:?}");
        }
        for place in [&self.letters, &self.left] {
            in_order(place.iter());
        }
        // What is sent again, now or by the resume, is sent again in order: both who looks at the first time and who looks
        // at the last sees that.
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        for (time, number) in self.written.iter().enumerate() {
            first.entry(*number).or_insert(time);
        }
        for (time, number) in self.written.iter().chain(&self.left).enumerate() {
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
