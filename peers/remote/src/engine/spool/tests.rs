//! What stays in the spool, and what goes.

use std::path::{Path, PathBuf};

use dockless_runtime::disk::write_all_at;
use dockless_runtime::simulation::{SimDisk, Simulation};
use dockless_runtime::{Disk as _, OpenMode};

use super::*;

const DIRECTORY: &str = "/data/engine";

fn spool(simulation: &Simulation, bytes_max: u64) -> Spool {
    Spool::new(simulation.runtime(), PathBuf::from(DIRECTORY), bytes_max, Gauge::default())
}

fn content(seed: u8, size: usize) -> (Bytes, Digest) {
    let bytes = Bytes::from(vec![seed; size]);
    let digest = Digest::sha256(&bytes);
    (bytes, digest)
}

async fn put(spool: &Spool, seed: u8, size: usize) -> Result<Pin, SourceError> {
    let (bytes, digest) = content(seed, size);
    let mut filling = spool.begin(size as u64).await?;
    filling.write(bytes).await?;
    let wanted = [digest.clone(), Digest::sha256(b"another")].into();
    let (kept, pin) = filling.finish(Some(&wanted)).await?.expect("it was wanted");
    assert_eq!((kept, pin.size), (digest, size as u64));
    Ok(pin)
}

async fn has(spool: &Spool, seed: u8, size: usize) -> bool {
    spool.inside.store().await.unwrap();
    spool.inside.shelf().held.contains_key(&content(seed, size).1)
}

fn uploads(disk: &SimDisk) -> usize {
    disk.list(&Path::new(DIRECTORY).join("uploads")).unwrap().len()
}

fn blob_path(digest: &Digest) -> PathBuf {
    Path::new(DIRECTORY).join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex())
}

#[test]
fn nothing_is_made_on_the_disk_before_it_is_needed() {
    let simulation = Simulation::new(1);
    let _spool = spool(&simulation, 100);
    assert!(simulation.disk().stat(Path::new(DIRECTORY)).is_err());
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let simulation = Simulation::new(2);
    let spool = spool(&simulation, 3000);
    simulation.block_on(async {
        for seed in 1..=3 {
            put(&spool, seed, 1000).await.unwrap();
        }
        assert_eq!(spool.pin(&content(1, 1000).1).await.unwrap().unwrap().size, 1000);
        put(&spool, 4, 500).await.unwrap();
        assert!(has(&spool, 1, 1000).await && !has(&spool, 2, 1000).await && has(&spool, 3, 1000).await);
        assert_eq!(spool.inside.gauge.get(), 2500);
        assert!(simulation.disk().stat(&blob_path(&content(2, 1000).1)).is_err());
        put(&spool, 5, 3000).await.unwrap();
        assert_eq!(spool.inside.shelf().held.len(), 1);
    });
}

#[test]
fn what_is_read_held_or_filled_stays() {
    let simulation = Simulation::new(3);
    let spool = spool(&simulation, 3000);
    simulation.block_on(async {
        drop(put(&spool, 1, 1000).await.unwrap());
        let blob = spool.open(&content(1, 1000).1).await.unwrap().unwrap();
        let pin = put(&spool, 2, 1000).await.unwrap();
        let filling = spool.begin(1000).await.unwrap();
        let refused = put(&spool, 4, 1).await.unwrap_err();
        assert!(refused.to_string().contains("all of them in use"), "{refused}");
        let refused = put(&spool, 4, 3001).await.unwrap_err();
        assert!(refused.to_string().contains("may hold 3000 bytes; allow more"), "{refused}");
        assert_eq!(blob.read(0, 1000).await.unwrap(), content(1, 1000).0);
        drop(filling);
        simulation.runtime().clock.sleep(std::time::Duration::from_secs(1)).await;
        put(&spool, 4, 1000).await.unwrap();
        drop(pin);
        put(&spool, 5, 2000).await.unwrap();
        assert!(has(&spool, 1, 1000).await && !has(&spool, 2, 1000).await);
        drop(blob);
        put(&spool, 6, 3000).await.unwrap();
    });
}

#[test]
fn what_is_given_up_or_not_wanted_leaves_nothing() {
    let simulation = Simulation::new(4);
    let (disk, spool) = (simulation.disk(), spool(&simulation, 10 << 20));
    simulation.block_on(async {
        let mut filling = spool.begin(3 << 20).await.unwrap();
        filling.write(content(1, 2 << 20).0).await.unwrap();
        drop(filling);
        let mut filling = spool.begin(10).await.unwrap();
        filling.write(content(2, 10).0).await.unwrap();
        assert!(filling.finish(Some(&[Digest::sha256(b"another")].into())).await.unwrap().is_none());
        put(&spool, 3, 10).await.unwrap();
        // The same content again is not kept twice.
        put(&spool, 3, 10).await.unwrap();
        simulation.runtime().clock.sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(spool.inside.gauge.get(), 10);
    });
    assert_eq!(uploads(&disk), 0);
}

