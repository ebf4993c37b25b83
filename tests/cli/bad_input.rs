//! What cannot be checked: one clear error, with its place where there is one, and exit code 2.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::{Ended, Folder, WEB, scenario};

/// Nothing but this one error, word by word.
#[track_caller]
fn refused(ended: Ended, error: &str) {
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
    assert_eq!(ended.err.trim_end(), error.trim_matches('\n'));
}

#[track_caller]
fn refused_text(text: impl AsRef<[u8]>, error: &str) {
    refused(Folder::with("x.yaml", text).check(&["run", "x.yaml"]), error);
}

#[test]
fn an_empty_file() {
    let error = "
error: x.yaml: no document in this input
help: give it a Kubernetes manifest, e.g. `kubectl get deploy web -o yaml`";
    refused_text("", error);
    refused_text("# nothing\n---\n\n", error);
}

#[test]
fn no_yaml() {
    let error = "
error: x.yaml:1:5: not valid YAML: mapping values are not allowed in this context
   |
 1 | a: b: c
   |     ^";
    refused_text("a: b: c\n", error);
}

#[test]
fn no_object() {
    refused_text(
        "just words\n",
        "
error: x.yaml:1:1: this document is the string \"just words\", not a Kubernetes object
   |
 1 | just words
   | ^
help: an object begins with `apiVersion:` and `kind:`",
    );
}

#[test]
fn a_wrong_kind() {
    refused_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n",
        "
error: x.yaml:2:7: kind \"Service\" is not modelled
   |
 2 | kind: Service
   |       ^
help: modelled are Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, Pod; a Scenario says what may go wrong",
    );
}

#[test]
fn negative_replicas() {
    refused_text(
        WEB.replace("replicas: 1", "replicas: -1"),
        "
error: x.yaml:6:13: spec.replicas must not be negative, is -1
   |
 6 |   replicas: -1
   |             ^",
    );
}

#[test]
fn zero_nodes() {
    refused_text(
        scenario("").replace("nodes: [a, b]", "nodes: 0"),
        "
error: x.yaml:16:10: spec.nodes must not be zero: pods need a node to run on
    |
 16 |   nodes: 0
    |          ^",
    );
}

#[test]
fn an_unknown_property_in_a_file() {
    refused_text(
        scenario("  properties: [P1.aip]\n"),
        "
error: x.yaml:17:16: unknown property `P1.aip`
    |
 17 |   properties: [P1.aip]
    |                ^
help: did you mean `P1.api`?",
    );
}

#[test]
fn an_unknown_property_on_the_command_line() {
    let folder = Folder::with("x.yaml", WEB);
    let error = "error: unknown property `P3x`\nhelp: did you mean `P3a`?";
    refused(folder.check(&["run", "x.yaml", "--property", "P3x"]), error);
}

#[test]
fn an_unknown_rule() {
    let folder = Folder::new();
    let error = "error: unknown rule or property `TEC-55`\nhelp: did you mean `TEC-5`?";
    refused(folder.check(&["explain", "TEC-55"]), error);
    let error = "error: unknown rule or property `?`\nhelp: `check list` names them all";
    refused(folder.check(&["explain", "?"]), error);
}

#[test]
fn impossible_budgets() {
    refused_text(
        scenario("  faults: {powerOff: 100}\n"),
        "
error: x.yaml:17:22: spec.faults.powerOff must be 0 to 9, is 100
    |
 17 |   faults: {powerOff: 100}
    |                      ^",
    );
    refused_text(
        scenario("  faults: {heal: 1}\n"),
        "
error: x.yaml:17:18: spec.faults.heal has nothing to mend
    |
 17 |   faults: {heal: 1}
    |                  ^
help: allow the fault too, e.g. `partition: 1`",
    );
    refused_text(
        scenario("  faults: {powerOf: 1}\n"),
        "
error: x.yaml:17:12: unknown field `spec.faults.powerOf`
    |
 17 |   faults: {powerOf: 1}
    |            ^
help: did you mean `powerOff`?",
    );
}

#[test]
fn a_directory() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.path().join("manifests")).unwrap();
    let error = "
