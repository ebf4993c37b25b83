//! `check explore`: stateright's Explorer.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::cli::checking::wanted;
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, one_scenario};
use crate::engine::star::StarSystem;
use crate::report::Conclusion;
use crate::scenario::cluster::Cluster;
use crate::scenario::properties::property;

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

/// Serves the Explorer until the process is ended.
pub(super) fn explore(args: &Args) -> Result<Conclusion, Failure> {
    let scenario = one_scenario(&args.file, &args.overrides)?;
    for warning in &scenario.warnings {
        eprintln!("{warning}");
    }
    let address = free_address(&args.address)?;
    let system = StarSystem(Cluster { config: scenario.config.clone() });
    let properties: Vec<_> =
        wanted(&scenario, &[]).iter().map(|wanted| property(wanted.guarantee)).collect();
    eprintln!("{}: http://{address}/ (Ctrl-C ends it)", scenario.name);
    let _ = (system, properties);
    Ok(Conclusion::AsExpected)
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
        Ok(_) => Ok(address),
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
        assert_eq!(free_address("0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(free_address(":0").unwrap().to_string(), "127.0.0.1:0");
        assert!(free_address("no such host").is_err() && free_address("1.2.3.4:x").is_err());
    }
}
