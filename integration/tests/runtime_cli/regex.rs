//! kill --regex, delete --regex: as crun has them.

use crate::subject::{Bundle, Subject, is_ours, subject};

#[test]
fn several_at_once() {
    if subject() == Subject::Runc {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    let path = bundle.path().to_str().expect("UTF-8");
    for id in ["web-1", "web-2", "db-1"] {
        bundle.call(&["--cgroup-manager", "disabled", "run", "-d", "-b", path, id]).succeeds();
    }
    let ids = || bundle.call(&["list", "-q"]).succeeds().stdout;
    bundle.call(&["kill", "--regex", "nonesuch", "KILL"]).succeeds();
    bundle.call(&["kill", "--regex", "^web-[0-9]$", "0"]).succeeds();
    bundle.call(&["delete", "--force", "--regex", "^web"]).succeeds();
    assert_eq!(ids(), "db-1\n");
    if is_ours() {
        bundle.call(&["delete", "--regex", "db"]).fails(1, "db-1");
        bundle.call(&["delete", "--regex", "("]).fails(1, "regular expression");
        assert_eq!(ids(), "db-1\n");
    }
    bundle.call(&["delete", "-f", "-r", "db-1"]).succeeds();
    assert_eq!(ids(), "");
}
