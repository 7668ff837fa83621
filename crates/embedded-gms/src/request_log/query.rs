//! Questions about the log: the requests that meet some conditions, and those that nearly do.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ReceivedRequest;

/// The greatest number of near misses in an answer.
const MAX_NEAR_MISSES: usize = 3;

/// The names of the conditions.
const CONDITIONS: [&str; 6] = ["authorised", "frontend", "method", "path", "since", "status"];

/// Conditions on requests. All must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogQuery {
    authorised: Option<bool>,
    frontend: Option<bool>,
    method: Option<String>,
    /// The start of the path, with its query.
    path: Option<String>,
    /// The least number of the request.
    since: Option<u64>,
    status: Option<u16>,
}

/// The answer to a query.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogAnswer {
    /// The number of requests.
    count: usize,
    /// The same by method, path without its query, action and status.
    counts: Vec<RequestCount>,
    requests: Vec<ReceivedRequest>,
    /// Requests that meet all conditions but some, the best first, if none meets all.
    near_misses: Vec<NearMiss>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RequestCount {
    method: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    status: Option<u16>,
    count: usize,
}

#[derive(Debug, Serialize)]
struct NearMiss {
    request: ReceivedRequest,
    differs: Vec<Difference>,
}

/// A condition that does not hold.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    condition: &'static str,
    wanted: String,
    found: Option<String>,
}

impl LogQuery {
    /// Parses the query of a URL; `None` if it is empty.
    ///
    /// # Errors
    /// A message, if a condition is unknown or its value is invalid.
    pub(crate) fn parse(query: &str) -> Result<Option<Self>, String> {
        let mut parsed = Self::default();
        let mut any = false;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            any = true;
            let invalid = |expected: &str| format!("{name}: expected {expected}, found {value:?}");
            match name.as_ref() {
                "authorised" => {
                    parsed.authorised = Some(value.parse().map_err(|_| invalid("true or false"))?);
                }
                "frontend" => parsed.frontend = Some(value.parse().map_err(|_| invalid("true or false"))?),
                "method" => parsed.method = Some(value.to_uppercase()),
                "path" => parsed.path = Some(value.into_owned()),
                "since" => {
                    parsed.since = Some(value.parse().map_err(|_| invalid("the number of a request"))?);
                }
                "status" => parsed.status = Some(value.parse().map_err(|_| invalid("a status such as 200"))?),
                unknown => {
                    return Err(format!(
                        "unknown condition {unknown:?}: known are {}",
                        CONDITIONS.join(", ")
                    ));
                }
            }
        }
        Ok(any.then_some(parsed))
    }

    pub(crate) fn answer(&self, logged: Vec<ReceivedRequest>) -> LogAnswer {
        let compared = logged.into_iter().map(|request| (self.differences(&request), request));
        let (matching, others): (Vec<_>, Vec<_>) = compared.partition(|(differs, _)| differs.is_empty());
        let requests: Vec<_> = matching.into_iter().map(|(_, request)| request).collect();
        let near_misses = if requests.is_empty() { self.nearest(others) } else { Vec::new() };
        LogAnswer { count: requests.len(), counts: counts(&requests), requests, near_misses }
    }

    fn differences(&self, request: &ReceivedRequest) -> Vec<Difference> {
        let mut differs = Vec::new();
        let mut compare = |condition, wanted: Option<String>, found: Option<String>, holds: bool| {
            if let Some(wanted) = wanted.filter(|_| !holds) {
                differs.push(Difference { condition, wanted, found });
            }
        };
        let text = |flag: bool| Some(flag.to_string());
        compare(
            "authorised",
            self.authorised.and_then(text),
            text(request.authorised),
            self.authorised == Some(request.authorised),
        );
        compare(
            "frontend",
            self.frontend.and_then(text),
            text(request.frontend),
            self.frontend == Some(request.frontend),
        );
        compare(
            "method",
            self.method.clone(),
            Some(request.method.clone()),
            self.method.as_ref() == Some(&request.method),
        );
        let starts = self.path.as_ref().is_some_and(|path| request.path.starts_with(path.as_str()));
        compare("path", self.path.clone(), Some(request.path.clone()), starts);
        let late = self.since.is_some_and(|since| request.order >= since);
        compare("since", self.since.map(|since| since.to_string()), Some(request.order.to_string()), late);
        let status = request.status.map(|status| status.to_string());
        compare(
            "status",
            self.status.map(|status| status.to_string()),
            status,
            self.status.is_some() && self.status == request.status,
        );
        differs
    }

    /// The requests with the fewest differences; among these, the most similar paths, and then the latest.
    fn nearest(&self, others: Vec<(Vec<Difference>, ReceivedRequest)>) -> Vec<NearMiss> {
        let wanted = self.path.as_deref().unwrap_or_default();
        let mut ranked: Vec<_> = others
            .into_iter()
            .map(|(differs, request)| {
                let likeness = strsim::normalized_levenshtein(wanted, &request.path);
                (differs.len(), likeness, NearMiss { request, differs })
            })
            .collect();
        ranked.sort_by(|(one_number, one_likeness, one), (number, likeness, other)| {
            one_number
                .cmp(number)
                .then(likeness.total_cmp(one_likeness))
                .then(other.request.order.cmp(&one.request.order))
        });
        ranked.into_iter().take(MAX_NEAR_MISSES).map(|(_, _, miss)| miss).collect()
    }
}

