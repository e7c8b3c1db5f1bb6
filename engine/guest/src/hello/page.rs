//! A page of labels and values, aligned, no wider than a terminal.

use std::fmt::Write;

const LABEL: usize = 14;
const WIDTH: usize = 78;

#[derive(Debug)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    pub(crate) fn new(title: &str) -> Page {
        Page { text: format!("{title}\n\n") }
    }

    pub(crate) fn line(&mut self, label: &str, value: &str) {
        self.list(label, [value.to_owned()]);
    }

    /// Words side by side, broken between words.
    pub(crate) fn words(&mut self, label: &str, words: impl IntoIterator<Item = String>) {
        let mut lines: Vec<String> = vec![String::new()];
        for word in words {
            let current = lines.last_mut().expect("there is always one");
            if current.is_empty() {
                *current = word;
            } else if 2 + LABEL + current.len() + 1 + word.len() > WIDTH {
                lines.push(word);
            } else {
                current.push(' ');
                current.push_str(&word);
            }
        }
        self.list(label, lines);
    }

    /// One line each.
    pub(crate) fn list(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        let mut label = label;
        for line in lines {
            let line = if label.is_empty() || !line.is_empty() { line } else { "none".to_owned() };
            writeln!(self.text, "  {label:<LABEL$}{line}").expect("a String takes everything");
            label = "";
        }
        if !label.is_empty() {
            writeln!(self.text, "  {label:<LABEL$}none").expect("a String takes everything");
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let mut page = Page::new("title");
        page.line("a", "1");
        page.line("empty", "");
        page.list("b", ["x".to_owned(), "y".to_owned()]);
        page.list("nothing", []);
        page.words("w", (0..12).map(|n| format!("word{n:03}")));
        assert_eq!(
            page.finish(),
            "title\n\n\
             \x20 a             1\n\
             \x20 empty         none\n\
             \x20 b             x\n\
             \x20               y\n\
             \x20 nothing       none\n\
             \x20 w             word000 word001 word002 word003 word004 word005 word006\n\
             \x20               word007 word008 word009 word010 word011\n"
        );
    }
}