#[test]
fn a_restart_keeps_what_is_whole_and_fits() {
    let simulation = Simulation::new(5);
    let disk = simulation.disk();
    simulation.block_on(async {
        let spool = spool(&simulation, 10_000);
        for seed in 1..=4 {
            put(&spool, seed, 1000).await.unwrap();
            simulation.runtime().clock.sleep(std::time::Duration::from_secs(1)).await;
        }
        // The process ends in the middle of a file.
        let mut filling = spool.begin(1000).await.unwrap();
        filling.write(content(5, 10).0).await.unwrap();
        std::mem::forget(filling);
    });
    assert_eq!(uploads(&disk), 1);
    let simulation = Simulation::with_disk(6, disk.clone());
    simulation.block_on(async {
        let spool = spool(&simulation, 3000);
        let blob = spool.open(&content(4, 1000).1).await.unwrap().unwrap();
        assert_eq!(blob.read(0, 1000).await.unwrap(), content(4, 1000).0);
        assert_eq!(uploads(&disk), 0);
        assert_eq!(spool.inside.gauge.get(), 3000);
    });
}

#[test]
fn a_damaged_file_is_never_given_and_can_be_filled_again() {
    let simulation = Simulation::new(7);
    let (disk, spool) = (simulation.disk(), spool(&simulation, 10_000));
    let digest = content(1, 1000).1;
    simulation.block_on(async {
        drop(put(&spool, 1, 1000).await.unwrap());
        let file = disk.open(&blob_path(&digest), OpenMode::ReadWrite).unwrap();
        write_all_at(&*file, b"x", 500).unwrap();
        let blob = spool.open(&digest).await.unwrap().unwrap();
        assert_eq!(blob.read(0, 1000).await, Err(StoreError::Damaged(digest.clone())));
        assert!(spool.open(&digest).await.unwrap().is_none());
        assert_eq!(spool.inside.gauge.get(), 0);
        put(&spool, 1, 1000).await.unwrap();
        let blob = spool.open(&digest).await.unwrap().unwrap();
        assert_eq!(blob.read(0, 1000).await.unwrap(), content(1, 1000).0);
    });
}

#[test]
fn one_who_finds_damage_late_leaves_what_was_filled_meanwhile() {
    let simulation = Simulation::new(9);
    let (disk, spool) = (simulation.disk(), spool(&simulation, 10_000));
    let digest = content(1, 1000).1;
    simulation.block_on(async {
        drop(put(&spool, 1, 1000).await.unwrap());
        let file = disk.open(&blob_path(&digest), OpenMode::ReadWrite).unwrap();
        write_all_at(&*file, b"x", 500).unwrap();
        let [one, two] =
            [spool.open(&digest).await, spool.open(&digest).await].map(|blob| blob.unwrap().unwrap());
        assert!(one.read(0, 1000).await.is_err());
        put(&spool, 1, 1000).await.unwrap();
        assert!(two.read(0, 1000).await.is_err());
        assert!(has(&spool, 1, 1000).await);
        assert_eq!(spool.inside.gauge.get(), 1000);
    });
}

#[test]
fn what_could_not_be_removed_stays_on_the_shelf() {
    let simulation = Simulation::new(10);
    let (disk, spool) = (simulation.disk(), spool(&simulation, 3000));
    simulation.block_on(async {
        for seed in 1..=3 {
            put(&spool, seed, 1000).await.unwrap();
        }
        // A directory is no file that can be removed.
        let path = blob_path(&content(1, 1000).1);
        disk.remove(&path).unwrap();
        disk.create_dir_all(&path.join("in-the-way")).unwrap();
        assert!(put(&spool, 4, 2000).await.is_err());
        assert!(has(&spool, 1, 1000).await && !has(&spool, 2, 1000).await && has(&spool, 3, 1000).await);
        assert_eq!((spool.inside.shelf().bytes, spool.inside.gauge.get()), (2000, 2000));
    });
}

#[test]
fn a_file_that_an_operator_removed_is_missed_and_not_more() {
    let simulation = Simulation::new(8);
    let (disk, spool) = (simulation.disk(), spool(&simulation, 10_000));
    let digest = content(1, 1000).1;
    simulation.block_on(async {
        drop(put(&spool, 1, 1000).await.unwrap());
        disk.remove(&blob_path(&digest)).unwrap();
        assert!(spool.open(&digest).await.unwrap().is_none());
        assert_eq!(spool.inside.gauge.get(), 0);
    });
}
