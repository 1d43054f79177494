//! Power cuts at every operation, and the proof that each sync matters.

use std::sync::{Mutex, PoisonError};

use dockless_runtime::disk::read_file;

use super::super::filesystem::work::WRITE_BYTES;
use super::*;
use crate::error::StoreError;

/// What a crash decides; the first two lose and keep everything.
const SEEDS: u64 = 12;

/// Appends of the pushes below.
const REQUESTS: usize = 5;

/// An upload of more than these bytes becomes durable on its way in the tests below.
const SHORT_BYTES: u64 = 200_000;

/// What a client was told so far.
#[derive(Clone, Default)]
struct Told {
    id: Option<UploadId>,
    offset: u64,
    publishing: bool,
    published: bool,
}

async fn open_store(runtime: Runtime) -> Arc<FilesystemStore> {
    let pace =
        Pace { durable_every_bytes: WRITE_BYTES as u64 + SHORT_BYTES, record_every_bytes: SHORT_BYTES };
    FilesystemStore::open_at(runtime, PathBuf::from(ROOT), WIDE, pace).await.unwrap()
}

/// A push in five requests, until an error ends it.
async fn push_in_parts(store: &dyn BlobStore, bytes: &Bytes, digest: &Digest, told: &Mutex<Told>) {
    let tell = |change: &dyn Fn(&mut Told)| change(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
    let push = async {
        let id = store.begin(new_upload(None)).await?;
        tell(&|told| told.id = Some(id.clone()));
        for request in 0..REQUESTS {
            let part = bytes.slice(bytes.len() * request / REQUESTS..bytes.len() * (request + 1) / REQUESTS);
            let offset = append(store, &id, &part, 100_000).await?;
            tell(&|told| told.offset = offset);
        }
        store.seal(&id, digest).await?;
        tell(&|told| told.publishing = true);
        store.publish(&id, digest).await?;
        tell(&|told| told.published = true);
        Ok::<_, StoreError>(())
    };
    // An error is a power cut here, and what was told before it counts.
    let _ = push.await;
}

/// Every file under a digest is what the digest says.
fn check_blobs(disk: &SimDisk) -> Result<usize, String> {
    let directory = layout().blobs_of(dockless_oci::digest::Algorithm::Sha256);
    let mut blobs = 0;
    for shard in names(disk, &directory) {
        for name in names(disk, &directory.join(&shard)) {
            let bytes =
                read_file(disk, &directory.join(&shard).join(&name), 1 << 30).map_err(|e| e.to_string())?;
            if Digest::sha256(&bytes).hex() != name {
                return Err("a file stands under a digest that is not its own".into());
            }
            blobs += 1;
        }
    }
    Ok(blobs)
}

/// What must hold of a disk after any cut.
fn check_after(disk: &Arc<SimDisk>, digest: &Digest, told: &Told) -> Result<(), String> {
    let text = |error: StoreError| error.to_string();
    check_blobs(disk)?;
    if told.published && disk.stat(&layout().blob(digest)).is_err() {
        return Err("an acknowledged blob is gone".into());
    }
    let simulation = Simulation::with_disk(1, disk.clone());
    let store = simulation.block_on(open_store(simulation.runtime()));
    simulation.block_on(async {
        if let Some(id) = told.id.as_ref().filter(|_| !told.publishing && told.offset > SHORT_BYTES) {
            let held = store.upload(id).await.map_err(|_| "an upload that was durable is gone")?.offset;
            if held + SHORT_BYTES < told.offset {
                return Err(format!("{held} bytes are left of {}", told.offset));
            }
        }
        // Whatever upload is left can be brought to another end, or is gone; neither harms a blob.
        for upload in store.uploads().await.map_err(text)? {
            match store.upload(&upload.id).await {
                Ok(_) => {}
                Err(StoreError::UploadUnknown) => continue,
                Err(error) => return Err(text(error)),
            }
            append(&*store, &upload.id, &Bytes::from_static(b"another end"), 100).await.map_err(text)?;
            let Err(StoreError::DigestMismatch { computed }) = store.seal(&upload.id, digest).await else {
                return Err("a longer upload has the same digest".into());
            };
            store.seal(&upload.id, &computed).await.map_err(text)?;
            store.publish(&upload.id, &computed).await.map_err(text)?;
        }
        Ok(())
    })?;
    check_blobs(disk).map_err(|error| format!("{error}, after an upload was resumed"))?;
    match names(&**disk, &layout().uploads()) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("left for ever: {left:?}")),
    }
}

/// Cuts the power at every operation that `work` does on a disk that `prepare` made, and after the last. Without the
/// operation `without`, where there is one, and then only after it.
fn sweep<W: AsyncFn(Arc<FilesystemStore>, &Mutex<Told>)>(
    digest: &Digest,
    prepare: impl Fn() -> (Simulation, Told),
    without: Option<u64>,
    work: W,
) -> Result<u64, String> {
    for cut in without.map_or(0, |number| number + 1).. {
        let (simulation, told) = prepare();
        let disk = simulation.disk();
        let store = simulation.block_on(open_store(simulation.runtime()));
        let first = disk.operations();
        without.inspect(|number| disk.ignore_operation(first + number));
        disk.fail_from(first + cut);
        let told = Mutex::new(told);
        simulation.block_on(work(store, &told));
        let done = disk.operations() <= first + cut;
        // Tasks that would go on die with the power, and may touch nothing.
        disk.fail_from(0);
        simulation.kill();
        let told = told.into_inner().unwrap();
        for seed in 0..SEEDS {
            let disk = disk.fork();
            disk.crash(seed);
            check_after(&disk, digest, &told)
                .map_err(|error| format!("cut at operation {cut}, crash {seed}: {error}"))?;
        }
        if done {
            return Ok(cut);
        }
    }
    Err("the work never ends".into())
}

