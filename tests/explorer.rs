//! `check explore`, as a browser talks to it; and in a real browser, if there is one.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use models::guarantees;
use node_recovery::engine::compact;
use node_recovery::engine::search::Options;
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::system::System as _;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::properties::property;
use node_recovery::scenario::{Scenario, load, read_input};
use node_recovery::story::workload_status::with_workload_status;
use serde_json::Value;

/// A node that loses power and returns, and a Deployment of one replica on it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/power-off-and-on.yaml");

fn power_off_and_on() -> Scenario {
    load(&[read_input(FILE).unwrap()]).unwrap().remove(0)
}

type System = StarSystem<Cluster>;

/// An Explorer of the first bundled scenario; ends with this.
struct Explorer {
    process: Child,
    /// Where it listens.
    address: String,
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Explorer {
    fn start(mut command: Command) -> Self {
        let command = command.args(["explore", FILE, "0"]).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_string();
        let began = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "{address} does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Explorer { process, address }
    }

    fn new() -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_check")))
    }

    /// The status code and the body.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Of HTTP 1.0, so that the body comes in one piece.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
    }

    fn json(&self, path: &str) -> Value {
        let (code, body) = self.get(path);
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The state after the choices `path`, as it is shown among those that follow the one before.
    fn state(&self, path: &[usize]) -> Value {
        let (last, before) = path.split_last().unwrap();
        let before: String = before.iter().map(|choice| format!("/{choice}")).collect();
        let states = self.json(&format!("/.states{before}"));
        states[*last].clone()
    }
}

/// The choices along the shortest run that violates `P1.real`, the initial state first, with the
/// status of workloads written in between.
fn violation() -> Vec<usize> {
    let config = power_off_and_on().config;
    let system: System = StarSystem(Cluster { config });
    let properties = [property(guarantees::find("P1.real").unwrap())];
    let outcome = compact::breadth_first(&system, &properties, &Options::default());
    let found = outcome.findings[0].path.as_ref().unwrap();
    let (system, path) = with_workload_status(&system, found);
    assert!(system.0.config.workload_status && path.steps.len() > found.steps.len());
    let mut before = &path.start;
    let start = system.initial_states().iter().position(|state| state == before).unwrap();
    let mut choices = vec![start];
    for (action, after) in &path.steps {
        let mut actions = Vec::new();
        system.actions(before, &mut actions);
        choices.push(actions.iter().position(|enabled| enabled == action).unwrap());
        before = after;
    }
    choices
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[test]
fn a_state_is_shown_as_tables_with_reality_and_what_is_on_its_way() {
    let explorer = Explorer::new();
    let status = explorer.json("/.status");
    assert_eq!((&status["done"], &status["unique_state_count"]), (&Value::from(false), &1.into()));
    let listed: Vec<&str> =
        status["properties"].as_array().unwrap().iter().map(|p| p[1].as_str().unwrap()).collect();
    let known = "P1.real: never more running replicas than asked for, in reality";
    assert!(listed.contains(&known), "{listed:?}");

    let start = explorer.json("/.states/");
    let state = text(&start[0], "state");
    for expected in [
        "start of the run",
        "$ kubectl get pods -o wide\nNAME ",
        "NOMINATED NODE   READINESS GATES\nweb-",
        "$ kubectl get nodes -o wide\nNAME ",
        "CONTAINER-RUNTIME\nnode-a   Ready",
        "$ kubectl get deployments -o wide\nNAME ",
        "SELECTOR\nweb    1/1",
        "what really runs\nNODE     POWER   NETWORK   KUBELET   CONTAINERD   CONTAINERS\nnode-a   on",
        "on its way\nnothing\n",
    ] {
        assert!(state.contains(expected), "{expected:?} is not in:\n{state}");
    }

    let next = explorer.json("/.states/0");
    assert_eq!(text(&next[0], "action"), "fault: node-b loses power [F-POWEROFF]");
    let state = text(&next[0], "state");
    assert!(state.starts_with("step 1 (+0 s)  fault: node-b loses power"), "{state}");
    assert!(state.contains("\nnode-b   off     -         down      down "), "{state}");
    assert!(text(&next[0], "svg").contains("F-POWEROFF: node-b loses power"));
}

/// Trap 7: stateright's Explorer judges no property while one walks.
#[test]
fn the_verdicts_of_a_state_are_shown_in_it() {
    let explorer = Explorer::new();
    let choices = violation();
    let verdict = |path: &[usize]| {
        let shown = explorer.state(path);
        let state = text(&shown, "state");
        let line = state.lines().find(|line| line.starts_with("P1.real")).unwrap();
        line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).nth(1).unwrap().to_string()
    };
    assert_eq!(verdict(&choices[..choices.len() - 1]), "holds here");
    assert_eq!(verdict(&choices), "VIOLATED");
    // The list of properties, which is what stateright has to say, still knows nothing.
    let status = explorer.json("/.status");
    for property in status["properties"].as_array().unwrap() {
        assert_eq!(property[2], Value::Null, "{property}");
    }
    // Properties of steps too, and what is on its way.
    let before = explorer.state(&choices[..choices.len() - 1]);
    assert!(text(&before, "state").contains("P3a       holds in this step"));
    let shown = |expected: &str| {
        let states = (2..choices.len()).map(|length| explorer.state(&choices[..length]));
        states.filter(|shown| text(shown, "state").contains(expected)).count()
    };
    assert!(shown("on its way\nFROM") > 0, "at some time something is on its way");
    assert!(shown("\nweb    0/1 ") > 0, "at some time the Deployment has no ready replica");
    let drawn = explorer.state(&choices);
    let arrows = text(&drawn, "svg").matches("<g class=").count();
    assert_eq!(arrows, choices.len() - 1, "a row for each step of the run");
}

