//! Are the examples for cron, systemd and Kubernetes valid, and do their command lines work?

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox, tags};

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/schedules").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Runs a command line of an example with its absolute paths mapped into a sandbox, without a server.
fn works_offline(program: &str, arguments: &[&str]) {
    assert_eq!(Path::new(program).file_name().unwrap(), "datahub-emit");
    let sandbox = Sandbox::new();
    let root = sandbox.path("root");
    sandbox.write("root/tags.jsonl", &tags(["a"]));
    let source = root.join("tags.jsonl");
    sandbox.write(
        "root/etc/datahub-emit/nightly.yml",
        &format!(
            "pipeline_name: nightly\nsource: {{type: file, config: {{path: '{}'}}}}\nsink: {{type: datahub-rest, config: \
             {{server: 'http://localhost:1'}}}}\n",
            source.display()
        ),
    );
    for token in ["etc/datahub-emit/token", "run/secrets/datahub-emit/token", "run/credentials/token"] {
        sandbox.write(&format!("root/{token}"), "a-token\n");
    }
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| argument.replace("%d", "/run/credentials").replace("%S", "/var/lib"))
        .map(
            |argument| {
                if argument.starts_with('/') { format!("{}{argument}", root.display()) } else { argument }
            },
        )
        .collect();
    let offline =
        if arguments.iter().any(|argument| argument == "check") { "--offline" } else { "--dry-run" };
    let ran = Ran::of(sandbox.command().args(&arguments).arg(offline)).ends_with(0);
    if arguments.iter().any(|argument| argument == "-q") {
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "cron would send a mail");
    }
}

#[test]
fn the_crontab() {
    let mut commands = 0;
    let text = example("crontab");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let variable =
            line.split_once('=').filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase()));
        if variable.is_some() {
            continue;
        }
        assert!(!line.contains('%'), "cron makes a line end of it: {line}");
        let mut words = line.split_whitespace();
        for (name, most) in [("minute", 59), ("hour", 23), ("day", 31), ("month", 12), ("weekday", 7)] {
            let field = words.next().unwrap();
            assert!(field == "*" || field.parse::<u8>().unwrap() <= most, "{name}: {field}");
        }
        let program = words.next().unwrap();
        works_offline(program, &words.collect::<Vec<_>>());
        commands += 1;
    }
    assert_eq!(commands, 2);
    assert!(text.ends_with('\n'), "cron passes over a last line without an end");
}

/// The sections of a unit file, each a list of keys and values.
fn unit(name: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut current = None;
    for line in example(name).lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            current = Some(section.to_owned());
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            let section = current.clone().expect("a key stands in a section");
            sections.entry(section).or_default().push((key.to_owned(), value.to_owned()));
        }
    }
    sections
}

fn value<'a>(unit: &'a BTreeMap<String, Vec<(String, String)>>, section: &str, key: &str) -> &'a str {
    let found: Vec<_> = unit[section].iter().filter(|(known, _)| known == key).collect();
    assert_eq!(found.len(), 1, "{key} is there once");
    &found[0].1
}

#[test]
fn the_systemd_service() {
    let unit = unit("datahub-emit.service");
    assert_eq!(unit.keys().collect::<Vec<_>>(), ["Install", "Service", "Unit"]);
    assert_eq!(value(&unit, "Service", "Type"), "oneshot");
    let mut command = value(&unit, "Service", "ExecStart").split_whitespace();
    let program = command.next().unwrap();
    assert!(program.starts_with('/'), "systemd wants a whole path");
    works_offline(program, &command.collect::<Vec<_>>());
    let stop: u64 = value(&unit, "Service", "TimeoutStopSec").parse().unwrap();
    assert!(stop > 20, "proposals in flight have 20 s");
    let credential = value(&unit, "Service", "LoadCredential").split_once(':').unwrap().0;
    assert!(value(&unit, "Service", "ExecStart").contains(&format!("%d/{credential}")));
}

#[test]
fn the_systemd_timer() {
    let unit = unit("datahub-emit.timer");
    assert_eq!(unit.keys().collect::<Vec<_>>(), ["Install", "Timer", "Unit"]);
    assert_eq!(value(&unit, "Timer", "Unit"), "datahub-emit.service");
    let calendar = value(&unit, "Timer", "OnCalendar");
    let (date, time) = calendar.split_once(' ').unwrap();
    assert_eq!(date, "*-*-*");
    time.parse::<jiff::civil::Time>().unwrap();
}

#[test]
fn the_kubernetes_cron_job() {
    let job: Value = serde_yaml::from_str(&example("cronjob.yml")).unwrap();
    assert_eq!((&job["apiVersion"], &job["kind"]), (&"batch/v1".into(), &"CronJob".into()));
    let spec = &job["spec"];
    assert_eq!(spec["schedule"].as_str().unwrap().split(' ').count(), 5);
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    let pod = &spec["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 20, "proposals in flight have 20 s");
    let container = &pod["containers"][0];
    let words = |key: &str| -> Vec<&str> {
        container[key].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
    };
    let (command, arguments) = (words("command"), words("args"));
    works_offline(command[0], &[&command[1..], &arguments].concat());
    // Each path in the command line is in a volume, and each volume is defined.
    let names = |list: &Value, key: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
    };
    let paths = names(&container["volumeMounts"], "mountPath");
    for argument in arguments.iter().filter(|argument| argument.starts_with('/')) {
        assert!(paths.iter().any(|path| argument.starts_with(path.as_str())), "{argument}");
    }
    assert_eq!(names(&container["volumeMounts"], "name"), names(&pod["volumes"], "name"));
}
