//! How output looks: on a terminal of any width, and in a file.

use crate::{Folder, scenario};

/// Lines of a story are as wide as the terminal; tables are as wide as kubectl prints them.
#[test]
fn stories_fit_the_terminal() {
    let spec = "  faults: {powerOff: 1, powerOn: 1}\n";
    let folder = Folder::with("x.yaml", scenario(spec));
    for columns in [80, 120] {
        let mut command = folder.command(&["simulate", "x.yaml", "--seed", "2"]);
        let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let story: Vec<&str> = text.lines().take_while(|line| !line.starts_with('$')).collect();
        let widest = story.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(story.len() > 10 && widest <= columns, "{widest} columns of {columns}:\n{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        assert!(!text.contains('\x1b'), "no colours in a file");
    }
}

#[test]
fn help_fits_eighty_columns() {
    let folder = Folder::new();
    let verbs = ["run", "explore", "simulate", "replay", "list", "explain"];
    let all = verbs.map(|verb| vec![verb, "--help"]).into_iter().chain([vec!["--help"]]);
    for arguments in all {
        let mut command = folder.command(&arguments);
        let text =
            String::from_utf8(command.env("COLUMNS", "80").output().unwrap().stdout).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        // Nothing that was aligned by hand is broken.
        assert!(text.lines().all(|line| line.trim() != "it" && line.trim() != "rules"), "{text}");
    }
}

/// A story says who did what under which rule, what that rule means, and what changed.
#[test]
fn a_story_reads_from_the_fault_to_the_eviction() {
    let spec = "  faults: {powerOff: {count: 1, nodes: [b]}, powerOn: 0}\n  start: {web: [b]}\n";
    let folder = Folder::with("x.yaml", scenario(spec));
    let out = folder.check(&["run", "x.yaml", "--property", "R8"]).quiet(0);
    for part in [
        " 1      +0 s  fault           F-POWEROFF  b loses power\n",
        "\"no heartbeat within the grace period: Ready becomes\n",
        "node b: Ready True -> Unknown",
        "timer of web-",
        "asks: DELETE pods/web-",
        "\n$ kubectl get pods -o wide --watch\nNAME ",
        "\nwhat really runs at the end:\nNODE   POWER   NETWORK ",
        "\nagain: check run x.yaml --property R8\n",
    ] {
        assert!(out.contains(part), "{part:?} is missing:\n{out}");
    }
}
