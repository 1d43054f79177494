//! Blobs in place: whatever the file becomes, no byte leaves that does not belong to its digest.
#![expect(clippy::disallowed_methods, reason = "somebody else changes the files")]

use std::os::unix::fs::FileExt as _;

use dockless_store::StoreError;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::super::opened::HASH_FIRST_BYTES_MAX;
use super::*;

/// A directory with one blob that is hashed on its way.
struct Place {
    directory: TempDir,
    files: Arc<Files>,
    bytes: Vec<u8>,
    digest: Digest,
}

const STEP: usize = 256 << 10;

impl Place {
    fn new() -> Self {
        let bytes: Vec<u8> = (0..HASH_FIRST_BYTES_MAX + 1_000_003).map(|at| (at % 253) as u8).collect();
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            files: Arc::default(),
            digest: Digest::sha256(&bytes),
            bytes,
        };
        std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
        std::fs::write(place.path(), &place.bytes).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("blobs/sha256").join(self.digest.hex())
    }

    fn write_at(&self, at: usize, bytes: &[u8]) {
        let file = std::fs::OpenOptions::new().write(true).open(self.path()).unwrap();
        file.write_at(bytes, at as u64).unwrap();
    }

    async fn blob(&self) -> Blob {
        let roots = vec![self.directory.path().to_owned()];
        let directory = Directory::open(Runtime::real(), self.files.clone(), roots).await.unwrap();
        directory.open(&self.digest).await.unwrap().unwrap()
    }

    fn is_genuine(&self) -> bool {
        self.files.genuine.get(&self.digest).is_some()
    }

    fn damaged(&self) -> StoreError {
        StoreError::Damaged(self.digest.clone())
    }
}

