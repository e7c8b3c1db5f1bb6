//! list, ps, features, spec, version: what is printed.

use std::fs;

use serde_json::{Value, json};

use crate::subject::{Bundle, is_crun, is_ours};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text:?}"))
}

#[test]
fn list_in_every_form() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("create", &[]).succeeds();
    let state = bundle.state();

    assert_eq!(bundle.call(&["list", "--quiet"]).succeeds().stdout, format!("{}\n", bundle.id));
    let listed = json(&bundle.call(&["list", "--format", "json"]).succeeds().stdout);
    for field in ["id", "pid", "status", "bundle", "created"] {
        assert_eq!(listed[0][field], state[field], "{field}");
    }
    assert_eq!(listed[0]["owner"], "root");
    if !is_ours() && !bundle.call(&["list"]).stdout.starts_with("ID ") {
        return;
    }
    let table = bundle.call(&["list"]).succeeds().stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let field = |name: &str| state[name].as_str().map_or_else(|| state[name].to_string(), str::to_owned);
    assert_eq!(
        lines[1],
        [field("id"), field("pid"), "created".into(), field("bundle"), field("created"), "root".into()]
    );
}

#[test]
fn list_of_nothing() {
    let bundle = Bundle::new(&["true"]);
    if is_ours() {
        // A root that was named must be there.
        bundle.call(&["list"]).fails(1, "cannot list");
    }
    fs::create_dir_all(bundle.root()).expect("mkdir");
    assert_eq!(bundle.call(&["list", "-q"]).succeeds().stdout, "");
    fs::create_dir(bundle.root().join("unfinished")).expect("mkdir");
    bundle.call(&["list"]).succeeds();
    if is_ours() {
        assert_eq!(bundle.call(&["list"]).succeeds().stdout.lines().count(), 1);
        assert_eq!(bundle.call(&["list", "-f", "json"]).succeeds().stdout, "[]\n");
    }
}

#[test]
fn ps_shows_the_containers_processes() {
    let bundle = Bundle::new(&["sh", "-c", "sleep 1000 & exec sleep 1001"]);
    bundle.make("run", &["--detach"]).succeeds();
    let pids = loop {
        let pids = json(&bundle.call(&["ps", "--format", "json", &bundle.id]).succeeds().stdout);
        let pids: Vec<i64> = pids.as_array().expect("an array").iter().filter_map(Value::as_i64).collect();
        let asleep = |pid: &i64| {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.starts_with("sleep"))
        };
        if pids.len() == 2 && pids.iter().all(asleep) {
            break pids;
        }
    };
    assert!(pids.contains(&bundle.state()["pid"].as_i64().expect("a pid")));

    let table = bundle.call(&["ps", &bundle.id]).succeeds().stdout;
    assert!(pids.iter().all(|pid| table.contains(&pid.to_string())), "{table}");
    if !table.starts_with("UID ") {
        return;
    }
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    assert_eq!((lines[1][0], lines[1][5], lines[1][7]), ("root", "?", "sleep"));

    let table = bundle.call(&["ps", &bundle.id, "-o", "pid,args"]).succeeds().stdout;
    let mut lines: Vec<&str> = table.lines().map(str::trim).collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = pids
        .iter()
        .map(|pid| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
            format!("{pid} {}", words.trim_end_matches('\0').replace('\0', " "))
        })
        .chain(["PID COMMAND".to_owned()])
        .collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn features_are_what_the_specification_names() {
    let bundle = Bundle::new(&["true"]);
    let features = json(&bundle.call(&["features"]).succeeds().stdout);
    for path in ["/ociVersionMin", "/ociVersionMax"] {
        assert!(
            features.pointer(path).and_then(Value::as_str).is_some_and(|v| v.starts_with("1.")),
            "{path}"
        );
    }
    for (path, word) in [
        ("/hooks", "poststop"),
        ("/mountOptions", "rro"),
        ("/linux/namespaces", "user"),
        ("/linux/capabilities", "CAP_SYS_ADMIN"),
        ("/linux/seccomp/actions", "SCMP_ACT_NOTIFY"),
        ("/linux/seccomp/operators", "SCMP_CMP_MASKED_EQ"),
        ("/linux/seccomp/archs", "SCMP_ARCH_X86_64"),
        ("/potentiallyUnsafeConfigAnnotations", "org.systemd.property."),
    ] {
        if (path.ends_with("archs") || path.starts_with("/potentially")) && is_crun() {
            continue;
        }
        let words = features.pointer(path).and_then(Value::as_array).unwrap_or_else(|| panic!("no {path}"));
        assert!(words.contains(&json!(word)), "{path} lacks {word}");
    }
    assert_eq!(features.pointer("/linux/cgroup/v1"), Some(&json!(true)));
    assert_eq!(features.pointer("/linux/cgroup/v2"), Some(&json!(true)));
}

