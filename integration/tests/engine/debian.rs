//! A real distribution: apt, Python and a web server in a Debian image.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ketch_integration::wait::wait_for;
use ketch_integration::{Engine, ImageBuilder, debian};
use serde_json::json;

/// A port that nothing listens on at this moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> String {
    // The server takes a moment to listen.
    let mut stream = wait_for("server", || TcpStream::connect(("127.0.0.1", port)));
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn apt_python_and_a_web_server() {
    let engine = Engine::on_the_hosts_network();
    let archive = engine.path("debian.tar");
    ImageBuilder::scratch()
        .layer(debian::layer(&[]))
        .name("localhost/debian:test")
        .config("Env", json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]))
        .config("Cmd", json!(["bash"]))
        .docker_archive(&archive);
    engine.run(["load", "-q", "-i", archive.to_str().unwrap()]).ok();

    let resolver = "/etc/resolv.conf:/etc/resolv.conf:ro";
    let install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 nginx-light >/dev/null && \
        mkdir -p /srv/www && echo sailing > /srv/www/index.html && exec sleep 1000";
    engine
        .run([
            "run",
            "-d",
            "--name",
            "box",
            "--network",
            "host",
            "-v",
            resolver,
            "debian:test",
            "sh",
            "-c",
            install,
        ])
        .ok();
    let deadline = Instant::now() + Duration::from_secs(300);
    while engine.line("exec box test -s /srv/www/index.html").code != 0 {
        assert!(Instant::now() < deadline, "apt did not finish: {:#?}", engine.line("logs box"));
        let state = engine.run(["inspect", "--format", "{{.State.Status}}", "box"]);
        assert_eq!(state.text(), "running", "{:#?}", engine.line("logs box"));
        std::thread::sleep(Duration::from_millis(500));
    }
    engine
        .run(["exec", "box", "python3", "-c", "import sys; print(sum(range(10)), sys.platform)"])
        .ok()
        .assert_stdout("45 linux");

    let port = free_port();
    engine
        .run([
            "exec",
            "-d",
            "-w",
            "/srv/www",
            "box",
            "python3",
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            &port.to_string(),
        ])
        .ok();
    assert!(get(port, "/index.html").contains("sailing"));

    let port = free_port();
    let config =
        format!("daemon off; events {{}} http {{ server {{ listen 127.0.0.1:{port}; root /srv/www; }} }}");
    engine.run(["exec", "box", "sh", "-c", &format!("echo '{config}' > /etc/nginx/nginx.conf")]).ok();
    engine.line("exec -d box nginx").ok();
    assert!(get(port, "/").contains("sailing"));
    engine.line("stop -t 1 box").ok();
}
