//! `--env-host --env-merge --http-proxy --unsetenv --unsetenv-all`

use super::{after, engine};

/// All variables but HOSTNAME, sorted; podman's answers.
#[test]
fn what_the_environment_is_made_of() {
    let engine = engine();
    let prelude = "unset https_proxy HTTPS_PROXY HTTP_PROXY NO_PROXY ftp_proxy FTP_PROXY; \
                   export http_proxy=http://p:1 no_proxy=x FROM_HOST=yes IMG=weak;";
    for (options, expected) in [
        (&[][..], "HOME=/root IMG=one PATH=/bin container=ketch http_proxy=http://p:1 no_proxy=x"),
        (&["--http-proxy=false"], "HOME=/root IMG=one PATH=/bin container=ketch"),
        (&["-e", "http_proxy=own"], "HOME=/root IMG=one PATH=/bin container=ketch http_proxy=own no_proxy=x"),
        (&["--http-proxy=false", "--unsetenv", "IMG", "--unsetenv", "container"], "HOME=/root PATH=/bin"),
        (&["--unsetenv-all", "-e", "A=1"], "A=1 HOME=/root"),
        (
            &["--http-proxy=false", "--env-merge", "IMG=${IMG}-two", "--env-merge", "N=x$PATH:$NONE."],
            "HOME=/root IMG=one-two N=x/bin:. PATH=/bin container=ketch",
        ),
    ] {
        let args = [&["run", "--rm", "--network", "none"], options, &["special", "/bin/env"]].concat();
        let output = after(&engine, prelude, &args).ok();
        let mut lines: Vec<_> = output.stdout.lines().filter(|line| !line.starts_with("HOSTNAME=")).collect();
        lines.sort_unstable();
        assert_eq!(lines.join(" "), expected, "{options:?}");
    }
    // All of the caller's are stronger than the image's, and `-e` is stronger than they are.
    let args = ["run", "--rm", "--network", "none", "--env-host", "-e", "A=1", "special"];
    let output =
        after(&engine, prelude, &[&args[..], &["/bin/sh", "-c", "echo $FROM_HOST $IMG $A"]].concat());
    output.ok().assert_stdout("yes weak 1");
    engine
        .line("run --rm --env-merge foo busybox true")
        .assert_exit(125)
        .assert_stderr_has("missing `=` for --env-merge substitution foo");
}
