//! Many clients, sources that lie, stall and die at random: no wrong byte gets out, nothing is left half done, one
//! thing is asked of a source once at a time, and every request ends.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dockless_oci::{Digest, Reference};
use dockless_runtime::simulation::{Random, Simulation};
use dockless_runtime::{Runtime, timeout};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::fixture::{check_nothing_is_left, layer, offers};
use crate::conformance::{Bring, Lie, LyingSource, MemorySource, Offer, PrivateSource};
use crate::tests::fixture::{Machine, asked};
use crate::{Asked, BlobBody, Caller, Error, Principal, PutRequest, Registry, Settings, Source};

/// Two stalls and two silences for each of three sources, and what they take when they answer.
const REQUEST_MAX: Duration = Duration::from_secs(3 * 2 * (20 + 30) + 60);

/// A put may ask for two generations of references, four at a time.
const PUT_MAX: Duration = Duration::from_secs(3 * 300);

const CLIENTS: usize = 12;
const STEPS: usize = 6;

/// What one source does, for as long as the world is at war.
struct Temper {
    lies: Vec<Lie>,
    random: Random,
}

/// A registry, its sources, and what is true.
struct World {
    machine: Machine,
    memories: Vec<Arc<MemorySource>>,
    tempers: Vec<Arc<Mutex<Temper>>>,
    refusing: bool,
}

/// What the private sources have besides, and nobody ever pushes.
fn vault() -> Offer {
    static VAULT: LazyLock<Offer> = LazyLock::new(|| Offer::new("vault").image("1", &[layer(9, 100_000)]));
    VAULT.clone()
}

