//! Kubernetes' interface to containerd, as a kubelet calls it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ketch_integration::Output;
use serde_json::Value;

/// The client is cri.py: gRPC for Rust would be the workspace's heaviest dependency by far, for this alone.
#[derive(Debug)]
pub(crate) struct Cri {
    pub(crate) socket: PathBuf,
}

impl Cri {
    /// A call's response.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, request: &Value) -> Value {
        self.answer(method, request).ok().json()
    }

    /// The client's output.
    pub(crate) fn answer(&self, method: &str, request: &Value) -> Output {
        let mut command = Command::new("python3");
        command.arg("-c").arg(include_str!("cri.py")).arg(&self.socket).arg(method);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().expect("no python3 in the peers' root: hack/peers setup");
        let mut input = client.stdin.take().expect("it is a pipe");
        input.write_all(request.to_string().as_bytes()).expect("the client reads");
        drop(input);
        let output = client.wait_with_output().expect("the client ends");
        Output::new(format!("{method} {request:#}"), &output)
    }
}
