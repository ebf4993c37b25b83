//! What is written in `specs/` and the README is true: it agrees with the code, word by word where
//! both say the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use models::guarantees::{self, Guarantee, GuaranteeKind};
use models::rules::Rule;
use models::version::Version;
use node_recovery::scenario::catalogue::{self, RuleEntry};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A text with every run of spaces and line breaks as one space.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sections of a Markdown text: what stands behind `## `, and the text below.
fn sections(text: &str) -> Vec<(String, String)> {
    let parts = text.split("\n## ").skip(1);
    let section = |part: &str| {
        let (heading, below) = part.split_once('\n').unwrap_or((part, ""));
        (heading.to_string(), below.to_string())
    };
    parts.map(section).collect()
}

fn promised(guarantee: &Guarantee) -> String {
    let versions: Vec<Version> =
        Version::all().filter(|v| (guarantee.promised)((*v).into())).collect();
    match versions.first() {
        None => "no".to_string(),
        Some(&Version::OLDEST) => "yes".to_string(),
        Some(first) => format!("yes, from {first} on"),
    }
}

/// What `specs/guarantees.md` has to say of a guarantee, for its counterexamples aside.
fn expected(guarantee: &Guarantee, about: &str) -> String {
    let kind = match guarantee.kind {
        GuaranteeKind::State => "state",
        GuaranteeKind::Step => "step",
        GuaranteeKind::Sometimes => "sometimes",
    };
    let (first, rest) = guarantee.meaning.split_at(1);
    let rules = guarantee.rules.replace(' ', ", ");
    format!(
        "{}{rest}. - kind: {kind} - about: {about} - promised: {} - rules: {rules} ",
        first.to_uppercase(),
        promised(guarantee)
    )
}

#[test]
fn guarantees_are_documented_as_they_are() {
    let sections = sections(&read("specs/guarantees.md"));
    let headings: Vec<&str> = sections.iter().map(|(heading, _)| heading.as_str()).collect();
    let names: Vec<String> =
        guarantees::ALL.iter().map(|it| format!("{}: {}", it.name, it.title)).collect();
    assert_eq!(headings, names, "specs/guarantees.md and models/src/guarantees, in their order");
    for (guarantee, (_, text)) in guarantees::ALL.iter().zip(&sections) {
        let about = text.lines().find_map(|line| line.strip_prefix("- about: ")).unwrap_or("?");
        let (text, expected) = (flat(text), expected(guarantee, about));
        assert!(text.starts_with(&expected), "{}: {text}\ninstead of: {expected}", guarantee.name);
        let remarks = &text[expected.len()..];
        assert!(remarks.len() > 10, "{} says nothing of what is to be expected", guarantee.name);
        let is_property = guarantee.kind != GuaranteeKind::Sometimes;
        assert_eq!(
            remarks.starts_with("Known counterexamples: "),
            is_property,
            "{}",
            guarantee.name
        );
    }
}

fn catalogue() -> Vec<RuleEntry> {
    catalogue::rules().unwrap_or_else(|error| panic!("{error}"))
}

/// The rules that code knows are listed, in the same words.
#[test]
fn rules_are_listed_as_they_are() {
    let listed = catalogue();
    let ids: BTreeSet<&str> = listed.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids.len(), listed.len(), "no rule is listed twice");
    for rule in Rule::ALL.iter().filter(|rule| !rule.is_fault()) {
        let entry = listed.iter().find(|entry| entry.id == rule.id());
        let entry = entry.unwrap_or_else(|| panic!("{rule} is not in specs/rules.yaml"));
        let said = (entry.component.as_str(), entry.meaning.as_str());
        assert_eq!(said, (rule.component(), rule.meaning()), "{rule}");
    }
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Source files of the models and of the checker, without the list of rules itself.
fn code() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(&root().join("models/src"), &mut files);
    sources(&root().join("src"), &mut files);
    files.retain(|file| !file.ends_with("rules.rs"));
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

/// Rules that are said to be modelled are those that some transition names: `fx.rule(Rule::Nlc3)`.
#[test]
fn modelled_rules_are_those_that_transitions_name() {
    let code = code();
    let names = |rule: &Rule| {
        let name = format!("Rule::{rule:?}");
        let ends = |text: &str, at: usize| {
            !text[at + name.len()..].starts_with(|next: char| next.is_ascii_alphanumeric())
        };
        let uses = |text: &String| text.match_indices(&name).any(|(at, _)| ends(text, at));
        code.iter().any(|(_, text)| uses(text))
    };
    let mut wrong = Vec::new();
    for entry in catalogue() {
        let rule = Rule::ALL.iter().find(|rule| rule.id() == entry.id);
        let named = rule.is_some_and(names);
        if named != (entry.status == "modelled") {
            wrong.push(format!("{} {} {named}", entry.id, entry.status));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "rule, status, whether a transition names it");
}

/// Rules that properties and documents cite exist.
#[test]
fn cited_rules_exist() {
    let listed = catalogue();
    let known = |id: &str| {
        listed.iter().any(|entry| entry.id == id)
            || id.starts_with(|first: char| first.is_ascii_digit())
    };
    for guarantee in guarantees::ALL {
        for id in guarantee.rules.split(' ') {
            assert!(known(id), "{} hangs on {id}, which nobody knows", guarantee.name);
        }
    }
    for file in ["specs/abstractions.md", "specs/README.md", "README.md"] {
        for word in read(file).split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let prefixes =
                ["ST-", "NLC-", "TEC-", "GC-", "SC-", "RS-", "DP-", "KL-", "PW-", "SM-", "RB-"];
            let is_rule = prefixes.iter().any(|prefix| {
                word.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u8>().is_ok())
            });
            assert!(!is_rule || known(word), "{file} cites {word}, which nobody knows");
        }
    }
}

