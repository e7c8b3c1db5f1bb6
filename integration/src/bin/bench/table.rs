//! Medians and ratios, a row a work, a column a subject.

use crate::measure::{Work, median, ratio};

/// Prints one row: each subject's median in ms, and the first subject's ratio to each other.
pub(crate) fn row(name: &str, works: &[Work], times: &[Vec<f64>]) {
    let medians: Vec<String> = works
        .iter()
        .zip(times)
        .map(|(work, times)| format!("{} {:.2}", work.subject, median(times)))
        .collect();
    let ratios: Vec<String> = works
        .iter()
        .zip(times)
        .skip(1)
        .map(|(work, base)| format!("{:.3} of {}", ratio(&times[0], base), work.subject))
        .collect();
    println!("| {name} | {} | {} |", medians.join(", "), ratios.join(", "));
}

pub(crate) fn head(title: &str, unit: &str) {
    println!("\n{title}\n\n| work | medians, {unit} | ratio |\n|---|---|---|");
}