fn counts(requests: &[ReceivedRequest]) -> Vec<RequestCount> {
    let mut by_kind = BTreeMap::new();
    for request in requests {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let action = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "action");
        let action = action.map(|(_, action)| action.into_owned());
        *by_kind.entry((path, action, request.method.as_str(), request.status)).or_insert(0) += 1;
    }
    let count = |((path, action, method, status), count): ((&str, _, &str, _), usize)| RequestCount {
        method: method.to_owned(),
        path: path.to_owned(),
        action,
        status,
        count,
    };
    by_kind.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(order: u64, method: &str, path: &str, status: u16) -> ReceivedRequest {
        ReceivedRequest {
            order,
            method: method.to_owned(),
            path: path.to_owned(),
            frontend: false,
            headers: Vec::new(),
            bytes: 0,
            authorised: status != 401,
            status: Some(status),
        }
    }

    fn ask(query: &str) -> LogAnswer {
        let logged = vec![
            request(0, "GET", "/config", 200),
            request(1, "POST", "/aspects?action=ingestProposal", 200),
            request(2, "POST", "/aspects?action=ingestProposal", 401),
            request(3, "POST", "/aspects?action=ingestProposalBatch", 200),
        ];
        LogQuery::parse(query).unwrap().unwrap().answer(logged)
    }

    #[test]
    fn requests_are_counted_by_their_conditions() {
        for (query, orders) in [
            ("method=post", vec![1, 2, 3]),
            ("path=%2Faspects%3Faction%3DingestProposal", vec![1, 2, 3]),
            ("path=/aspects&status=401", vec![2]),
            ("authorised=true&since=1", vec![1, 3]),
            ("frontend=false", vec![0, 1, 2, 3]),
        ] {
            let answer = ask(query);
            assert_eq!(answer.requests.iter().map(|one| one.order).collect::<Vec<_>>(), orders, "{query}");
            assert_eq!(answer.count, orders.len());
            assert_eq!(answer.counts.iter().map(|one| one.count).sum::<usize>(), orders.len());
            assert!(answer.near_misses.is_empty());
        }
        let counts = ask("method=POST").counts;
        let kinds: Vec<_> = counts
            .iter()
            .map(|one| (one.action.as_deref().unwrap(), one.status.unwrap(), one.count))
            .collect();
        assert_eq!(
            kinds,
            [("ingestProposal", 200, 1), ("ingestProposal", 401, 1), ("ingestProposalBatch", 200, 1)]
        );
        assert_eq!(counts[0].path, "/aspects");
    }

    #[test]
    fn near_misses_say_what_differs() {
        let answer = ask("method=POST&path=/aspect?action=ingestProposalBatch&status=200");
        assert_eq!(answer.count, 0);
        let nearest = &answer.near_misses[0];
        assert_eq!(nearest.request.order, 3);
        assert_eq!(
            nearest.differs,
            [Difference {
                condition: "path",
                wanted: "/aspect?action=ingestProposalBatch".into(),
                found: Some("/aspects?action=ingestProposalBatch".into())
            }]
        );
        assert_eq!(answer.near_misses.len(), MAX_NEAR_MISSES);
        assert!(answer.near_misses.is_sorted_by_key(|miss| miss.differs.len()));
    }

    #[test]
    fn invalid_conditions_are_refused() {
        assert_eq!(LogQuery::parse(""), Ok(None));
        for (query, part) in [
            ("stat=1", "\"stat\""),
            ("status=ok", "status"),
            ("since=-1", "since"),
            ("frontend=1", "frontend"),
        ] {
            assert!(LogQuery::parse(query).unwrap_err().contains(part), "{query}");
        }
    }
}
