//! The names of neighbours in running containers' `/etc/hosts`.
//!
//! In a network whose containers know each other by name, each container's file has a line for every other. They are
//! told from the container's own lines by their end, so that what it has written there itself stays.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Network as Bridged, SetupError};
use crate::Engine;
use crate::container::FileError;
use crate::container::options::{Network, Options};

/// Ends a line that is ketch's to change.
const MARK: &str = "\t# neighbour";

/// Brings the files of all who are on these networks up to date.
pub(super) fn refresh<'a>(
    engine: &Engine,
    networks: impl Iterator<Item = &'a Bridged>,
) -> Result<(), SetupError> {
    let named: Vec<&Bridged> = networks.filter(|network| network.dns).collect();
    if named.is_empty() {
        return Ok(());
    }
    // One at a time, and each reads the rows with its turn: the last one to write has read the latest.
    let path = engine.paths.run.join("hosts.lock");
    let turn = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let turn = turn.map_err(FileError::at("open", &path))?;
    turn.lock().map_err(FileError::at("lock", &path))?;
    let mut concerned = BTreeSet::new();
    for network in named {
        concerned.extend(engine.db.leases_of(&network.id)?.into_iter().map(|(container, _)| container));
    }
    for container in &concerned {
        let lines = neighbours(engine, container)?;
        let path = engine.paths.container(container).join("hosts");
        rewrite(&path, &lines).map_err(FileError::at("write", &path))?;
    }
    Ok(())
}

/// A line for each address of each other container that is on a network with this one.
fn neighbours(engine: &Engine, container: &str) -> Result<String, SetupError> {
    let mut lines = String::new();
    let Some(hold) = engine.db.hold_of(container)? else { return Ok(lines) };
    for own in &hold.leases {
        let Some(network) = engine.db.network(&own.network)?.filter(|network| network.dns) else { continue };
        let others = engine.db.leases_of(&network.id)?.into_iter().filter(|(id, _)| id != container);
        for (id, lease) in others {
            let Ok(record) = engine.db.find_container(&id) else { continue };
            let names = names(&record.name, &id, &record.options, &network.name);
            for address in super::setup::addresses(&lease) {
                lines.push_str(&line(address, &names));
            }
        }
    }
    Ok(lines)
}

/// Its name, its aliases on that network, and the beginning of its id.
fn names(name: &str, id: &str, options: &Options, network: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if let Network::Bridge(endpoints) = &options.network {
        let here = endpoints.iter().filter(|endpoint| endpoint.network == network);
        names.extend(here.flat_map(|endpoint| endpoint.aliases.clone()));
    }
    names.push(id.chars().take(12).collect());
    names
}

fn line(address: IpAddr, names: &[String]) -> String {
    format!("{address}\t{}{MARK}\n", names.join(" "))
}

/// In place: the container has the file itself mounted. A file that is not there is one of a container without hosts.
fn rewrite(path: &Path, lines: &str) -> std::io::Result<()> {
    let old = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        old => old?,
    };
    let new = merged(&old, lines);
    if new == old {
        return Ok(());
    }
    let mut file = File::options().write(true).open(path)?;
    if new.starts_with(&old) {
        // The usual case: a reader never sees less than there was.
        return file.write_all_at(&new.as_bytes()[old.len()..], old.len() as u64);
    }
    file.write_all(new.as_bytes())?;
    file.set_len(new.len() as u64)
}

fn merged(old: &str, lines: &str) -> String {
    let mut new: String =
        old.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(MARK.trim())).collect();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(lines);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_neighbours_come_and_go() {
        let other = line("10.0.0.3".parse().unwrap(), &["db".into(), "store".into()]);
        assert_eq!(other, "10.0.0.3\tdb store\t# neighbour\n");
        for (old, lines, new) in [
            ("a\n", "", "a\n"),
            ("a", &*other, "a\n10.0.0.3\tdb store\t# neighbour\n"),
            ("a\n10.0.0.9\tgone\t# neighbour\nown\n", &*other, "a\nown\n10.0.0.3\tdb store\t# neighbour\n"),
            ("10.0.0.9\tgone\t# neighbour\n", "", ""),
        ] {
            assert_eq!(merged(old, lines), new);
        }
    }
}
