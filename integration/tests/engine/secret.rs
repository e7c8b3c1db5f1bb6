//! Secrets: podman 5.8's words and exit codes; and nothing of them where it does not belong.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use ketch_integration::{Engine, Output, program};

fn keep(engine: &Engine, name: &str, text: &str) -> Output {
    let path = engine.path("plain");
    fs::write(&path, text).unwrap();
    engine.run(["secret", "create", "--replace", name, path.to_str().unwrap()]).ok()
}

#[test]
fn verbs() {
    let engine = Engine::new();
    let mut create = engine.command();
    create.args(["secret", "create", "-l", "a=b", "key", "-"]);
    let file = engine.path("plain");
    fs::write(&file, "open sesame").unwrap();
    create.stdin(Stdio::from(fs::File::open(&file).unwrap()));
    let id = program::finish(&mut create).ok().text().to_owned();
    assert_eq!(id.len(), 25);
    engine
        .run(["secret", "create", "key", file.to_str().unwrap()])
        .assert_exit(125)
        .assert_stderr_has("key: secret name in use");
    engine.run(["secret", "create", "--ignore", "key", file.to_str().unwrap()]).ok().assert_stdout(&id);

    let kept = engine.path("root/secrets").join(&id);
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(engine.path("root/secrets")).unwrap().mode() & 0o777, 0o700);

    let inspected = engine.line("secret inspect key").ok();
    assert!(!inspected.stdout.contains("sesame"), "{inspected:#?}");
    let document = inspected.json()[0].clone();
    assert_eq!(document["ID"], id);
    assert_eq!(document["Spec"]["Driver"]["Name"], "file");
    assert_eq!(document["Spec"]["Labels"]["a"], "b");
    assert_eq!(engine.line("secret inspect --showsecret key").ok().json()[0]["SecretData"], "open sesame");
    engine
        .run(["secret", "inspect", "-f", "{{.Spec.Name}} {{.ID}}", "key"])
        .ok()
        .assert_stdout(&format!("key {id}"));
    let pretty = engine.line("secret inspect --pretty key").ok();
    assert!(
        pretty.stdout.starts_with(&format!("ID:              {id}\nName:              key\n")),
        "{pretty:#?}"
    );
    engine
        .line("secret inspect none")
        .assert_exit(125)
        .assert_stdout("[]")
        .assert_stderr_has("inspecting secret: no secret with name or id \"none\": no such secret");

    let list = engine.line("secret ls").ok();
    let words: Vec<_> =
        list.stdout.lines().map(|line| line.split_whitespace().take(3).collect::<Vec<_>>()).collect();
    assert_eq!(words, [["ID", "NAME", "DRIVER"], [&*id, "key", "file"]]);
    engine.line("secret ls -q --filter name=ke").ok().assert_stdout(&id);
    engine.line("secret ls -q --filter id=zz").ok().assert_stdout("");
    engine.line("secret ls --filter foo=x").assert_exit(125).assert_stderr_has("invalid filter \"foo\"");
    engine.line("secret exists key").ok();
    engine.line("secret exists none").assert_exit(1);

    let other = keep(&engine, "key", "another").text().to_owned();
    assert_ne!(other, id);
    assert!(!kept.exists());
    engine
        .line("secret rm none")
        .assert_exit(125)
        .assert_stderr_has("no secret with name or id \"none\": no such secret");
    engine.line("secret rm -i none").ok();
    engine.line("secret rm").assert_exit(125).assert_stderr_has("requires one argument, or the --all flag");
    engine.line("secret rm --all").ok().assert_stdout(&other);
    assert_eq!(fs::read_dir(engine.path("root/secrets")).unwrap().count(), 0);
    let events =
        engine.run(["events", "--stream=false", "--filter", "type=secret", "--format", "{{.Status}}"]).ok();
    assert_eq!(events.stdout.split_whitespace().collect::<Vec<_>>(), ["create", "create", "remove"]);
}

