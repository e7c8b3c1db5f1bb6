//! Socket activation.

use crate::guest::{BUSYBOX_AND_USR, Who, shared};

#[test]
fn a_socket_units_socket_reaches_the_container() {
    reaches(Who::Root, "/run/front.sock");
}

#[test]
fn so_does_a_users() {
    reaches(Who::Kim, "/run/user/1000/front.sock");
}

fn reaches(who: Who, socket: &str) {
    let guest = shared(who);
    guest.forget(&["front.service", "front.socket"]);
    let python = "import os, socket; s = socket.socket(fileno=3); c = s.accept()[0]; \
        c.sendall(\" \".join([c.recv(64).decode(), str(os.getpid()), os.environ[\"LISTEN_PID\"], \
        os.environ[\"LISTEN_FDNAMES\"]]).encode())";
    guest.units(&[
        ("front.socket", format!("[Socket]\nListenStream={socket}\nFileDescriptorName=front\n")),
        (
            "front.service",
            format!(
                "[Service]\nExecStart=ketch run --rm --name front {BUSYBOX_AND_USR} python3 -c '{python}'\n"
            ),
        ),
    ]);
    guest.sh("systemctl start front.socket");
    assert_eq!(guest.sh("systemctl is-active front.service || true"), "inactive");
    // Twice: the socket is the unit's, and each container gets it anew.
    for word in ["hello", "again"] {
        let answer = guest.sh(&format!("printf {word} | socat -t 300 - UNIX-CONNECT:{socket}"));
        assert_eq!(answer, format!("{word} 1 1 front"));
        guest.wait_until("[ \"$(systemctl is-active front.service)\" = inactive ]");
    }
    guest.forget(&["front.service", "front.socket"]);
}
