//! Certificates on a simulated machine: made, kept, renewed, replaced.

use std::path::Path;
use std::time::Duration;

use dockless_runtime::disk::{read_file, write_file_durable};
use dockless_runtime::simulation::Simulation;
use dockless_runtime::{Disk as _, shutdown};

use super::*;

const DAY_MS: i64 = 86_400_000;

fn own(simulation: &Simulation, names: &[&str]) -> Arc<Certificates> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    simulation.block_on(Certificates::own(&simulation.runtime(), Path::new("/keys"), &names)).unwrap()
}

fn leaf(certificates: &Certificates) -> Vec<u8> {
    certificates.served.current.read().unwrap().key.cert[0].to_vec()
}

#[test]
fn the_authority_and_the_leaf_survive_a_restart() {
    let simulation = Simulation::new(1);
    let first = own(&simulation, &["registry.example.org"]);
    let again = own(&simulation, &["registry.example.org"]);
    assert_eq!((first.trust(), leaf(&first)), (again.trust(), leaf(&again)));
    assert!(first.trust().own && first.trust().fingerprint.len() == 95);
    let text =
        String::from_utf8(read_file(&*simulation.disk(), Path::new("/keys/authority.pem"), 1 << 20).unwrap());
    assert_eq!(text.unwrap(), first.trust().pem);
}

#[test]
fn the_leaf_names_the_machine_and_a_new_name_makes_a_new_leaf() {
    let simulation = Simulation::new(1);
    let first = own(&simulation, &[]);
    let bytes = leaf(&first);
    let (_, certificate) = x509_parser::parse_x509_certificate(&bytes).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
    let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert!(names.contains("localhost") && names.contains("7f:00:00:01"), "{names}");
    let second = own(&simulation, &["other.example.org", "10.9.8.7"]);
    assert_ne!(leaf(&second), bytes);
    assert_eq!(second.trust(), first.trust(), "the authority stays");
}

#[test]
fn a_name_may_be_written_in_many_ways_and_is_one() {
    let simulation = Simulation::new(1);
    let names = ["FD00:0:0::1", "fd00::1", "::ffff:10.9.8.7", "Registry.Example.org"];
    let first = own(&simulation, &names);
    simulation.block_on(first.refresh()).unwrap();
    assert_eq!(leaf(&own(&simulation, &names)), leaf(&first), "the leaf that is there will do");
}

#[test]
fn what_no_certificate_can_name_is_refused() {
    let simulation = Simulation::new(1);
    let open = |names: Vec<String>| {
        let runtime = simulation.runtime();
        let opened = simulation.block_on(Certificates::own(&runtime, Path::new("/keys"), &names));
        opened.err().unwrap().to_string()
    };
    for bad in ["not a name", "https://a", "a:5000", ""] {
        let error = open(vec![bad.to_owned()]);
        assert!(error.contains("tls.names") && error.contains(&format!("`{bad}`")), "{error}");
    }
    let many = (0..101).map(|number| format!("n{number}")).collect();
    assert!(open(many).contains("more than 100"));
}

#[test]
fn the_leaf_is_renewed_before_it_ends_without_a_restart() {
    let simulation = Simulation::new(1);
    let certificates = own(&simulation, &[]);
    let before = leaf(&certificates);
    let (trigger, stopping) = shutdown();
    let (running, config) = (certificates.clone(), certificates.server_config());
    simulation.runtime().spawn("renewal", async move { running.keep_fresh(stopping).await });
    simulation.clock().jump_wall(50 * DAY_MS);
    simulation.run_for(Duration::from_secs(60));
    assert_eq!(leaf(&certificates), before, "good for another forty days");
    simulation.clock().jump_wall(15 * DAY_MS);
    simulation.run_for(Duration::from_secs(60));
    assert_ne!(leaf(&certificates), before);
    assert!(Arc::ptr_eq(&config, &certificates.server_config()));
    trigger.trigger();
}

#[test]
fn what_is_not_ours_is_never_replaced() {
    let simulation = Simulation::new(1);
    own(&simulation, &[]);
    let disk = simulation.disk();
    write_file_durable(&*disk, Path::new("/keys/authority.pem"), b"something else", false).unwrap();
    let failed = simulation.block_on(Certificates::own(&simulation.runtime(), Path::new("/keys"), &[]));
    assert!(matches!(failed, Err(TlsError::Unusable { .. })), "{failed:?}");
    disk.remove(Path::new("/keys/authority.key")).unwrap();
    let failed = simulation.block_on(Certificates::own(&simulation.runtime(), Path::new("/keys"), &[]));
    assert!(matches!(failed, Err(TlsError::Unusable { .. })), "{failed:?}");
}

/// A certificate signed by itself, and its key, under `/given`.
fn give(simulation: &Simulation, name: &str, with_key: bool) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let disk = simulation.disk();
    disk.create_dir_all(Path::new("/given")).unwrap();
    write_file_durable(&*disk, Path::new("/given/cert.pem"), made.cert.pem().as_bytes(), false).unwrap();
    if with_key {
        let key = made.signing_key.serialize_pem();
        write_file_durable(&*disk, Path::new("/given/key.pem"), key.as_bytes(), true).unwrap();
    }
}

#[test]
fn given_files_are_read_again_when_they_change() {
    let simulation = Simulation::new(1);
    let open = || {
        let (certificate, key) = (Path::new("/given/cert.pem"), Path::new("/given/key.pem"));
        simulation.block_on(Certificates::given(&simulation.runtime(), certificate, key))
    };
    assert!(matches!(open(), Err(TlsError::File { .. })));
    give(&simulation, "one.example.org", true);
    let certificates = open().unwrap();
    assert!(!certificates.trust().own);
    let one = leaf(&certificates);
    give(&simulation, "two.example.org", false);
    assert!(simulation.block_on(certificates.refresh()).is_err(), "the key belongs to the other certificate");
    assert_eq!(leaf(&certificates), one, "the old one goes on being served");
    give(&simulation, "two.example.org", true);
    simulation.block_on(certificates.refresh()).unwrap();
    assert_ne!(leaf(&certificates), one);
}
