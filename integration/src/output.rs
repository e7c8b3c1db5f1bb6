//! What a finished command left: its exit code and both streams.

use std::os::unix::process::ExitStatusExt;

#[derive(Debug, Clone)]
pub struct Output {
    /// The command as typed, for messages.
    pub command: String,
    /// Exit code, or 128 + signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// `command` is for messages.
    pub fn new(command: String, output: &std::process::Output) -> Output {
        let status = output.status;
        Output {
            command,
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn assert_exit(self, code: i32) -> Output {
        assert_eq!(self.code, code, "exit code of `{}`\n{self:#?}", self.command);
        self
    }

    #[track_caller]
    pub fn ok(self) -> Output {
        self.assert_exit(0)
    }

    /// Compares standard output without the white space around it.
    #[track_caller]
    pub fn assert_stdout(self, expected: &str) -> Output {
        assert_eq!(self.stdout.trim(), expected, "stdout of `{}`\n{self:#?}", self.command);
        self
    }

    #[track_caller]
    pub fn assert_stdout_has(self, part: &str) -> Output {
        assert!(self.stdout.contains(part), "stdout of `{}` lacks {part:?}\n{self:#?}", self.command);
        self
    }

    #[track_caller]
    pub fn assert_stderr_has(self, part: &str) -> Output {
        assert!(self.stderr.contains(part), "stderr of `{}` lacks {part:?}\n{self:#?}", self.command);
        self
    }

    /// An error is one clear line (a hint may follow).
    #[track_caller]
    pub fn assert_one_error_line(self) -> Output {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.starts_with("hint:")).collect();
        assert_eq!(lines.len(), 1, "stderr of `{}` is not one line\n{self:#?}", self.command);
        self
    }

    /// Standard output, trimmed.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is not JSON ({e})\n{self:#?}"))
    }
}
