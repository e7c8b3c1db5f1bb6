//! Whether two outputs are the same, and how that is shown.

use std::fmt;

use ketch_integration::Output;

use crate::explained;

pub(crate) enum Verdict {
    Same,
    /// Exit code and stdout are the same; one side says more or fewer lines on stderr.
    Lines,
    Explained(&'static str),
    Differs,
}

impl Verdict {
    pub(crate) fn of(scenario: &str, line: &str, ours: &Output, theirs: &Output) -> Verdict {
        if ours.code != theirs.code || ours.stdout != theirs.stdout {
            return explained::reason(scenario, line).map_or(Verdict::Differs, Verdict::Explained);
        }
        if said(ours) == said(theirs) { Verdict::Same } else { Verdict::Lines }
    }

    /// One line for each; the streams as well where there is something to see.
    pub(crate) fn print(&self, scenario: &str, line: &str, ours: &Output, theirs: &Output, verbose: bool) {
        let word = match self {
            Verdict::Same => "same",
            Verdict::Lines => "stderr",
            Verdict::Explained(_) => "explained",
            Verdict::Differs => "DIFFERS",
        };
        println!("{word:<9}  {:>3}  {scenario}: {line}", ours.code);
        if let Verdict::Explained(reason) = self {
            println!("           {reason}");
        }
        if matches!(self, Verdict::Differs) || verbose {
            stream("podman", theirs.code, "stdout", &theirs.stdout);
            stream("ketch", ours.code, "stdout", &ours.stdout);
        }
        if !(ours.stderr.is_empty() && theirs.stderr.is_empty()) {
            stream("podman", theirs.code, "stderr", &theirs.stderr);
            stream("ketch", ours.code, "stderr", &ours.stderr);
        }
    }
}

fn stream(engine: &str, code: i32, name: &str, text: &str) {
    let mut lines = text.lines();
    println!("    {engine:<6} {code:>3} {name}  {}", lines.next().unwrap_or_default());
    for line in lines {
        println!("                       {line}");
    }
}

/// The number of lines on stderr, without hints.
fn said(output: &Output) -> usize {
    output.stderr.lines().filter(|line| !line.starts_with("hint:")).count()
}

#[derive(Default)]
pub(crate) struct Tally {
    same: usize,
    lines: usize,
    explained: usize,
    differs: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Same => &mut self.same,
            Verdict::Lines => &mut self.lines,
            Verdict::Explained(_) => &mut self.explained,
            Verdict::Differs => &mut self.differs,
        } += 1;
    }

    pub(crate) fn differs(&self) -> bool {
        self.differs > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { same, lines, explained, differs } = self;
        let all = same + lines + explained + differs;
        write!(
            f,
            "{all} lines: {same} the same, {lines} with more or fewer lines on stderr, {explained} differ as explained, \
             {differs} differ"
        )
    }
}
