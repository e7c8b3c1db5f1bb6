//! One engine with directories of its own, playing scenarios.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use ketch_integration::{ImageBuilder, Netns, Output};

use crate::normal;
use crate::scenarios::{IMAGE, Scenario};

/// In a network namespace of its own, so that neither sees the other's bridges.
pub(crate) struct Engine {
    program: String,
    dir: PathBuf,
    netns: Netns,
}

impl Engine {
    /// Makes the directories and the files that scenarios use, and loads the image.
    pub(crate) fn new(program: &str, dir: PathBuf) -> Engine {
        let work = dir.join("work");
        fs::create_dir_all(work.join("data")).expect("a fresh directory");
        for (name, text) in [
            ("data/file", "shared\n"),
            ("env", "# a comment\nFROM_FILE=yes\nEMPTY=\n"),
            ("bad-env", "=value\n"),
            ("labels", "from=file\n"),
            ("not-a-tar", "no archive\n"),
            ("profile.json", "{broken"),
        ] {
            fs::write(work.join(name), text).expect("a fresh directory");
        }
        let archive = |builder: ImageBuilder, file: &str, name: &str| {
            builder.name(name).docker_archive(&work.join(file));
        };
        archive(ImageBuilder::busybox(), "busybox.tar", IMAGE);
        let special = ImageBuilder::busybox()
            .config("User", "kim".into())
            .config("WorkingDir", "/var".into())
            .config("Entrypoint", vec!["echo", "entry"].into())
            .config("Cmd", vec!["cmd"].into())
            .config("StopSignal", "SIGKILL".into())
            .config("Labels", serde_json::json!({"tier": "image"}));
        archive(special, "special.tar", "docker.io/library/special:latest");
        let engine = Engine { program: program.to_owned(), dir, netns: Netns::new() };
        for file in ["busybox.tar", "special.tar"] {
            let load = engine.line(&format!("load -q -i $DIR/{file}"), "");
            assert_eq!(load.code, 0, "{load:#?}");
        }
        engine
    }

    /// Plays the lines in order and takes away the containers that they leave.
    /// What they print comes back normalised.
    pub(crate) fn play(&self, scenario: &Scenario) -> Vec<Output> {
        let mut id = String::new();
        let mut outputs = Vec::new();
        for line in scenario.lines {
            let mut output = self.line(line, &id);
            if let Some(word) = output.stdout.split_whitespace().rfind(|word| normal::is_id(word)) {
                id = word.to_owned();
            }
            output.stdout = normal::text(&output.stdout, &self.dir);
            output.stderr = normal::text(&output.stderr, &self.dir);
            outputs.push(output);
        }
        self.line("rm -f -a -t 0", "");
        for file in ["cid", "cid2", "one.tar.zst"] {
            let _ = fs::remove_file(self.dir.join("work").join(file));
        }
        outputs
    }

    /// Frees what podman keeps mounted of its own store.
    pub(crate) fn reset(&self) {
        self.line("system reset -f", "");
    }

    /// Runs one line: `[INPUT |] VERB WORD…`, with single quotes around words that have spaces.
    ///
    /// `$DIR` is the scratch directory, `$ID` the last full id that the scenario has printed, `$SHORT` its first twelve
    /// digits, `$IMAGE` the image.
    fn line(&self, line: &str, id: &str) -> Output {
        let (input, line) = line.split_once(" | ").unwrap_or(("", line));
        let work = self.dir.join("work");
        let words = words(line).into_iter().map(|word| {
            word.replace("$DIR", &work.display().to_string())
                .replace("$SHORT", id.get(..12).unwrap_or_default())
                .replace("$ID", id)
                .replace("$IMAGE", IMAGE)
        });
        // A line that never ends is a difference to be shown (124), not a comparison that hangs.
        let mut command = self.netns.command("timeout");
        command.args(["-k", "5", "60", &self.program]);
        command.arg("--root").arg(self.dir.join("root")).arg("--runroot").arg(self.dir.join("run"));
        command.args(words).current_dir(&work);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("timeout is installed");
        // A command that does not read its input closes the pipe.
        let _ = child.stdin.take().expect("piped").write_all(input.replace("\\n", "\n").as_bytes());
        let output = child.wait_with_output().expect("a child can be waited for");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Output {
            command: line.to_owned(),
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