/// Reads in order; what was given before the error, if there is one.
async fn read(blob: &Blob) -> (Vec<u8>, Option<StoreError>) {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < blob.size {
        match blob.read(bytes.len() as u64, usize::MAX).await {
            Ok(read) => bytes.extend_from_slice(&read),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

#[tokio::test]
async fn a_large_blob_is_hashed_on_its_way_and_known_afterwards() {
    let place = Place::new();
    let blob = place.blob().await;
    assert!(blob.try_read(0, 1).is_none(), "nothing is known");
    let first = blob.read(0, usize::MAX).await.unwrap();
    assert_eq!(first, place.bytes[..STEP]);
    assert!(!place.is_genuine());
    assert_eq!(read(&blob).await, (place.bytes.clone(), None));
    assert!(place.is_genuine());
    let again = place.blob().await;
    assert_eq!(again.read(5_000_000, 9).await.unwrap(), place.bytes[5_000_000..5_000_009]);
}

#[tokio::test]
async fn who_reads_elsewhere_than_in_order_waits_for_the_whole() {
    let place = Place::new();
    let blob = place.blob().await;
    assert_eq!(blob.read(1, 9).await.unwrap(), place.bytes[1..10]);
    assert!(place.is_genuine());
    place.write_at(place.bytes.len() - 1, b"x");
    assert_eq!(place.blob().await.read(1, 9).await, Err(place.damaged()));
}

#[tokio::test]
async fn a_damaged_blob_is_never_given_to_its_end() {
    for at in [0, 4_000_000, Place::new().bytes.len() - 1] {
        let place = Place::new();
        place.write_at(at, b"\xff");
        let blob = place.blob().await;
        let (given, error) = read(&blob).await;
        assert_eq!(error, Some(place.damaged()));
        assert!(given.len() < place.bytes.len());
        assert_eq!(place.blob().await.read(0, 1).await, Err(place.damaged()), "known as long as it is there");
        place.write_at(at, &place.bytes[at..=at]);
        assert_eq!(read(&place.blob().await).await, (place.bytes.clone(), None), "mended");
    }
}

#[tokio::test]
async fn readers_share_one_hash() {
    let place = Place::new();
    let blob = place.blob().await;
    let readers = join_all((0..5).map(|_| place.blob())).await;
    let reads = join_all(readers.iter().map(read)).await;
    assert!(reads.iter().all(|(bytes, error)| *bytes == place.bytes && error.is_none()));
    assert_eq!(place.files.open.lock().unwrap().len(), 1);
    drop((blob, readers));
    assert_eq!(place.files.open.lock().unwrap()[&place.digest].strong_count(), 0);
}

#[tokio::test]
async fn a_blob_that_was_found_right_stays_readable_when_its_name_goes() {
    let place = Place::new();
    let blob = place.blob().await;
    assert!(read(&blob).await.1.is_none());
    std::fs::remove_file(place.path()).unwrap();
    assert_eq!(read(&blob).await, (place.bytes.clone(), None));
}

#[tokio::test]
async fn what_changes_under_a_reader_is_noticed() {
    // Given bytes of before, and then of after, would make a whole that nobody has hashed.
    let place = Place::new();
    let blob = place.blob().await;
    assert!(blob.read(0, usize::MAX).await.is_ok());
    place.write_at(0, &place.bytes[..1]);
    assert!(matches!(blob.read(STEP as u64, usize::MAX).await, Err(StoreError::Io(_))));
    assert_eq!(read(&place.blob().await).await, (place.bytes.clone(), None));
    // What was right before, and is not now.
    let blob = place.blob().await;
    place.write_at(7_000_000, b"\xff");
    assert_eq!(read(&blob).await.1, Some(place.damaged()));
    // Cut.
    let place = Place::new();
    let blob = place.blob().await;
    assert!(blob.read(0, usize::MAX).await.is_ok());
    std::fs::OpenOptions::new().write(true).open(place.path()).unwrap().set_len(1_000_000).unwrap();
    assert_eq!(read(&blob).await.1, Some(place.damaged()));
}

#[tokio::test]
async fn what_lies_in_memory_is_not_joined_to_what_was_another_file() {
    // The wrong beginning goes out, the file is mended, and another one finds it right.
    let place = Place::new();
    place.write_at(0, b"\xff");
    let (blob, other) = (place.blob().await, place.blob().await);
    assert_eq!(blob.read(0, usize::MAX).await.unwrap()[0], 0xff);
    place.write_at(0, &place.bytes[..1]);
    assert_eq!(read(&other).await, (place.bytes.clone(), None));
    assert!(place.is_genuine());
    let rest = blob.try_read(STEP as u64, usize::MAX);
    assert!(matches!(rest, None | Some(Err(StoreError::Io(_)))), "{rest:?}");
    assert!(matches!(blob.read(STEP as u64, usize::MAX).await, Err(StoreError::Io(_))));
}

#[tokio::test]
async fn a_file_that_changes_without_an_end_is_given_up() {
    let place = Place::new();
    let blob = place.blob().await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (stopped, path, first) = (stop.clone(), place.path(), place.bytes[0]);
    let runtime = Runtime::real();
    let changing = runtime.blocking("change a file", move || {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            file.write_at(&[first], 0).unwrap();
        }
    });
    let reading = async {
        let read = dockless_runtime::timeout(&*runtime.clock, LOOK_TIME_MAX, blob.read(1, 1)).await;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        read
    };
    let (read, changed) = futures_util::future::join(reading, changing).await;
    changed.unwrap();
    match read.expect("it is given up before its time is over") {
        Err(StoreError::Io(why)) => assert!(why.contains("changes"), "{why}"),
        // The machine may leave the one who changes it waiting for as long as all of it is hashed.
        read => assert_eq!(read.unwrap()[..], place.bytes[1..2]),
    }
}

#[tokio::test]
async fn who_reads_in_order_lends_that_to_nobody() {
    let place = Place::new();
    place.write_at(place.bytes.len() - 1, b"\xff");
    let (first, second) = (place.blob().await, place.blob().await);
    let mut at = 0;
    while at < 5_000_000 {
        at += first.read(at, usize::MAX).await.unwrap().len() as u64;
    }
    assert_eq!(second.read(4_000_000, 9).await, Err(place.damaged()));
}

#[tokio::test]
async fn a_pipe_or_a_link_in_place_of_a_blob_is_damage() {
    let place = Place::new();
    let roots = vec![place.directory.path().to_owned()];
    let directory = Directory::open(Runtime::real(), Arc::default(), roots).await.unwrap();
    let moved = place.directory.path().join("moved");
    std::fs::rename(place.path(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, place.path()).unwrap();
    assert!(matches!(directory.open(&place.digest).await, Err(SourceError::Damaged(_))));
    std::fs::remove_file(place.path()).unwrap();
    std::os::unix::fs::symlink(place.path(), place.path()).unwrap();
    assert!(matches!(directory.open(&place.digest).await, Err(SourceError::Damaged(_))), "without an end");
    std::fs::remove_file(place.path()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place.path()).status().unwrap().success());
    let opens = join_all((0..600).map(|_| directory.open(&place.digest)));
    let opens = dockless_runtime::timeout(&*Runtime::real().clock, LOOK_TIME_MAX, opens).await;
    let is_damaged = |open: &Result<Option<Blob>, _>| matches!(open, Err(SourceError::Damaged(_)));
    assert!(opens.unwrap().iter().all(is_damaged));
    assert!(matches!(directory.size(&place.digest).await, Err(SourceError::Damaged(_))));
}

#[test]
fn a_file_that_the_disk_does_not_give_says_nothing_about_others() {
    let place = EngineFile::root(Path::new("/blobs"));
    // Numbers of Linux: EIO, ENFILE, EUCLEAN.
    for number in [5, 23, 117] {
        let said = of_look(&place, &io::Error::from_raw_os_error(number));
        assert!(
            matches!(&said, SourceError::Refused(why) if why.starts_with("/blobs")),
            "{number}: {said:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let place = Place::new();
    let nowhere = place.directory.path().join("nowhere");
    let told = Directory::open(Runtime::real(), Arc::default(), vec![nowhere]).await.err().unwrap();
    assert!(told.contains("/nowhere: "), "{told}");
    let roots = vec![place.directory.path().to_owned()];
    let directory = Directory::open(Runtime::real(), Arc::default(), roots).await.unwrap();
    let unknown = Digest::sha256(b"unknown");
    assert_eq!(directory.size(&unknown).await, Ok(None));
    assert!(directory.open(&unknown).await.unwrap().is_none());
    assert_eq!(directory.size(&place.digest).await, Ok(Some(place.bytes.len() as u64)));
}
