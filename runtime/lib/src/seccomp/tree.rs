//! From verdicts to a program: for each architecture a binary search over ranges of numbers.

use ketch_sys::seccomp::Insn;

use super::abi::{Abi, X32_BIT};
use super::emit::{Emitter, Field, If, Label};
use super::rules::{DEFAULT, Id, Rules, Verdict};

/// The answer to a call through an architecture that is not listed: `SECCOMP_RET_KILL_THREAD`.
const KILL_THREAD: u32 = 0;

/// A tracer sets this number to have a call skipped.
const SKIPPED: u32 = u32::MAX;

/// The verdict on numbers from `first` up to the next range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    verdict: Id,
    /// Whether its rules look at 64 bits; true where it has none.
    wide: bool,
}

/// Ranges that have one verdict together, but for a few single numbers between them.
#[derive(Debug)]
struct Leaf {
    range: Range,
    except: Vec<Range>,
}

pub(super) fn program(rules: &mut Rules<'_>, abis: &[Abi]) -> Vec<Insn> {
    let mut archs: Vec<u32> = Vec::new();
    for abi in abis {
        if !archs.contains(&abi.audit_arch()) {
            archs.push(abi.audit_arch());
        }
    }
    let trees: Vec<(u32, Vec<Leaf>)> =
        archs.into_iter().map(|arch| (arch, leaves(&ranges(rules, abis, arch)))).collect();

    // Written backwards, so that the first architecture, which is asked for most, comes first.
    let mut emitter = Emitter::default();
    let mut entries = Vec::new();
    for (arch, leaves) in trees.iter().rev() {
        entries.push((*arch, tree(&mut emitter, leaves, &rules.verdicts)));
    }
    let mut next = emitter.answer(KILL_THREAD);
    for (arch, entry) in entries {
        next = emitter.branch(If::Equal, arch, entry, next);
    }
    emitter.load(Field::Arch);
    emitter.finish()
}

/// All numbers of an audit architecture, which x86_64 and x32 share.
fn ranges(rules: &mut Rules<'_>, abis: &[Abi], arch: u32) -> Vec<Range> {
    let constant = |answer| Verdict { rules: Vec::new(), otherwise: answer };
    let newer = rules.intern(constant(rules.newer));
    let killed = rules.intern(constant(KILL_THREAD));

    let mut ranges = Ranges::default();
    for abi in [Abi::X86_64, Abi::X32, Abi::X86, Abi::Aarch64, Abi::Arm] {
        if abi.audit_arch() != arch {
            continue;
        }
        let mut next = if abi == Abi::X32 { X32_BIT } else { 0 };
        if !abis.contains(&abi) {
            ranges.push(next, killed, true);
            continue;
        }
        for (number, verdict) in mentioned(rules, abi) {
            ranges.push(next, DEFAULT, true);
            ranges.push(number, verdict, abi.is_wide() || rules.verdicts[verdict].rules.is_empty());
            next = number + 1;
        }
        ranges.push(next, newer, true);
    }
    ranges.push(SKIPPED, newer, true);
    ranges.0
}

/// The calls that the profile mentions, ascending.
fn mentioned(rules: &mut Rules<'_>, abi: Abi) -> Vec<(u32, Id)> {
    let verdict = |(number, name)| {
        let multiplexer = abi.multiplexers().iter().find(|outer| outer.name == name);
        let verdict = match multiplexer {
            Some(outer) => rules.of_multiplexer(outer),
            None => rules.of(name),
        };
        Some((number, verdict?))
    };
    abi.calls().into_iter().filter_map(verdict).collect()
}

#[derive(Debug, Default)]
struct Ranges(Vec<Range>);

impl Ranges {
    /// Says the verdict from `first` on; what was said for the same number before is taken back.
    fn push(&mut self, first: u32, verdict: Id, wide: bool) {
        self.0.pop_if(|last| last.first == first);
        if self.0.last().is_none_or(|last| (last.verdict, last.wide) != (verdict, wide)) {
            self.0.push(Range { first, verdict, wide });
        }
    }
}

/// A single number between two ranges with the same verdict costs one comparison here, where the search
/// would need two. Only a few a leaf: they are asked one after the other.
fn leaves(ranges: &[Range]) -> Vec<Leaf> {
    const MOST: usize = 3;
    let mut leaves = Vec::new();
    let mut rest = ranges;
    while let [range, after @ ..] = rest {
        let mut leaf = Leaf { range: *range, except: Vec::new() };
        rest = after;
        while let [single, again, after @ ..] = rest
            && leaf.except.len() < MOST
            && again.first == single.first + 1
            && (again.verdict, again.wide) == (range.verdict, range.wide)
        {
            leaf.except.push(*single);
            rest = after;
        }
        leaves.push(leaf);
    }
    leaves
}

/// Where one architecture's calls are judged.
fn tree(emitter: &mut Emitter, leaves: &[Leaf], verdicts: &[Verdict]) -> Label {
    let mut writer = Writer { emitter, verdicts, written: Vec::new() };
    match leaves {
        // The number makes no difference.
        [Leaf { range, except }] if except.is_empty() => writer.verdict(*range),
        leaves => {
            writer.search(leaves);
            writer.emitter.load(Field::Number)
        }
    }
}

struct Writer<'a> {
    emitter: &'a mut Emitter,
    verdicts: &'a [Verdict],
    /// Verdicts with rules: one piece of code for all ranges that have it.
    written: Vec<(Id, bool, Label)>,
}

impl Writer<'_> {
    fn search(&mut self, leaves: &[Leaf]) -> Label {
        if let [leaf] = leaves {
            return self.leaf(leaf);
        }
        let (lower, upper) = leaves.split_at(leaves.len() / 2);
        let yes = self.search(upper);
        let no = self.search(lower);
        self.emitter.branch(If::GreaterOrEqual, upper[0].range.first, yes, no)
    }

    fn leaf(&mut self, leaf: &Leaf) -> Label {
        let mut next = self.verdict(leaf.range);
        for single in leaf.except.iter().rev() {
            let verdict = self.verdict(*single);
            next = self.emitter.branch(If::Equal, single.first, verdict, next);
        }
        next
    }

    fn verdict(&mut self, range: Range) -> Label {
        let Range { verdict: id, wide, .. } = range;
        let verdict = &self.verdicts[id];
        if verdict.rules.is_empty() {
            return self.emitter.answer(verdict.otherwise);
        }
        if let Some((_, _, label)) = self.written.iter().find(|(i, w, _)| (*i, *w) == (id, wide)) {
            return *label;
        }
        let label = self.emitter.verdict(verdict, wide);
        self.written.push((id, wide, label));
        label
    }
}
