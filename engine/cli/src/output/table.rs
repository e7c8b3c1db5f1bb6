//! Columns, two blanks apart.

/// Lines of cells as Go's tabwriter lays them out for podman: a column is as wide as its longest cell and two blanks, at
/// least twelve; the last one ends with its text.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    const MINIMUM: usize = 12;
    const GAP: usize = 2;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        MINIMUM.max(cells.map(|cell| cell.chars().count() + GAP).max().unwrap_or(0))
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let blanks = widths[column] - cell.chars().count();
                text.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn pads_all_but_the_last() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text =
            super::table(&[row(["REPOSITORY", "TAG", "SIZE"]), row(["localhost/something", "1", "2 MB"])]);
        assert_eq!(text, "REPOSITORY           TAG         SIZE\nlocalhost/something  1           2 MB\n");
    }
}
