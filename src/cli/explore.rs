//! `check explore`: stateright's Explorer.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{env, fs, process, thread};

use crate::cli::checking::{System, wanted};
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, one_scenario};
use crate::cli::interrupt;
use crate::engine::explorer::{self, Guide};
use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::report::Conclusion;
use crate::scenario::cluster::Cluster;
use crate::scenario::properties::property;
use crate::story::panel::{self, Titled};
use crate::story::{Story, sequence};

/// Changes the Explorer's page: two columns however wide the content is, the state above the
/// drawing, and tables that are scrolled rather than broken.
const PAGE_STYLE: &str = "\
    .main-flex { flex-wrap: nowrap } \
    .main-flex-right { min-width: 0; display: flex; flex-direction: column } \
    .main-flex-right > .hscroll { order: 2; width: auto; overflow-x: auto } \
    .main-flex-right > .font-small { overflow-x: auto } \
    .main-flex-right > .font-small[style*=pre-wrap] { white-space: pre !important }";

/// How often Ctrl-C is looked for.
const PERIOD: Duration = Duration::from_millis(50);

/// Arguments of `check explore`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Scenario or manifest file, `-` for standard input, or a bundled scenario
    #[arg(value_name = "FILE")]
    file: String,
    /// Where to listen: address, port, or both
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    address: String,
    #[command(flatten)]
    overrides: Overrides,
}

/// Serves the Explorer until Ctrl-C.
pub(super) fn explore(args: &Args) -> Result<Conclusion, Failure> {
    let scenario = one_scenario(&args.file, &args.overrides)?;
    for warning in &scenario.warnings {
        eprintln!("{warning}");
    }
    let address = free_address(&args.address)?;
    let wanted = wanted(&scenario, &[]);
    let titled = wanted.iter().map(|wanted| Titled {
        property: property(wanted.guarantee),
        title: wanted.guarantee.title.to_string(),
    });
    let guide = StoryGuide { properties: titled.collect() };
    let properties: Vec<_> = guide.properties.iter().map(|known| known.property.clone()).collect();
    let mut config = scenario.config.clone();
    // Who walks reads the tables: the counts in them have to follow.
    config.workload_status = true;
    let system = StarSystem(Cluster { config });
    let stop = interrupt::stop_flag();
    leave_for_empty_folder()?;
    eprintln!("{}: http://{address}/ (Ctrl-C ends it)", scenario.name);
    let server = thread::spawn(move || explorer::serve(system, &properties, guide, address));
    while !stop.load(Ordering::Relaxed) && !server.is_finished() {
        thread::sleep(PERIOD);
    }
    if stop.load(Ordering::Relaxed) {
        return Ok(Conclusion::AsExpected);
    }
    Err(Failure::usage("the Explorer has stopped", None))
}

/// Tells states and actions as traces are told.
struct StoryGuide {
    properties: Vec<Titled>,
}

impl Guide<System> for StoryGuide {
    fn state(&self, system: &System, path: &Path<System>) -> String {
        panel::render(system, path, &self.properties)
    }

    fn action(&self, system: &System, path: &Path<System>) -> String {
        Story::tell(system, path).steps.last().map(panel::headline).unwrap_or_default()
    }

    fn drawing(&self, system: &System, path: &Path<System>) -> String {
        format!("<style>{PAGE_STYLE}</style>{}", sequence::render(&Story::tell(system, path)))
    }

    fn property(&self, name: &str) -> String {
        let known = self.properties.iter().find(|known| known.property.name == name);
        known.map_or(name.to_string(), |known| format!("{name}: {}", known.title))
    }
}

/// Makes an empty folder the current one: the Explorer would prefer pages in a folder `ui` of the
/// current folder, whatever they are, to its own.
fn leave_for_empty_folder() -> Result<(), Failure> {
    let path = env::temp_dir().join(format!("node-recovery-explorer-{}", process::id()));
    let entered = fs::create_dir(&path).and_then(|()| env::set_current_dir(&path));
    // It goes on being the current one, and nothing is left behind however the process ends.
    // Where a folder in use cannot be removed, what stays is empty.
    let _ = fs::remove_dir(&path);
    entered.map_err(|error| {
        let message = format!("cannot work in an empty folder {}: {error}", path.display());
        Failure::usage(message, None)
    })
}

/// The address to listen on, if nobody else does.
fn free_address(text: &str) -> Result<SocketAddr, Failure> {
    let full = match text.parse::<u16>() {
        Ok(port) => format!("127.0.0.1:{port}"),
        Err(_) if text.starts_with(':') => format!("127.0.0.1{text}"),
        Err(_) if text.contains(':') => text.to_string(),
        Err(_) => format!("{text}:3000"),
    };
    let help = || Some("an address is such as 127.0.0.1:3000".to_string());
    let address = full.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let address =
        address.ok_or_else(|| Failure::usage(format!("`{text}` is not an address"), help()))?;
    match TcpListener::bind(address) {
        // Port 0 is any free one: this is which.
        Ok(listener) => Ok(listener.local_addr().unwrap_or(address)),
        Err(error) => {
            let message = format!("cannot listen on {address}: {error}");
            let help = format!("name another port, e.g. 127.0.0.1:{}", other_port(address.port()));
            Err(Failure::usage(message, Some(help)))
        }
    }
}

fn other_port(port: u16) -> u16 {
    if port < 1024 { 3000 } else { port.checked_add(1).unwrap_or(3000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused_with_another_one() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let shown = free_address(&address).unwrap_err().to_string();
        assert!(shown.starts_with(&format!("error: cannot listen on {address}")), "{shown}");
        assert!(shown.contains("help: name another port"), "{shown}");
    }

    #[test]
    fn an_address_may_be_short() {
        for any in ["0", ":0"] {
            let address = free_address(any).unwrap();
            assert!(address.ip().is_loopback() && address.port() > 0, "{address}");
        }
        assert!(free_address("no such host").is_err() && free_address("1.2.3.4:x").is_err());
    }
}
