//! Lists the scenarios in `specs/`, so that a new folder there needs no line of code.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=specs");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut folders: Vec<String> = fs::read_dir(Path::new(&root).join("specs"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Path::new(&root).join("specs").join(name).join("scenario.yaml").is_file())
        .collect();
    folders.sort();
    let mut list = String::from("&[\n");
    for folder in folders {
        let file = format!("specs/{folder}/scenario.yaml");
        let path = Path::new(&root).join(&file);
        writeln!(
            list,
            "Bundled {{ folder: {folder:?}, file: {file:?}, text: include_str!({path:?}) }},"
        )
        .expect("a string takes everything");
    }
    list.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("catalogue.rs"), list)
}
