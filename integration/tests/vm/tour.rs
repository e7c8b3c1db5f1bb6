//! The tour of the documentation, as it stands, where cgroups are v2 and systemd runs the machine.

use ketch_integration::{debian, program};

use crate::guest::{Guest, Who, alone};

#[test]
fn as_root() {
    line_by_line(Who::Root, "");
}

#[test]
fn as_an_ordinary_user() {
    line_by_line(Who::Kim, "root");
}

/// Blocks with the tag `without` are left out.
fn line_by_line(who: Who, without: &str) {
    let mut guest = alone(who);
    let web = debian::web_archive();
    let play = program::engine().with_file_name("play");
    assert!(play.exists(), "{} is missing: build it first (cargo build --workspace --bins)", play.display());
    let (repository, dir) = (concat!(env!("CARGO_MANIFEST_DIR"), "/.."), who.stage());
    guest.forget_ketch(dir);
    guest.sh(&format!(
        "rm -rf {dir}; mkdir {dir}; ln -s {} {dir}/web.tar; \
         KETCH_TEST_ENGINE={} {} {repository}/docs/tour.md {dir} {without}",
        web.display(),
        program::engine().display(),
        play.display()
    ));
    guest.sh(&format!("rm -r {dir}"));
    // A bridge belongs to its network, and stays with it.
    guest.forget_ketch(dir);
    guest.who = Who::Root;
    guest.sh(&format!("{repository}/hack/leftovers"));
}

impl Who {
    /// The page's files. A failed tour leaves them, and nobody can remove another's.
    fn stage(self) -> &'static str {
        match self {
            Who::Root => "/var/tmp/tour",
            Who::Kim => "/var/tmp/tour-of-kim",
        }
    }
}

impl<T> Guest<T> {
    /// Leaves a guest that has never seen ketch: the page shows events of the last minutes, and all that there is. A tour
    /// that failed in `dir` has left another machine's things too.
    fn forget_ketch(&self, dir: &str) {
        self.sh(&format!(
            "if [ -e {dir}/other/bin/ketch ]; then {dir}/other/bin/ketch rm -f -a -t 0; fi; \
             ketch pod rm -f -a -t 0; ketch rm -f -a -t 0; ketch network prune -f"
        ));
        self.sh(match self.who {
            Who::Root => "rm -rf /var/lib/ketch /run/ketch",
            Who::Kim => "ketch unshare rm -rf ~/.local/share/ketch /run/user/1000/ketch",
        });
    }
}