#[test]
fn a_path_that_does_not_exist_is_refused_and_nothing_else_happens() {
    let explorer = Explorer::new();
    for path in ["/.states/7", "/.states/0/99", "/.states/x", "/nothing"] {
        assert_eq!(explorer.get(path).0, 404, "{path}");
    }
    assert_eq!(explorer.get("/.status").0, 200);
}

/// A folder of this test process, empty.
fn folder(name: &str) -> PathBuf {
    let folder = FilePath::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn pages_of_the_current_folder_are_not_served() {
    let folder = folder("explorer-with-ui");
    fs::create_dir(folder.join("ui")).unwrap();
    for file in ["index.htm", "app.js", "app.css"] {
        fs::write(folder.join("ui").join(file), "someone else's").unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.current_dir(&folder);
    let explorer = Explorer::start(command);
    let (code, page) = explorer.get("/");
    assert_eq!(code, 200);
    assert!(page.contains("<title>Stateright Explorer</title>"), "{page}");
    for file in ["/app.js", "/app.css", "/knockout-3.5.0.js"] {
        let (code, text) = explorer.get(file);
        assert!(code == 200 && text.len() > 1000, "{file}: {text}");
    }
}

#[test]
fn a_busy_port_is_one_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = env!("CARGO_BIN_EXE_check");
    let out = Command::new(program).args(["explore", FILE, &address]).output().unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{error}");
    assert_eq!(error.matches("error:").count(), 1, "{error}");
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_it_properly() {
    // Whoever started the tests may ignore the signal; the Explorer shall not.
    let mut command = Command::new("env");
    let folder = folder("explorer-temporary");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_check")]).env("TMPDIR", &folder);
    let mut explorer = Explorer::start(command);
    let pid = explorer.process.id().to_string();
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert!(works_in.starts_with(&folder), "it works in a folder of its own: {works_in:?}");
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = explorer.process.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    assert!(TcpStream::connect(&explorer.address).is_err(), "nobody listens any more");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
}

/// The page after its scripts have run, in a browser without a window.
#[test]
fn a_real_browser_shows_it() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let runs = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = names.iter().find(runs) else {
        // Written past the test harness, which would swallow it.
        let mut terminal = std::io::stderr();
        let _ = writeln!(terminal, "NOT TESTED: the Explorer in a browser: none of {names:?} here");
        return;
    };
    let explorer = Explorer::new();
    let steps: String = violation().iter().map(|choice| format!("/{choice}")).collect();
    let profile = folder("explorer-browser");
    let out = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("http://{}/#/steps{steps}", explorer.address))
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&out.stdout);
    for expected in [
        "P1.real   VIOLATED",
        "$ kubectl get pods -o wide",
        "what really runs",
        "fault: node-b loses power [F-POWEROFF]",
        "<svg xmlns",
    ] {
        assert!(page.contains(expected), "{expected:?} is not in:\n{page}");
    }
}
