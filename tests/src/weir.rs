//! `weir` as an operator runs it, in a pipe.

use crate::{Fleet, build, root};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Only keeps a command that does not end from hanging the test.
const END_WAIT_MAX: Duration = Duration::from_secs(120);

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit status.
    pub status: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Fleet {
    /// Runs `weir` against this fleet; it must end with that status.
    pub async fn weir(&self, status: i32, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&build::executables().await["weir"]);
        let environment = [("AWS_ENDPOINT_URL", self.plane.endpoint_url()), ("AWS_REGION", "us-east-1")];
        command.args(arguments).env_clear().envs(environment).current_dir(root()).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let output = tokio::time::timeout(END_WAIT_MAX, child.expect("weir starts").wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("weir {arguments:?} does not end")).expect("its output");
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let ran = Ran { status: output.status.code(), out, err };
        assert_eq!(ran.status, Some(status), "weir {arguments:?}: {ran:?}");
        ran
    }
}
