//! From ps's options to columns, from processes to a table.

use anyhow::{Context, bail};

use super::column::{self, Kind, Side};
use super::process::{Now, Process};

/// A column under a header that `-o` may have renamed.
#[derive(Debug)]
pub(crate) struct Column {
    kind: &'static Kind,
    header: String,
}

impl From<&'static Kind> for Column {
    fn from(kind: &'static Kind) -> Column {
        Column { kind, header: kind.header.to_owned() }
    }
}

/// Which columns `options` ask for. All of a container's processes are shown anyway, so what chooses processes changes the
/// columns only: to those of plain `ps`. Words without a dash are BSD's, and so is `-aux`.
pub(crate) fn columns(options: &[String]) -> anyhow::Result<Vec<Column>> {
    let mut full = options.is_empty();
    let mut user_oriented = false;
    let mut chosen = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let refused = || format!("cannot show ps option {word:?}: known are -e, -A, -f, -o LIST and aux");
        let dashed = word.strip_prefix('-');
        let letters = dashed.unwrap_or(word);
        if letters.is_empty() {
            bail!(refused());
        }
        let is_bsd = dashed.is_none() || letters.starts_with("au");
        for (at, letter) in letters.char_indices() {
            match letter {
                'e' | 'A' if !is_bsd => {}
                'a' | 'x' | 'w' => {}
                'u' if is_bsd => user_oriented = true,
                'f' if !is_bsd => full = true,
                'o' => {
                    let rest = &letters[at + 1..];
                    let list = if rest.is_empty() {
                        words.next().context("ps option -o needs a list")?
                    } else {
                        rest
                    };
                    chosen.extend(listed(list)?);
                    break;
                }
                _ => bail!(refused()),
            }
        }
    }
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let kinds = match (full, user_oriented) {
        (_, true) => column::user_oriented(),
        (true, _) => column::full(),
        _ => column::short(),
    };
    Ok(kinds.into_iter().map(Column::from).collect())
}

/// `pid,ppid,args=WHAT IT RUNS`: a header of one's own goes on to the end (POSIX ps, `-o`).
fn listed(list: &str) -> anyhow::Result<Vec<Column>> {
    let (names, header) = list.split_once('=').map_or((list, None), |(names, header)| (names, Some(header)));
    let find = |name: &str| column::find(name).with_context(|| format!("unknown ps column {name:?}"));
    let kinds: Vec<&'static Kind> =
        names.split([',', ' ']).filter(|name| !name.is_empty()).map(find).collect::<anyhow::Result<_>>()?;
    let mut columns: Vec<Column> = kinds.into_iter().map(Column::from).collect();
    match (columns.last_mut(), header) {
        (None, _) => bail!("ps option -o needs a list"),
        (Some(last), Some(header)) => header.clone_into(&mut last.header),
        (Some(_), None) => {}
    }
    Ok(columns)
}

/// The header line, unless all headers are empty, and a line a process.
pub(crate) fn print(columns: &[Column], processes: &[Process], now: Now) -> String {
    let headers: Vec<String> = columns.iter().map(|column| column.header.clone()).collect();
    let cells = processes.iter().map(|process| columns.iter().map(|c| (c.kind.cell)(process, now)).collect());
    let rows: Vec<Vec<String>> =
        Some(headers).filter(|h| h.iter().any(|h| !h.is_empty())).into_iter().chain(cells).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| rows.iter().map(|row| row[i].chars().count()).fold(columns[i].kind.width, usize::max))
        .collect();
    let mut text = String::new();
    for row in rows {
        let padded =
            row.iter().zip(columns).zip(&widths).map(|((cell, column), &width)| match column.kind.side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            });
        text.push_str(padded.collect::<Vec<_>>().join(" ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(options: &[&str]) -> Result<String, String> {
        let options: Vec<String> = options.iter().map(|&word| word.to_owned()).collect();
        match columns(&options) {
            Ok(columns) => Ok(columns.iter().map(|c| &*c.header).collect::<Vec<_>>().join(" ")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn options_choose_columns() {
        for (options, expected) in [
            (&[][..], "UID PID PPID C STIME TTY TIME CMD"),
            (&["-ef"], "UID PID PPID C STIME TTY TIME CMD"),
            (&["-e", "-f"], "UID PID PPID C STIME TTY TIME CMD"),
            (&["-A"], "PID TTY TIME CMD"),
            (&["ax"], "PID TTY TIME CMD"),
            (&["-efww"], "UID PID PPID C STIME TTY TIME CMD"),
            (&["aux"], "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
            (&["-auxww"], "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
            (&["axo", "pid,stat"], "PID STAT"),
            (&["-o", "pid,user,comm"], "PID USER COMMAND"),
            (&["-eopid", "-o", "args"], "PID COMMAND"),
            (&["-o", "pid,args=WHAT, WHY"], "PID WHAT, WHY"),
            (&["-o", "pid="], ""),
        ] {
            assert_eq!(headers(options).as_deref(), Ok(expected), "{options:?}");
        }
        for options in [&["auf"][..], &["-u"], &["-o"], &["-o", "nonesuch"], &["-"], &["--forest"]] {
            assert!(headers(options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn the_table_is_as_procps_prints_it() {
        let options = ["-o".to_owned(), "pid,s,comm".to_owned()];
        let now = Now { epoch: 0, uptime: 0, ticks_per_second: 100, page_size: 4096, memory: 1 };
        assert_eq!(print(&columns(&options).expect("columns"), &[], now), "  PID S COMMAND\n");
    }
}