fn sweep_push(bytes: &Bytes, without: Option<u64>) -> Result<u64, String> {
    let digest = Digest::sha256(bytes);
    let new = || (Simulation::new(31), Told::default());
    sweep(&digest, new, without, async |store, told| push_in_parts(&*store, bytes, &digest, told).await)
}

#[test]
fn a_power_cut_at_any_operation_of_a_push_loses_nothing_acknowledged_and_harms_nothing() {
    for size in [0, 4096, 600_000] {
        let operations = sweep_push(&content(1, size), None).unwrap();
        assert!(operations >= 8, "only {operations} operations were cut");
    }
}

/// The short push has two syncs; the long one becomes durable twice on its way, and says that it is sealed.
#[test]
fn each_sync_of_a_push_left_out_is_noticed() {
    for (size, syncs) in [(4096, 2), (750_000, 2 + 2 + 2 + 2 + 1)] {
        let bytes = content(2, size);
        let simulation = Simulation::new(31);
        let disk = simulation.disk();
        let store = simulation.block_on(open_store(simulation.runtime()));
        let first = usize::try_from(disk.operations()).unwrap();
        simulation.block_on(push_in_parts(&*store, &bytes, &Digest::sha256(&bytes), &Mutex::default()));
        let log = disk.operation_log().split_off(first);
        let is_sync = |kind| matches!(kind, OperationKind::SyncData | OperationKind::SyncDirectory);
        let sync_numbers: Vec<_> = (0..log.len()).filter(|number| is_sync(log[*number].kind)).collect();
        assert_eq!(sync_numbers.len(), syncs, "{log:?}");
        for number in sync_numbers {
            let noticed = sweep_push(&bytes, Some(number as u64));
            assert!(
                noticed.is_err(),
                "operation {number} of {size} bytes, {:?}, can be left out",
                log[number]
            );
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_of_a_resumed_push_harms_nothing() {
    let bytes = content(3, 600_000);
    let digest = Digest::sha256(&bytes);
    for held in [100_000, 450_000] {
        let left_behind = || {
            let simulation = Simulation::new(34);
            let id = simulation.block_on(async {
                let store = open_store(simulation.runtime()).await;
                let id = store.begin(new_upload(None)).await.unwrap();
                for part in [0..held / 2, held / 2..held] {
                    append(&*store, &id, &bytes.slice(part), 100_000).await.unwrap();
                }
                id
            });
            simulation.kill();
            let offset = if held as u64 > SHORT_BYTES { held as u64 } else { 0 };
            (Simulation::with_disk(35, simulation.disk()), Told { id: Some(id), offset, ..Told::default() })
        };
        let resume = async |store: Arc<FilesystemStore>, told: &Mutex<Told>| {
            let id = told.lock().unwrap().id.clone().unwrap();
            let push = async {
                let offset = usize::try_from(store.upload(&id).await?.offset).unwrap();
                append(&*store, &id, &bytes.slice(offset..), 100_000).await?;
                store.seal(&id, &digest).await?;
                told.lock().unwrap().publishing = true;
                store.publish(&id, &digest).await?;
                told.lock().unwrap().published = true;
                Ok::<_, StoreError>(())
            };
            let _ = push.await;
        };
        let operations = sweep(&digest, left_behind, None, resume).unwrap();
        assert!(operations >= 8, "only {operations} operations were cut");
    }
}

#[test]
fn a_directory_of_blobs_that_is_not_made_durable_is_noticed() {
    let bytes = content(4, 4096);
    let digest = Digest::sha256(&bytes);
    let lost = |mutate: &dyn Fn(&SimDisk)| {
        let simulation = Simulation::new(32);
        let disk = simulation.disk();
        mutate(&disk);
        simulation.block_on(async {
            let store = open_store(simulation.runtime()).await;
            push(&*store, &bytes, &digest).await.unwrap();
        });
        simulation.power_cycle(0);
        disk.stat(&layout().blob(&digest)).is_err()
    };
    assert!(!lost(&|_| ()));
    for directory in ["/data", "/data/store", "/data/store/blobs", "/data/store/blobs/sha256"] {
        assert!(
            lost(&|disk| disk.ignore_syncs_matching(move |path| path == Path::new(directory))),
            "{directory}"
        );
    }
}

/// Blobs of the other algorithms lie in directories that are made when they are first needed.
#[test]
fn a_blob_of_every_algorithm_survives_a_power_cut() {
    use dockless_oci::digest::Algorithm;
    for algorithm in Algorithm::ALL {
        let bytes = content(5, 300_000);
        let digest = Digest::of(algorithm, &bytes);
        let simulation = Simulation::new(33);
        simulation.block_on(async {
            let store = open_store(simulation.runtime()).await;
            push(&*store, &bytes, &digest).await.unwrap();
        });
        simulation.power_cycle(0);
        let (simulation, store) = restarted(&simulation.disk());
        simulation.block_on(check_blob(&*store, &digest, &bytes));
    }
}
