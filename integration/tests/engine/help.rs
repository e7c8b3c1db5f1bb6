//! Help and completion have podman's form: scripts and shells read them.

use std::process::Command;

use ketch_integration::{Engine, Output, program};

fn ketch(words: &[&str]) -> Output {
    program::run(program::engine(), words)
}

/// The names in a help text's list of commands.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Available Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Asks each verb for help, and for what its usage line forbids.
fn walk(noun: &[&str]) -> usize {
    let list = ketch(&[&["help"], noun].concat()).ok().stdout;
    let mut verbs = 0;
    for name in commands(&list) {
        let path = [noun, &[name.as_str()]].concat();
        let help = ketch(&[&["help"], &path[..]].concat()).ok().stdout;
        let usage = help.split("\nUsage:\n  ").nth(1).and_then(|text| text.lines().next());
        let usage = usage.unwrap_or_else(|| panic!("no usage of {path:?}: {help}"));
        let args = usage.strip_prefix(&format!("ketch {}", path.join(" "))).expect("the full name");
        if args == " [command]" {
            verbs += walk(&path);
            continue;
        }
        verbs += 1;
        assert_eq!(args.contains("[options]"), help.contains("\nOptions:\n"), "{help}");
        let args = args.replace(" [options]", "");
        let refused = |more: &[&str], words: &[&str]| {
            let said = ketch(&[&path[..], more].concat()).assert_exit(125);
            assert!(words.iter().any(|word| said.stderr.contains(word)), "{path:?} {more:?}: {said:#?}");
        };
        if args.is_empty() {
            refused(&["more"], &["takes no arguments"]);
        } else if args.starts_with(' ') && args[1..].starts_with(|c: char| c.is_ascii_uppercase()) {
            refused(&[], &["require", "accepts", "must", "need", "provide", "specify"]);
        }
        if !args.is_empty() && !args.contains("...") {
            refused(&vec!["x"; args.split_whitespace().count() + 1], &["accepts", "requires"]);
        }
        // Its command may begin with anything.
        if name != "unshare" {
            refused(&["---bogus"], &["unknown flag: "]);
        }
    }
    verbs
}

#[test]
fn every_command_has_help_and_counts_its_arguments() {
    assert!(walk(&[]) > 100);
    let help = ketch(&["rm", "--help"]).ok().stdout;
    assert!(help.starts_with("Remove containers\n\nDescription:\n"), "{help}");
    assert!(help.contains("\n  -f, --force "), "{help}");
}

#[test]
fn words_are_completed() {
    let engine = Engine::with_busybox();
    engine.line("create --name one busybox true").ok();
    engine.line("create --name other busybox true").ok();
    engine.line("volume create vol").ok();
    for (words, candidates) in [
        (&["vers"][..], "version"),
        (&["container", "unp"], "unpause"),
        (&["rm", "o"], "one other"),
        (&["rm", "-f", "ot"], "other"),
        (&["rm", "--fo"], "--force"),
        (&["run", "--pull", "n"], "never newer"),
        (&["run", "--pull", "n", ""], "docker.io/library/busybox:latest"),
        (&["run", "-it", "--name", "x", "docker.io/"], "docker.io/library/busybox:latest"),
        (&["volume", "rm", ""], "vol"),
        (&["inspect", "--format", ""], ""),
        (&["rename", "one", "new", ""], ""),
        (&["--log-level", "debug", "container", "renam"], "rename"),
        (&["no-such-command", ""], ""),
    ] {
        let said = engine.run([&["__completeNoDesc"], words].concat()).ok();
        let (list, end) = said.stdout.rsplit_once(':').expect("a directive");
        assert_eq!(list.split_whitespace().collect::<Vec<_>>().join(" "), candidates, "{words:?}");
        assert_eq!(end.trim_end(), "4", "{words:?}");
        assert!(
            said.stderr.contains("Completion ended with directive: ShellCompDirectiveNoFileComp"),
            "{said:#?}"
        );
    }
    let described = engine.run(["__complete", "rm", "--forc"]).ok();
    assert!(described.stdout.starts_with("--force\tStop those that run"), "{described:#?}");
    assert_eq!(engine.run(["__complete", "load", "-i", ""]).ok().stdout, ":0\n");
}

/// bash asks for what comes after `ketch rm --for`.
#[test]
fn bash_has_a_script() {
    let ketch = program::engine();
    let script = format!(
        "source <({0} completion bash); COMP_WORDS=({0} rm --forc); COMP_CWORD=2; _ketch {0} --forc rm; echo \"${{COMPREPLY[*]}}\"",
        ketch.display()
    );
    let said = program::finish(Command::new("bash").args(["-c", &script])).ok();
    assert_eq!(said.text(), "--force");
    for shell in ["zsh", "fish"] {
        assert!(program::run(&ketch, ["completion", shell]).ok().stdout.contains("__complete"));
    }
}