#[test]
fn what_cannot_be_kept() {
    let engine = Engine::new();
    for (line, part) in [
        ("secret create", "accepts 2 arg(s), received 0"),
        ("secret create a/b /etc/hostname", "secret name \"a/b\" can not include"),
        ("secret create empty /dev/null", "secret data must be larger than 0 and less than 512000 bytes"),
        ("secret create big /dev/zero", "secret data must be larger than 0 and less than 512000 bytes"),
        ("secret create none /no/such/file", "/no/such/file"),
        (
            "secret create --env none KETCH_NO_SUCH_VARIABLE",
            "environment variable KETCH_NO_SUCH_VARIABLE is not set",
        ),
        ("secret create --driver pass x /etc/hostname", "--driver pass is not available"),
        ("secret create --driver magic x /etc/hostname", "invalid driver"),
        ("secret create --driver-opts path=/x x /etc/hostname", "--driver-opts path=/x is not available"),
    ] {
        engine.line(line).assert_exit(125).assert_stderr_has(part).assert_one_error_line();
    }
    engine.line("secret ls -q").ok().assert_stdout("");
    engine.line("secret create --env path PATH").ok();
}

#[test]
fn in_a_container() {
    let engine = Engine::with_busybox();
    keep(&engine, "key", "open sesame");
    let run = |secret: &str, script: &str| {
        engine.run(["run", "--rm", "--network", "none", "--secret", secret, "busybox", "sh", "-c", script])
    };
    let look = "cat /run/secrets/*; stat -c ' %a %u %g' /run/secrets/*; ls -A /run/secrets";
    run("key", look).ok().assert_stdout("open sesame 444 0 0\nkey");
    run("source=key,target=lock,uid=3,gid=4,mode=0440", look).ok().assert_stdout("open sesame 440 3 4\nlock");
    run("key,target=/x/y,mode=400", "cat /x/y; ls -d /run/secrets 2>/dev/null")
        .assert_exit(1)
        .assert_stdout("open sesame");
    run("key,type=env", "echo $key").ok().assert_stdout("open sesame");
    run("key,type=env,target=PATH2", "echo $PATH2").ok().assert_stdout("open sesame");
    run("", "true").ok();
    let read_only =
        ["run", "--rm", "--network", "none", "--read-only", "--user", "1000", "--secret", "key", "busybox"];
    engine.run(read_only.into_iter().chain(["cat", "/run/secrets/key"])).ok().assert_stdout("open sesame");
    // Its owner is one of the container's own users.
    engine
        .line("run --rm --network none --uidmap 0:100000:65536 --secret key,uid=3,mode=0400 --user 3 busybox cat /run/secrets/key")
        .ok()
        .assert_stdout("open sesame");
    run("none", "true")
        .assert_exit(125)
        .assert_stderr_has("no secret with name or id \"none\": no such secret");
    run("key,type=bar", "true").assert_exit(125).assert_stderr_has("type bar is invalid: parsing secret");
    let script = "echo $key; cat /run/secrets/key";
    engine
        .run([
            "run",
            "--rm",
            "--network",
            "none",
            "--secret",
            "key",
            "--secret",
            "key,type=env",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .ok()
        .assert_stdout("open sesame\nopen sesame");
}

/// It stays what it was when the container was created, and is nowhere but in the container.
#[test]
fn kept_with_the_container() {
    let engine = Engine::with_busybox();
    keep(&engine, "key", "open sesame");
    engine
        .run([
            "create",
            "--name",
            "one",
            "--network",
            "none",
            "--secret",
            "key",
            "--secret",
            "key,type=env,target=KEY",
            "busybox",
            "sh",
            "-c",
            "cat /run/secrets/key; echo; echo $KEY; exec sleep 1000",
        ])
        .ok();
    keep(&engine, "key", "another");
    engine.line("secret rm key").ok();
    engine.line("start one").ok();
    engine.wait_for_log("one", "open sesame\nopen sesame");
    engine.line("exec one cat /run/secrets/key").ok().assert_stdout("open sesame");

    let inspected = engine.line("inspect one").ok();
    assert!(!inspected.stdout.contains("sesame"), "{inspected:#?}");
    assert_eq!(inspected.json()[0]["Config"]["Secrets"][0]["Name"], "key");
    let archive = engine.path("one.tar");
    engine.run(["export", "-o", archive.to_str().unwrap(), "one"]).ok();
    engine.line("commit one copy").ok();
    engine.run(["save", "-o", engine.path("copy.tar").to_str().unwrap(), "copy"]).ok();
    for name in ["one.tar", "copy.tar"] {
        let bytes = fs::read(engine.path(name)).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(b"sesame"), "{name}");
        // A name in a tar ends so.
        assert!(!holds(b"run/secrets/key\0"), "{name}");
    }
    engine.line("rm -f -t 0 one").ok();
}
