//! The command line, as its users meet it: the built program in a folder of its own.

mod bad_input;
mod conform;
mod diff;
mod json;
mod matrix;
mod output;
mod searching;
mod verbs;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A Deployment, as its owner would write it.
const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx}]
";

/// A Deployment on two nodes, of which one can lose its power.
fn scenario(spec: &str) -> String {
    let head = "---\napiVersion: node-recovery/v1\nkind: Scenario\nspec:\n  nodes: [a, b]\n";
    format!("{WEB}{head}{spec}")
}

/// A folder in which the program runs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(TempDir::new().expect("a temporary folder"))
    }

    /// A folder with one file.
    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Folder::new();
        folder.write(name, content);
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).expect("the folder takes files");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).expect("the file is there")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        command.env("COLUMNS", "100");
        command
    }

    /// Runs `check` with these arguments.
    fn check(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().expect("the program starts"))
    }

    /// Runs `check` with this on its standard input.
    fn check_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads its input");
        drop(stdin);
        Ended::from(child.wait_with_output().expect("the program ends"))
    }
}

/// What came of a command.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).expect("it prints text"),
            err: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }
}

impl Ended {
    /// The output of a command that ended so, and complained of nothing.
    fn quiet(self, code: i32) -> String {
        assert_eq!((self.code, self.err.as_str()), (code, ""), "{}", self.out);
        self.out
    }

    fn json(self, code: i32) -> serde_json::Value {
        let out = self.quiet(code);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}\n{out}"))
    }
}