fn owner() -> Principal {
    Principal::User("owner".into())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let simulation = Simulation::new(seed);
        let runtime = simulation.runtime();
        let (mut memories, mut tempers) = (Vec::new(), Vec::new());
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        let mut refusing = false;
        for number in 0..=random.below(3) {
            let bring = *random.pick(&[Bring::InPlace, Bring::Foreign, Bring::ForeignWithoutSize]);
            let private = random.one_in(4);
            let mut offered = offers();
            offered.extend(private.then(vault));
            let absence = Duration::from_secs(*random.pick(&[0, 0, 30]));
            let label = format!("source {number}");
            let memory = MemorySource::with_absence(runtime.clone(), &label, bring, offered, absence);
            memory.slow_down(Duration::from_millis(*random.pick(&[0, 5, 300, 3_000])));
            let lies: Vec<Lie> = (0..random.below(4)).map(|_| *random.pick(&Lie::ALL)).collect();
            refusing |= lies.contains(&Lie::Denied) || private;
            let lies = lies.into_iter().chain([Lie::None]).collect();
            let temper = Arc::new(Mutex::new(Temper { lies, random: Random::new(seed + number as u64) }));
            let source = LyingSource::new(memory.clone(), runtime.clone(), {
                let temper = temper.clone();
                move || {
                    let Temper { lies, random } = &mut *temper.lock().unwrap();
                    *random.pick(lies)
                }
            });
            sources.push(if private { PrivateSource::new(source, owner(), true) } else { source });
            memories.push(memory);
            tempers.push(temper);
        }
        let machine = if seed.is_multiple_of(4) {
            Machine::durable_with_sources(simulation, Settings::default(), sources)
        } else {
            Machine::with_sources(simulation, Settings::default(), sources)
        };
        Self { machine, memories, tempers, refusing }
    }

    /// Lets all clients do what they do, in an order that the seed decides.
    fn run_clients(&self, seed: u64) {
        let runtime = self.machine.simulation.runtime();
        let clients = (0..CLIENTS).map(|number| {
            let client = Client {
                registry: self.machine.registry.clone(),
                runtime: runtime.clone(),
                random: Random::new(seed.wrapping_mul(1_000) + number as u64),
                principal: if number % 3 == 0 { owner() } else { Principal::Anonymous },
            };
            let (done, end) = oneshot::channel();
            runtime.spawn("client", async move {
                client.run().await;
                let _ = done.send(());
            });
            end
        });
        let ends = self.machine.run(join_all(clients.collect::<Vec<_>>()));
        assert!(ends.into_iter().all(|end| end.is_ok()), "seed {seed}");
    }

    /// What the store and the ledger have is right and whole.
    fn check_rest(&self, seed: u64) {
        check_nothing_is_left(&self.machine);
        let view = self.machine.registry.snapshot().unwrap();
        for offer in offers().into_iter().chain([vault()]) {
            for (digest, bytes) in &offer.blobs {
                let linked = view.blob(&offer.repository, digest).unwrap();
                assert!(linked.is_none_or(|size| size == bytes.len() as u64), "seed {seed}");
                assert!(linked.is_none() || offer.repository.as_str() != "vault", "seed {seed}: published");
                let file = self.machine.run(self.machine.registry.inner.blobs.open(digest)).unwrap();
                assert!(linked.is_none() || file.is_some(), "seed {seed}: {digest} has no file");
                let Some(file) = file else { continue };
                assert_eq!(self.machine.run(read_all(&file)).as_ref(), Ok(bytes), "seed {seed}: {digest}");
            }
        }
        for memory in &self.memories {
            assert_eq!(memory.under_way(), 0, "seed {seed}: an asking goes on for nobody");
            // Whether it exists, its bytes, and a copy for a push are three things to ask.
            assert!(self.refusing || memory.at_once_max() <= 3, "seed {seed}: {}", memory.at_once_max());
        }
    }

    /// Once everybody tells the truth again, everything can be had.
    fn check_peace(&self, seed: u64) {
        for temper in &self.tempers {
            temper.lock().unwrap().lies = vec![Lie::None];
        }
        self.machine.simulation.run_for(Duration::from_secs(60));
        for offer in offers() {
            let asked = Asked { principal: owner(), ..asked(offer.repository.as_str()) };
            for manifest in offer.manifests.values() {
                let reference = Reference::Digest(manifest.digest.clone());
                let pulled = self.machine.run(self.machine.registry.manifest(&asked, &reference));
                assert_eq!(
                    pulled.map(|manifest| manifest.bytes).as_ref(),
                    Ok(&manifest.bytes),
                    "seed {seed}"
                );
            }
            for (digest, bytes) in &offer.blobs {
                let pulled =
                    self.machine.run(super::fixture::get_blob(&self.machine.registry, &asked, digest));
                assert_eq!(pulled.as_ref(), Ok(bytes), "seed {seed}");
            }
        }
    }
}

async fn read_all(blob: &dockless_store::Blob) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < blob.size {
        bytes.extend_from_slice(&blob.read(bytes.len() as u64, usize::MAX).await?);
    }
    Ok(bytes.into())
}

struct Client {
    registry: Registry,
    runtime: Runtime,
    random: Random,
    principal: Principal,
}

impl Client {
    async fn run(mut self) {
        for _ in 0..STEPS {
            if self.random.one_in(2) {
                self.runtime.clock.sleep(Duration::from_millis(self.random.below(40_000) as u64)).await;
            }
            let all = [offers(), vec![vault()]].concat();
            let offer = self.random.pick(&all).clone();
            let impatient = self.random.one_in(4);
            let patience = Duration::from_millis(self.random.below(5_000) as u64);
            let is_put = self.random.one_in(6) && offer.repository.as_str() != "vault";
            let limit = if is_put { PUT_MAX } else { REQUEST_MAX };
            let clock = self.runtime.clock.clone();
            let step = async { if is_put { self.put(&offer).await } else { self.get(&offer).await } };
            let ended = timeout(&*clock, if impatient { patience } else { limit }, step).await;
            assert!(impatient || ended.is_ok(), "a request ends within {limit:?}");
        }
    }

    fn asked(&self, offer: &Offer) -> Asked {
        Asked { principal: self.principal.clone(), ..asked(offer.repository.as_str()) }
    }

