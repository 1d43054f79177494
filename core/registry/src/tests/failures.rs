//! What a registry does that is read-only, stopped, full or broken.

use bytes::Bytes;
use dockless_meta::LedgerError;
use dockless_oci::{Digest, Reference};
use dockless_runtime::simulation::Simulation;

use super::fixture::{DATA, Machine, asked, image_of, name, tag};
use crate::*;

/// The outcome of every operation that changes something.
fn changes(machine: &Machine) -> Vec<Result<(), Error>> {
    let (caller, repository, registry) = (Caller::anonymous(), name("a"), &machine.registry);
    let digest = Digest::sha256(b"x");
    let id: UploadId = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let request = PutRequest {
        reference: Reference::Tag(tag("v1")),
        tags: Vec::new(),
        content_type: None,
        bytes: Bytes::from(image_of("x")),
        if_match: None,
    };
    machine.run(async {
        vec![
            registry.begin_upload(&caller, &repository, None).await.map(drop),
            registry.append(&caller, &repository, &id, None).await.map(drop),
            registry.finish(&caller, &repository, &id, &digest).await.map(drop),
            registry.cancel_upload(&caller, &repository, &id).await,
            registry.mount(&caller, &repository, &digest, None).await.map(drop),
            registry.put_manifest(&asked("a"), request).await.map(drop),
            registry.set_tag(&repository, &tag("v1"), &digest).await,
            registry.delete_tag(&repository, &tag("v1")).await,
            registry.delete_manifest(&repository, &digest).await,
            registry.delete_blob(&repository, &digest).await,
        ]
    })
}

#[test]
fn a_read_only_registry_takes_no_change_and_serves_on() {
    let simulation = Simulation::new(1);
    let machine = Machine::durable(simulation, Settings::default());
    let bytes = image_of("x");
    machine.put("a", "v1", &bytes).unwrap();
    let disk = machine.simulation.disk();
    machine.run(machine.registry.stop()).unwrap();
    let read_only = Settings { read_only: true, ..Settings::default() };
    let machine = Machine::durable(Simulation::with_disk(2, disk), read_only);
    for (number, outcome) in changes(&machine).into_iter().enumerate() {
        assert_eq!(outcome, Err(Error::ReadOnly), "operation {number}");
    }
    assert_eq!(machine.manifest("a", "v1").unwrap(), bytes);
    assert_eq!(machine.registry.readiness(), []);
}

#[test]
fn a_stopped_registry_says_so() {
    for machine in
        [Machine::memory(Settings::default()), Machine::durable(Simulation::new(1), Settings::default())]
    {
        assert_eq!(machine.registry.readiness(), []);
        machine.run(machine.registry.stop()).unwrap();
        machine.run(machine.registry.stop()).expect("again is fine");
        assert_eq!(machine.registry.readiness()[0].code, "stopping");
        assert!(matches!(machine.put("a", "v1", &image_of("x")), Err(Error::Unavailable(_))));
    }
}

#[test]
fn a_ledger_that_failed_shows_in_the_readiness() {
    let machine = Machine::memory(Settings::default());
    machine.memory.as_ref().unwrap().refuse(Some(LedgerError::Failed("sync: EIO".into())));
    let refused = machine.put("a", "v1", &image_of("x"));
    assert!(
        matches!(&refused, Err(Error::Unavailable(message)) if message.contains("restarts")),
        "{refused:?}"
    );
    let reasons = machine.registry.readiness();
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].code, "ledger");
    assert!(reasons[0].message.contains("sync: EIO"));
}

#[test]
fn a_disk_that_is_nearly_full_shows_in_the_readiness() {
    let settings =
        Settings { data_directory: Some(DATA.into()), disk_free_min: 1 << 20, ..Settings::default() };
    let machine = Machine::durable(Simulation::new(1), settings);
    assert_eq!(machine.registry.readiness(), []);
    machine.simulation.disk().set_capacity(1 << 20);
    let reasons = machine.registry.readiness();
    assert_eq!(reasons[0].code, "disk");
    assert!(reasons[0].message.contains("less than 1048576"), "{}", reasons[0].message);
}

#[test]
fn totals_and_pulls_are_counted() {
    let machine = Machine::memory(Settings::default());
    let blob = machine.push_blob("a", b"layer");
    machine.put("a", "v1", &image_of("x")).unwrap();
    machine.put("b", "v1", &image_of("x")).unwrap();
    machine.blob("a", &blob).unwrap();
    machine.blob("a", &blob).unwrap();
    machine.manifest("a", "v1").unwrap();
    for (line, expected) in [
        ("dockless_pulled_total{content=\"blob\"}", 2),
        ("dockless_pulled_total{content=\"manifest\"}", 1),
        ("dockless_pushed_total{content=\"blob\"}", 1),
        ("dockless_pushed_total{content=\"tag\"}", 2),
        ("dockless_cache_lookups_total{hit=\"yes\"}", 1),
        ("dockless_repositories", 2),
        ("dockless_blobs", 1),
        ("dockless_tags", 2),
    ] {
        assert_eq!(machine.metric(&format!("{line} ")), expected, "{line}");
    }
}

#[test]
fn errors_never_show_the_inside() {
    for error in [
        Error::from(LedgerError::Damaged("/var/lib/secret/path".into())),
        Error::from(LedgerError::Failed("/var/lib/secret/path".into())),
        Error::from(StoreError::Io("/var/lib/secret/path".into())),
    ] {
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