#[test]
fn spec_overwrites_nothing() {
    let bundle = Bundle::new(&["true"]);
    let path = bundle.path().join("config.json");
    let before = fs::read(&path).expect("config.json");
    bundle.call(&["spec", "--bundle", bundle.path().to_str().expect("UTF-8")]).fails(1, "exists");
    assert_eq!(fs::read(&path).expect("config.json"), before);
}

#[test]
fn spec_for_root_and_for_others() {
    let bundle = Bundle::new(&["true"]);
    let spec = |flags: &[&str]| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().to_str().expect("UTF-8");
        bundle.call(&[&["spec", "--bundle", path], flags].concat()).succeeds();
        json(&fs::read_to_string(directory.path().join("config.json")).expect("config.json"))
    };
    let types = |config: &Value| -> Vec<String> {
        let namespaces = config["linux"]["namespaces"].as_array().expect("an array").clone();
        namespaces.iter().map(|n| n["type"].as_str().expect("a type").to_owned()).collect()
    };
    let (root, rootless) = (spec(&[]), spec(&["--rootless"]));
    assert_eq!(root["process"]["terminal"], true);
    assert_eq!(root["process"]["args"], json!(["sh"]));
    assert!(types(&root).contains(&"network".to_owned()) && !types(&root).contains(&"user".to_owned()));
    // crun's keeps the network namespace, and maps nobody.
    assert!(is_crun() || !types(&rootless).contains(&"network".to_owned()));
    assert!(types(&rootless).contains(&"user".to_owned()));
    assert!(is_crun() || rootless["linux"]["uidMappings"][0]["size"] == 1);
}

#[test]
fn version_and_help() {
    let bundle = Bundle::new(&["true"]);
    assert!(bundle.call(&["--version"]).succeeds().stdout.contains(" version "));
    let help = bundle.call(&["--help"]).succeeds().stdout;
    for verb in ["create", "run", "exec", "features"] {
        assert!(help.contains(verb), "{help}");
        let help = bundle.call(&[verb, "--help"]).succeeds().stdout;
        // runc's sections.
        assert!(is_crun() || help.starts_with("NAME:\n   ") && help.contains("\nUSAGE:\n   "), "{help}");
        assert!(is_crun() || bundle.call(&[verb, "-h"]).succeeds().stdout == help);
    }
    if !is_crun() {
        assert!(help.starts_with("NAME:\n   ") && help.contains("\nGLOBAL OPTIONS:\n   "), "{help}");
        assert_eq!(bundle.call(&["help"]).succeeds().stdout, help);
        for (words, error) in [
            (&["start"][..], "\"start\" requires exactly 1 argument(s)"),
            (&["start", "a", "b"], "\"start\" requires exactly 1 argument(s)"),
            (&["exec"], "\"exec\" requires a minimum of "),
            (&["spec", "more"], "\"spec\" requires exactly 0 argument(s)"),
            (&["list", "--bogus"], "flag provided but not defined: -bogus"),
        ] {
            let code = if words[0] == "exec" && is_ours() { 255 } else { 1 };
            bundle.call(words).fails(code, error);
        }
        for words in [&["nonesuch"][..], &["nonesuch", "-h"]] {
            bundle.call(words).fails(3, "No help topic for 'nonesuch'");
        }
    }
}

#[test]
fn shells_are_told_of_every_command() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["true"]);
    for shell in ["bash", "zsh", "fish"] {
        let script = bundle.call(&["completion", shell]).succeeds().stdout;
        for word in ["checkpoint", "preserve-fds", "cpu-burst", "log-format"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    bundle.call(&["completion", "nonesuch"]).fails(1, "nonesuch");
}
