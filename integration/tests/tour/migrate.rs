//! A TCP connection that is open when its container is frozen on one machine goes on when it thaws on another.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use ketch_integration::play::Machine;
use ketch_integration::{Netns, debian};

/// A network of the same subnet on both machines: the container's address moves along, and the way to it.
const SUBNET: &str = "10.77.0.0/24";
const ADDRESS: &str = "10.77.0.5:8000";

#[test]
fn an_open_connection() {
    let dir = tempfile::Builder::new().prefix("ketch-tour-").tempdir_in("/var/tmp").unwrap();
    let (first, second, client) = (Netns::new(), Netns::new(), Netns::new());
    // Three on one wire.
    client.switch(&[(&first, "192.0.2.1/24"), (&second, "192.0.2.2/24")], "192.0.2.9/24");
    let first = Machine::apart(&dir.path().join("first"), first, "192.0.2.1", "");
    let second = Machine::apart(&dir.path().join("second"), second, "192.0.2.2", "");
    let web = debian::web_archive();
    let play = |machine: &Machine, command: &str| {
        let (code, output) = machine.shell(command, dir.path());
        assert_eq!(code, 0, "{command}\n{output}");
    };
    for machine in [&first, &second] {
        play(machine, &format!("ketch load -q -i {}", web.display()));
        play(machine, &format!("ketch network create --subnet {SUBNET} mesh"));
    }
    play(&first, "ketch run -d --name web --network mesh --ip 10.77.0.5 web python3 /srv/worker.py");
    let way = |by: &str| client.ip(&format!("route replace {SUBNET} via {by}"));
    way("192.0.2.1");

    let mut stream = client.within(connect);
    assert_eq!(ask(&mut stream), "hello, visit 1");
    assert_eq!(ask(&mut stream), "hello, visit 2");
    play(&first, "ketch container checkpoint --tcp-established -e moved.tar.zst web && ketch rm -f web");
    play(&second, "ketch container restore --tcp-established -i moved.tar.zst");
    way("192.0.2.2");
    assert_eq!(ask(&mut stream), "hello, visit 3");
    // And new ones are taken.
    let mut another = client.within(connect);
    assert_eq!(ask(&mut another), "hello, visit 4");
    play(&second, "ketch rm -f -t 1 web && ketch network rm mesh");
    play(&first, "ketch network rm mesh");
}

/// The worker takes a moment to listen.
fn connect() -> BufReader<TcpStream> {
    let stream = (0..600).find_map(|_| {
        let stream = TcpStream::connect_timeout(&ADDRESS.parse().unwrap(), Duration::from_secs(10));
        if stream.is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
        stream.ok()
    });
    let stream = stream.expect("the worker listens within a minute");
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    BufReader::new(stream)
}

/// One request on a connection that stays open; the answer's text.
fn ask(stream: &mut BufReader<TcpStream>) -> String {
    write!(stream.get_mut(), "GET / HTTP/1.1\r\nHost: web\r\n\r\n").unwrap();
    let mut line = String::new();
    // The head ends with an empty line.
    while line != "\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the connection is closed");
    }
    line.clear();
    stream.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
