//! Blobs that are taken out again.

use super::*;

#[test]
fn a_removed_blob_is_gone_with_all_that_was_derived_and_its_readers_go_on() {
    let simulation = Simulation::new(61);
    let disk = simulation.disk();
    simulation.block_on(async {
        let store = open(simulation.runtime(), WIDE).await;
        let (large, small) = (content(1, 700_000), content(2, 10));
        let (large_digest, small_digest) = (Digest::sha256(&large), Digest::sha256(&small));
        push(&*store, &large, &large_digest).await.unwrap();
        push(&*store, &small, &small_digest).await.unwrap();
        let mut listed = store.blobs().await.unwrap();
        listed.sort_by_key(|(_, stat)| stat.size);
        let expected = [(small_digest.clone(), 10), (large_digest.clone(), 700_000)];
        assert_eq!(
            listed.into_iter().map(|(digest, stat)| (digest, stat.size)).collect::<Vec<_>>(),
            expected
        );

        let blob = store.open(&large_digest).await.unwrap().unwrap();
        store.remove(&large_digest).await.unwrap();
        store.remove(&large_digest).await.unwrap();
        assert!(store.open(&large_digest).await.unwrap().is_none());
        assert!(disk.stat(&layout().chain(&large_digest)).is_err());
        assert_eq!(blob.read(300_000, 5).await.unwrap(), large.slice(300_000..300_005));
        assert_eq!(store.blobs().await.unwrap().len(), 1);
        check_blob(&*store, &small_digest, &small).await;

        push(&*store, &large, &large_digest).await.unwrap();
        check_blob(&*store, &large_digest, &large).await;
    });
}
