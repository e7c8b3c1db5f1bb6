//! Documentation that is played: the console blocks of a Markdown page, with what each command must print.
//!
//! A block begins with "```console", and words behind it say where it is played ("root": not by an ordinary user).
//! `$ ` begins a command on this machine, `other$ ` one on another; a line that ends with `\` goes on. What follows is
//! the output: `...` on a line of its own stands for any lines, within a line for any text.

use std::fmt::Write;

/// A command, and what it must print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In the page, from 1.
    pub line: usize,
    /// Words behind "console".
    pub tags: Vec<String>,
    /// On the other machine.
    pub other: bool,
    pub command: String,
    pub expected: Vec<String>,
}

/// The steps of a page, in order.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Of the block that the line is in.
    let mut tags: Option<Vec<String>> = None;
    let mut goes_on = false;
    for (number, line) in page.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            let words = info.strip_prefix("console").map(|rest| rest.split_whitespace());
            tags = if tags.is_some() { None } else { words.map(|words| words.map(str::to_owned).collect()) };
            continue;
        }
        let Some(tags) = &tags else { continue };
        let command = line.strip_prefix("$ ").map(|text| (false, text));
        let command = command.or(line.strip_prefix("other$ ").map(|text| (true, text)));
        match (goes_on, command, steps.last_mut()) {
            (true, _, Some(step)) => write!(step.command, "\n{line}").expect("a string takes all"),
            (_, Some((other, text)), _) => steps.push(Step {
                line: number + 1,
                tags: tags.clone(),
                other,
                command: text.to_owned(),
                expected: Vec::new(),
            }),
            (_, None, Some(step)) => step.expected.push(line.to_owned()),
            (_, None, None) => panic!("line {}: output before any command", number + 1),
        }
        goes_on = line.ends_with('\\');
    }
    steps
}

impl Step {
    /// Whether `output` is what the page says.
    pub fn matches(&self, output: &str) -> bool {
        let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
        all_match(&self.expected, &lines)
    }
}

fn all_match(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=lines.len()).any(|skip| all_match(rest, &lines[skip..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, others)| line_matches(first.trim_end(), line) && all_match(rest, others)),
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_commands() {
        let page = "# Tour\n\n```sh\nnot played\n```\n```console root\n$ echo a \\\n  b\na b\nother$ true\n```\ntext\n```console\n$ ls\n...\n```\n";
        let steps = steps(page);
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.line, step.other, step.command.as_str(), step.tags.len()))
            .collect();
        assert_eq!(told, [(7, false, "echo a \\\n  b", 1), (10, true, "true", 1), (14, false, "ls", 0)]);
        assert_eq!(steps[0].expected, ["a b"]);
    }

    #[test]
    fn outputs() {
        let step = |expected: &[&str]| Step {
            line: 1,
            tags: Vec::new(),
            other: false,
            command: String::new(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        };
        for (expected, output, matches) in [
            (&["a"][..], "a\n", true),
            (&["a"], "b\n", false),
            (&["a"], "a\nb\n", false),
            (&[], "", true),
            (&[], "a\n", false),
            (&["..."], "", true),
            (&["a", "...", "z"], "a\nb\nc\nz\n", true),
            (&["a", "...", "z"], "a\nb\n", false),
            (&["NAME ... up"], "NAME   x up  \n", true),
            (&["x...y...z"], "x1y2z\n", true),
            (&["x...y...z"], "x1z\n", false),
        ] {
            assert_eq!(step(expected).matches(output), matches, "{expected:?} {output:?}");
        }
    }
}