/// Files that code and documents point at are there.
#[test]
fn files_that_are_pointed_at_exist() {
    let mut texts = code();
    for file in ["README.md", "specs/README.md", "specs/abstractions.md", "specs/guarantees.md"] {
        texts.push((PathBuf::from(file), read(file)));
    }
    for (file, text) in texts {
        for quoted in text.split('`').skip(1).step_by(2) {
            let points =
                ["specs/", "models/src/", "src/", "tests/"].iter().any(|it| quoted.starts_with(it));
            let plain = quoted.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c));
            if points && plain {
                assert!(root().join(quoted).exists(), "{} points at {quoted}", file.display());
            }
        }
    }
}

/// Fenced blocks of a Markdown text that begin with a command line, `$ check …`.
fn sessions(text: &str) -> Vec<(String, String)> {
    let blocks = text.split("```").skip(1).step_by(2);
    let session = |block: &str| {
        let block = block.split_once('\n')?.1;
        let (command, output) = block.strip_prefix("$ check ")?.split_once('\n')?;
        Some((command.to_string(), output.to_string()))
    };
    blocks.filter_map(session).collect()
}

fn check(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.current_dir(root()).env("COLUMNS", "100").args(arguments).output().expect("it starts")
}

/// What the README shows is what comes out; `…` stands for lines that are left out.
#[test]
fn the_readme_shows_what_happens() {
    let sessions = sessions(&read("README.md"));
    assert!(!sessions.is_empty(), "the README shows a run");
    for (command, shown) in sessions {
        let output = check(&command.split(' ').collect::<Vec<_>>());
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut rest = printed.as_str();
        for part in shown.split("…\n") {
            let at = rest.find(part);
            let at = at
                .unwrap_or_else(|| panic!("`check {command}` does not print\n{part}\nbut\n{rest}"));
            rest = &rest[at + part.len()..];
        }
    }
}

/// Verbs that are named anywhere exist.
#[test]
fn documented_verbs_exist() {
    let verbs = [
        "run", "explore", "simulate", "replay", "conform", "matrix", "diff", "list", "explain",
        "bench",
    ];
    for file in ["README.md", "specs/README.md", "specs/guarantees.md"] {
        for quoted in read(file).split('`').skip(1).step_by(2) {
            let words: Vec<&str> = quoted.split_whitespace().collect();
            if let ["check", verb, ..] = words[..] {
                let is_verb = verbs.contains(&verb) || verb.starts_with("--");
                assert!(is_verb, "{file} names `{quoted}`");
            }
        }
    }
}

/// Every field of a Scenario, and every fault, has its line and its example.
#[test]
fn scenario_fields_are_documented() {
    let text = read("specs/README.md");
    let source = read("src/scenario/file.rs");
    let (_, fields) = source.split_once("const FIELDS").expect("the list of fields");
    let fields = fields.split("];").next().unwrap().split('"').skip(1).step_by(2);
    for field in fields {
        assert!(
            text.contains(&format!("\n  {field}: ")) || text.contains(&format!("\n  {field}:\n")),
            "{field}"
        );
        assert!(
            text.lines()
                .any(|line| line.starts_with("| `") && line.contains(&format!("`{field}`"))),
            "{field}"
        );
    }
    for fault in models::faults::FaultKind::ALL {
        assert!(text.contains(&format!("`{}`", fault.field())), "{}", fault.field());
    }
}

/// The example of each field in `specs/README.md` is one that the reader takes.
#[test]
fn documented_scenario_fields_are_read() {
    use node_recovery::scenario::{Input, load};
    let text = read("specs/README.md");
    let examples: Vec<&str> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let input = Input { name: "specs/README.md".into(), text: example.to_string() };
        let scenarios = load(&[input]).unwrap_or_else(|error| panic!("{error}\n{example}"));
        for expectation in &scenarios[0].expectations {
            assert!(guarantees::find(&expectation.property).is_some(), "{}", expectation.property);
        }
    }
}
