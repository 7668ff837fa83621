//! The embedded GMS as a server that is attacked.

use std::fs;

use crate::support::gms_process::GmsProcess;
use crate::support::raw_client::send;
use crate::support::sandbox::Sandbox;

const JSON: &str = "Content-Type: application/json\r\n";

/// The greatest memory of a process so far, in KiB, without the pages of its executable, which are many in a
/// build for tests.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let value = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    value("VmHWM:") - value("RssFile:")
}

#[test]
fn many_wrong_log_ins_take_little_memory_and_are_slowed_down() {
    let sandbox = Sandbox::new();
    let gms = GmsProcess::start(&sandbox, &["--data", ":memory:"]);
    let frontend = gms.frontend().to_owned();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|thread| {
                let frontend = &frontend;
                scope.spawn(move || {
                    (0..30)
                        .map(|number| {
                            let body = format!(r#"{{"username":"u{thread}-{number}","password":"wrong"}}"#);
                            send(frontend, "POST /logIn", JSON, &body).0
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.len(), 3_000);
    assert!(statuses.iter().all(|status| matches!(status, 400 | 429)), "{statuses:?}");
    let slowed = statuses.iter().filter(|status| **status == 429).count();
    assert!(slowed > 1_000, "{slowed}");
    let peak = peak(gms.process.id());
    assert!(peak < 80 * 1024, "{peak} KiB");
}

#[test]
fn without_authentication_pages_of_other_sites_are_refused() {
    let sandbox = Sandbox::new();
    let gms = GmsProcess::start(&sandbox, &["--data", ":memory:", "--auth", "off"]);
    let url = gms.gms();
    let body = r#"{"urn":"urn:li:tag:a"}"#;
    let write = |headers: &str| send(url, "POST /entities?action=exists", headers, body).0;
    assert_eq!(write(JSON), 200);
    assert_eq!(write(&format!("{JSON}Origin: http://x\r\n")), 200, "the same origin as the header Host");
    for headers in [
        format!("{JSON}Origin: https://evil.example.com\r\n"),
        format!("{JSON}Origin: null\r\n"),
        format!("{JSON}Sec-Fetch-Site: cross-site\r\n"),
        "Content-Type: text/plain\r\n".to_owned(),
        "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
        "Content-Type: multipart/form-data; boundary=x\r\n".to_owned(),
    ] {
        assert_eq!(write(&headers), 403, "{headers}");
    }
    // A name that an attacker has pointed to this machine.
    let rebound = rebound(url);
    assert_eq!(rebound, 403);
}

/// The status of a read under a foreign name.
fn rebound(url: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET /config HTTP/1.0\r\nHost: evil.example.com:8080\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