error: manifests: is a directory
help: name the files in it, e.g. `manifests/*.yaml`";
    refused(folder.check(&["run", "manifests"]), error);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::with("x.yaml", WEB);
    let error = "error: y.yaml: cannot be read: no such file";
    refused(folder.check(&["run", "y.yaml"]), error);
    // Even root reads nothing below a file.
    let error = "error: x.yaml/y: cannot be read: a part of its path is a file";
    refused(folder.check(&["run", "x.yaml/y"]), error);
    let locked = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(folder.0.path().join("x.yaml"), locked).unwrap();
    if std::fs::read(folder.0.path().join("x.yaml")).is_err() {
        let error = "error: x.yaml: cannot be read: permission denied";
        refused(folder.check(&["run", "x.yaml"]), error);
    }
}

#[test]
fn no_utf8() {
    refused_text(
        b"kind: Deployment\nname: caf\xe9\n",
        "
error: x.yaml:2:10: is not UTF-8 text
   |
 2 | name: caf
   |          ^
help: save the file as UTF-8",
    );
}

#[test]
fn an_empty_standard_input() {
    let error = "
error: <stdin>: no document in this input
help: give it a Kubernetes manifest, e.g. `kubectl get deploy web -o yaml`";
    refused(Folder::new().check_with_input(&["run", "-"], ""), error);
}

#[test]
fn a_busy_port() {
    let folder = Folder::with("x.yaml", WEB);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = folder.check(&["explore", "x.yaml", &address.to_string()]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    let lines: Vec<&str> = ended.err.lines().collect();
    let [error, help] = lines[..] else { panic!("{}", ended.err) };
    assert!(error.starts_with(&format!("error: cannot listen on {address}: ")), "{error}");
    assert!(help.starts_with("help: name another port, e.g. 127.0.0.1:"), "{help}");
}

#[test]
fn a_schedule_that_is_none() {
    let folder = Folder::with("x.json", "{\"format\": 1}\n");
    let ended = folder.check(&["replay", "x.json"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.starts_with("error: x.json:1:12: is no saved trace: "), "{}", ended.err);
    assert!(ended.err.ends_with("help: `check run FILE --save trace.json` writes one\n"));
}

#[test]
fn nowhere_to_save() {
    let folder = Folder::with("x.yaml", scenario("  faults: {powerOff: 1}\n"));
    let save = ["run", "x.yaml", "--property", "R8", "--save"];
    let to = |file| folder.check(&[&save[..], &[file]].concat());
    refused(to("no/where.json"), "error: no/where.json: there is no folder no");
    refused(to("/"), "error: /: is a directory");
    let full = to("/dev/full");
    assert_eq!(full.code, 2);
    let error = "error: /dev/full: cannot be written: No space left on device (os error 28)\n";
    assert_eq!(full.err, error);
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let folder = Folder::with("x.yaml", WEB);
    let refusals: [(&[&str], &str); 6] = [
        (&["run"], "error: the following required arguments were not provided:"),
        (&["frobnicate"], "error: unrecognized subcommand 'frobnicate'"),
        (&["run", "x.yaml", "--threads", "0"], "error: invalid value '0' for '--threads <N>'"),
        (&["run", "x.yaml", "--timeout", "soon"], "error: invalid value 'soon' for '--timeout"),
        (&["run", "x.yaml", "--kubernetes", "1.99"], "error: invalid value '1.99' for '--kub"),
        (&["simulate", "x.yaml", "--seed", "-1"], "error: "),
    ];
    for (arguments, error) in refusals {
        let ended = folder.check(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.err.starts_with(error), "{}", ended.err);
        assert_eq!(ended.err.matches("error: ").count(), 1, "{}", ended.err);
    }
}

#[test]
fn a_full_disk() {
    let folder = Folder::with("x.yaml", WEB.replace("replicas: 1", "replicas: 0"));
    let verbs: [&[&str]; 6] = [
        &["run", "x.yaml"],
        &["simulate", "x.yaml"],
        &["list"],
        &["explain", "P3a"],
        &["--help"],
        &["list", "--json"],
    ];
    for arguments in verbs {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = folder.command(arguments).stdout(Stdio::from(full)).output().unwrap();
        let ended = Ended::from(output);
        let error = "error: the output cannot be written: No space left on device (os error 28)";
        refused(ended, error);
    }
}

/// `check list | head`: whoever has seen enough is no error.
#[test]
fn a_closed_pipe() {
    let folder = Folder::with("x.yaml", scenario(""));
    for arguments in [&["list"][..], &["run", "x.yaml"], &["--help"]] {
        let mut command = folder.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(Stdio::from(writer)).output().unwrap();
        Ended::from(output).quiet(0);
    }
}
