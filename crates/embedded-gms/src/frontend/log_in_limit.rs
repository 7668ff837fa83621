//! The rate of failed log-ins: guessing a password takes long, and does not keep the server busy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::lock;

/// Failures that a user at an address has at once, and how long one counts.
const PER_USER: Limit = Limit { burst: 20, each: Duration::from_secs(3) };

/// The same for all users at an address.
const PER_ADDRESS: Limit = Limit { burst: 100, each: Duration::from_secs(1) };

/// Addresses and users that are remembered. With more, the oldest counts are forgotten.
const MAX_ENTRIES: usize = 8192;

#[derive(Clone, Copy)]
struct Limit {
    burst: u32,
    each: Duration,
}

/// Counts failed log-ins by address, and by address and user. A user who is guessed at from one address can
/// still log in at another.
#[derive(Debug, Default)]
pub(crate) struct LogInLimit {
    failures: Mutex<HashMap<Key, Failures>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    /// `None` for all users.
    user: Option<String>,
}

/// The time until which all counted failures are forgotten.
#[derive(Clone, Copy, Debug)]
struct Failures(Instant);

impl LogInLimit {
    /// Counts a log-in before its password is verified, so that simultaneous ones count as well. `Err` with
    /// the time to wait if there were too many failures.
    pub(crate) fn begin(&self, address: Option<IpAddr>, user: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut failures = lock(&self.failures);
        if failures.len() >= MAX_ENTRIES {
            failures.retain(|_, until| until.0 > now);
            if failures.len() >= MAX_ENTRIES {
                failures.clear();
            }
        }
        let keys = [(of(address, Some(user)), PER_USER), (of(address, None), PER_ADDRESS)];
        let mut wait = Duration::ZERO;
        for (key, limit) in &keys {
            if let Some(until) = failures.get(key) {
                let counted = until.0.saturating_duration_since(now);
                wait = wait.max((counted + limit.each).saturating_sub(limit.each * limit.burst));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for (key, limit) in keys {
            let until = failures.entry(key).or_insert(Failures(now));
            until.0 = until.0.max(now) + limit.each;
        }
        Ok(())
    }

    /// Forgets the failures of a user who has logged in.
    pub(crate) fn succeeded(&self, address: Option<IpAddr>, user: &str) {
        let mut failures = lock(&self.failures);
        failures.remove(&of(address, Some(user)));
        if let Some(until) = failures.get_mut(&of(address, None)) {
            until.0 = until.0.checked_sub(PER_ADDRESS.each).unwrap_or(until.0);
        }
    }
}

fn of(address: Option<IpAddr>, user: Option<&str>) -> Key {
    // A household has 2^64 addresses of version 6.
    let address = address.map(|address| match address {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    });
    Key { address, user: user.map(|user| user.chars().take(128).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));

    #[tokio::test(start_paused = true)]
    async fn guessing_is_slowed_down_and_a_log_in_elsewhere_is_not() {
        let limit = LogInLimit::default();
        for _ in 0..PER_USER.burst {
            limit.begin(HOME, "ann").unwrap();
        }
        let wait = limit.begin(HOME, "ann").unwrap_err();
        assert!(!wait.is_zero() && wait <= PER_USER.each, "{wait:?}");
        limit.begin(HOME, "bob").unwrap();
        limit.begin(Some([10, 0, 0, 2].into()), "ann").unwrap();
        tokio::time::advance(PER_USER.each).await;
        limit.begin(HOME, "ann").unwrap();
        limit.succeeded(HOME, "ann");
        limit.begin(HOME, "ann").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn many_users_at_an_address_share_its_limit_and_memory_is_bounded() {
        let limit = LogInLimit::default();
        let allowed = (0..3_000).filter(|number| limit.begin(HOME, &number.to_string()).is_ok()).count();
        assert_eq!(allowed, usize::try_from(PER_ADDRESS.burst).unwrap());
        for number in 0..50_000_u32 {
            limit.begin(Some(number.to_be_bytes().into()), "ann").ok();
        }
        assert!(lock(&limit.failures).len() <= MAX_ENTRIES);
    }
}
