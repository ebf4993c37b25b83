//! P10: whether the API shows one address for two live pods.

use models::guarantees::find;
use node_recovery::engine::compact;
use node_recovery::engine::property::Verdict;
use node_recovery::engine::search::Options;
use node_recovery::engine::star::StarSystem;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::properties::property;
use node_recovery::scenario::{Input, catalogue, load};

fn verdict(change: impl Fn(&str) -> String) -> Verdict {
    let bundled = catalogue::find("88-one-address-for-two-pods").expect("a bundled scenario");
    let input = Input { name: "s.yaml".into(), text: change(bundled.text) };
    let config = load(&[input]).expect("it is valid").swap_remove(0).config;
    let p10 = property(find("P10").expect("a guarantee"));
    let system = StarSystem(Cluster { config });
    compact::breadth_first(&system, &[p10], &Options::default()).findings[0].verdict
}

const FAULT: &str = "powerOff: {count: 1, nodes: [node-b], outage: 30s}";

/// An address comes back with a boot, and with nothing else.
#[test]
fn it_takes_a_boot() {
    assert_eq!(verdict(str::to_string), Verdict::Violated);
    for fault in ["kubeletCrash: {nodes: [node-b]}", "powerOff: {nodes: [node-b]}\n    powerOn: 0"]
    {
        let other = |text: &str| text.replace(FAULT, fault).replace("unbounded", "fresh");
        assert_eq!(verdict(other), Verdict::Holds, "{fault}");
    }
}

/// Each node has addresses of its own.
#[test]
fn it_takes_two_pods_of_one_node() {
    let apart = |text: &str| text.replace("second: [node-b]", "second: [node-a]");
    assert_eq!(verdict(apart), Verdict::Holds);
}