    async fn get(&mut self, offer: &Offer) {
        let asked = self.asked(offer);
        let manifests: Vec<_> = offer.manifests.values().collect();
        let blobs: Vec<_> = offer.blobs.iter().collect();
        let (tag, tagged) = offer.tags.iter().nth(self.random.below(offer.tags.len())).unwrap();
        match self.random.below(7) {
            0 | 1 => {
                let pulled = self.registry.manifest(&asked, &Reference::Tag(tag.clone())).await;
                self.check(offer, pulled.map(|manifest| manifest.bytes), &offer.manifests[tagged].bytes);
            }
            2 => {
                let manifest = *self.random.pick(&manifests);
                let reference = Reference::Digest(manifest.digest.clone());
                let pulled = self.registry.manifest(&asked, &reference).await;
                self.check(offer, pulled.map(|manifest| manifest.bytes), &manifest.bytes);
            }
            3 | 4 => {
                let (digest, bytes) = *self.random.pick(&blobs);
                self.get_blob(offer, &asked, digest, bytes).await;
            }
            5 => {
                let (digest, _) = *self.random.pick(&blobs);
                // A stated size may be a lie, which shows when the blob is asked for.
                self.check_error(self.registry.blob_size(&asked, digest).await.err());
            }
            _ => {
                let tags = self.registry.tags(&asked, None, None).await;
                let tags = tags.map(|page| page.items).unwrap_or_default();
                assert!(tags.iter().all(|tag| offer.tags.contains_key(tag) || tag.as_str() == "mine"));
                self.registry.catalog(&Caller::anonymous(), None, None).await.unwrap();
            }
        }
    }

    async fn get_blob(&self, offer: &Offer, asked: &Asked, digest: &Digest, bytes: &Bytes) {
        let content = match self.registry.blob(asked, digest).await {
            Ok(content) => content,
            Err(error) => return self.check_error(Some(error)),
        };
        let blob = match content.body {
            BlobBody::Cached(cached) => return self.check(offer, Ok(cached), bytes),
            BlobBody::File(blob) => blob,
        };
        let mut received = 0;
        while received < bytes.len() {
            match blob.read(received as u64, 50_000).await {
                Ok(part) => {
                    let expected = bytes.slice(received..received + part.len());
                    self.check(offer, Ok(part), &expected);
                    received += expected.len();
                }
                // The connection is cut.
                Err(_) => return,
            }
        }
        assert_eq!(blob.size, bytes.len() as u64);
    }

    async fn put(&mut self, offer: &Offer) {
        let manifests: Vec<_> = offer.manifests.values().collect();
        let manifest = (*self.random.pick(&manifests)).clone();
        let request = PutRequest {
            reference: Reference::parse("mine").unwrap(),
            tags: Vec::new(),
            content_type: None,
            bytes: manifest.bytes,
            if_match: None,
        };
        self.check_error(self.registry.put_manifest(&self.asked(offer), request).await.err());
    }

    fn check(&self, offer: &Offer, pulled: Result<Bytes, Error>, expected: &Bytes) {
        match pulled {
            Ok(bytes) => {
                assert!(bytes == *expected, "{} wrong bytes got out", offer.repository);
                assert!(
                    offer.repository.as_str() != "vault" || self.principal == owner(),
                    "private bytes got out"
                );
            }
            Err(error) => self.check_error(Some(error)),
        }
    }

    fn check_error(&self, error: Option<Error>) {
        use Error::{BlobUnknown, Denied, ManifestUnknown, Unavailable};
        let expected = [None, Some(ManifestUnknown), Some(BlobUnknown)].contains(&error);
        assert!(expected || matches!(error, Some(Unavailable(_) | Denied(_))), "{error:?}");
    }
}

#[test]
fn whatever_sources_do_no_wrong_byte_gets_out_and_nothing_is_left() {
    for seed in 0..200 {
        let world = World::new(seed);
        world.run_clients(seed);
        world.check_rest(seed);
        world.check_peace(seed);
        check_nothing_is_left(&world.machine);
    }
}
