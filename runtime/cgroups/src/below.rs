//! Cgroups below a container's, as `exec --cgroup` names them.

use std::path::{Component, Path, PathBuf};

use crate::{Cgroup, Error, Location, layout, path_for, v1};

/// The cgroup that `words` name below `parent`: one `PATH`, or on v1 some `CONTROLLER[,CONTROLLER…]:PATH`; the hierarchies of
/// other controllers stay at `parent`, and so do, as in crun, those hierarchies of a plain `PATH` on v1 that have no such cgroup
/// while others have.
pub(crate) fn named(parent: &Cgroup, words: &[String]) -> Result<Cgroup, Error> {
    let location = parent.location();
    let refuse = |word: &str, reason: &str| Err(Error::unsupported(format!("cgroup {word:?}"), reason));
    let mut paths = location.paths.clone();
    let mut changed: Vec<PathBuf> = Vec::new();
    for word in words {
        let (controllers, name) = word.split_once(':').map_or((None, &**word), |(c, name)| (Some(c), name));
        if Path::new(name).components().any(|component| component == Component::ParentDir) {
            return refuse(word, "`..` components are not allowed");
        }
        let Some(controllers) = controllers else {
            if words.len() > 1 {
                return refuse(word, "of several each must name its controllers");
            }
            return Ok(where_it_is(parent, parent.below(word)));
        };
        if location.v2 {
            return refuse(word, "cgroup v2 has one hierarchy for all controllers");
        }
        for controller in controllers.split(',') {
            let Some(own) = v1::hierarchy(&location.paths, controller) else {
                return refuse(word, &format!("there is no controller {controller:?}"));
            };
            if changed.iter().any(|path| path == own) {
                return refuse(word, &format!("{controller:?} or its hierarchy is there twice"));
            }
            changed.push(own.to_owned());
            let place =
                paths.iter_mut().find(|path| *path == own).expect("a clone has what it was cloned from");
            *place = layout::join(own, &path_for(Some(Path::new(name)), ""));
        }
    }
    Ok(Cgroup::open(Location { paths, v2: location.v2, unit: None }))
}

/// `below` in those v1 hierarchies that have it, `parent` in the others. Where none has it, all of `below`, for the error that
/// names it.
fn where_it_is(parent: &Cgroup, below: Cgroup) -> Cgroup {
    let Location { paths, v2, .. } = below.location();
    let is_there: Vec<bool> = paths.iter().map(|path| path.is_dir()).collect();
    if *v2 || !is_there.contains(&true) {
        return below;
    }
    let own = paths.iter().zip(&parent.location().paths).zip(is_there);
    let paths =
        own.map(|((below, own), is_there)| if is_there { below.clone() } else { own.clone() }).collect();
    Cgroup::open(Location { paths, v2: false, unit: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(v2: bool, paths: &[&str], words: &[&str]) -> Result<Vec<String>, String> {
        let paths = paths.iter().map(PathBuf::from).collect();
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        match named(&Cgroup::open(Location { paths, v2, unit: None }), &words) {
            Ok(cgroup) => Ok(cgroup.location().paths.iter().map(|p| p.display().to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn words() {
        let v1 = ["/sys/fs/cgroup/cpu,cpuacct/c", "/sys/fs/cgroup/pids/c"];
        let both = |a: &str, b: &str| Ok(vec![format!("{}{a}", v1[0]), format!("{}{b}", v1[1])]);
        assert_eq!(show(false, &v1, &[]), both("", ""));
        assert_eq!(show(false, &v1, &["sub"]), both("/sub", "/sub"));
        assert_eq!(show(false, &v1, &["cpu:sub"]), both("/sub", ""));
        assert_eq!(show(false, &v1, &["pids:a", "cpuacct:b"]), both("/b", "/a"));
        assert_eq!(show(false, &v1, &["cpu,pids:a"]), both("/a", "/a"));
        assert_eq!(show(true, &["/sys/fs/cgroup/c"], &["sub"]), Ok(vec!["/sys/fs/cgroup/c/sub".to_owned()]));
        for (v2, words, reason) in [
            (false, &["a", "b"][..], "must name its controllers"),
            (false, &["cpu:a", "cpuacct:b"], "twice"),
            (false, &["cpu,cpu:a"], "twice"),
            (false, &["memory:a"], "no controller"),
            (false, &[":a"], "no controller"),
            (true, &["cpu:a"], "one hierarchy"),
            (false, &["../../x"], "`..` components"),
            (false, &["pids:a/../b"], "`..` components"),
            (true, &["a/.."], "`..` components"),
        ] {
            let error = show(v2, &v1, words).expect_err(reason);
            assert!(error.contains(reason), "{words:?}: {error}");
        }
    }
}
