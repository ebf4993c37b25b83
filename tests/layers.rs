//! The layers keep to themselves.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs"));
    rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// Words that only somebody who knows Kubernetes uses, as parts of names.
const KUBERNETES: [&str; 14] = [
    "kube",
    "k8s",
    "pod",
    "taint",
    "etcd",
    "replica",
    "deployment",
    "daemonset",
    "statefulset",
    "scheduler",
    "lease",
    "node",
    "evict",
    "container",
];

/// The words of a text, with names such as `podUid` and `PodUid` taken apart.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last = ' ';
    for c in text.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && last.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        last = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn names_kubernetes(text: &str) -> Vec<String> {
    let known = |word: &String| KUBERNETES.iter().any(|known| word.starts_with(known));
    words(text).into_iter().filter(known).collect()
}

#[test]
fn the_engine_does_not_name_kubernetes_nor_any_other_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = sources(&root.join("src/engine"));
    assert!(files.len() > 10);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let names = names_kubernetes(&text);
        assert!(names.is_empty(), "{}: {names:?}", file.display());
        for layer in ["models", "scenario", "story", "report", "cli", "conform"] {
            assert!(!text.contains(&format!("crate::{layer}")), "{}: {layer}", file.display());
            assert!(!text.contains(&format!("use {layer}::")), "{}: {layer}", file.display());
        }
    }
}

#[test]
fn the_models_do_not_name_the_engine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(&root.join("models/src")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("node_recovery"), "{}", file.display());
    }
}

#[test]
fn a_name_is_noticed_in_any_spelling() {
    for name in ["PodUid", "pod_uid", "thePod", "KUBELET", "kube-proxy", "of nodes", "Tainted"] {
        assert!(!names_kubernetes(name).is_empty(), "{name}");
    }
    for word in ["tripod", "answers", "release", "sustained"] {
        assert!(names_kubernetes(word).is_empty(), "{word}");
    }
}
