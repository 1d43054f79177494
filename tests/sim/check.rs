//! The promises, checked on what a power cut, a kill or a fault left.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dockless_meta::{Ledger as _, View};
use dockless_oci::{Digest, Reference, RepositoryName};
use dockless_registry::{Asked, BlobBody, BlobContent, Caller, Error, UploadStatus};
use dockless_runtime::Disk;
use dockless_runtime::simulation::SimDisk;
use dockless_store::BlobStore as _;

use super::machine::{DATA, Machine};
use super::scenario::{Clients, Doubt, Step, blob, image};
use super::witness::{Fact, State, Witness};

/// More than any scenario makes.
const PAGE: usize = 1_000;

/// Starts a machine on `disk` and checks every promise; the machine, and what is known now.
pub(crate) fn reopen(
    disk: &Arc<SimDisk>,
    seed: u64,
    witness: &Witness,
) -> Result<(Machine, Witness), String> {
    let machine = Machine::start(disk, seed)?;
    let mut witness = witness.clone();
    promises(&machine, &mut witness)?;
    Ok((machine, witness))
}

/// As [`reopen`]; then every upload left can be finished, new work is done, and a clean stop keeps all of it.
pub(crate) fn reopen_and_go_on(disk: &Arc<SimDisk>, seed: u64, witness: &Witness) -> Result<(), String> {
    let (machine, witness) = reopen(disk, seed, witness)?;
    let mut witness = finish_uploads(&machine, witness)?;
    promises(&machine, &mut witness)?;
    let steps = [
        Step::Push { to: "later/work", blob: blob(201), requests: 1 },
        Step::Put { to: "later/work", image: image("later", &[blob(201)], &["later"]) },
        Step::Stop,
    ];
    let (witness, done) = Clients::new(&machine, witness, Doubt::Always).run(&steps);
    done.map_err(|error| format!("later work fails: {error}"))?;
    let disk = machine.killed();
    drop(machine);
    reopen(&disk, seed, &witness).map(|_| ()).map_err(|error| format!("after a clean stop: {error}"))
}

/// As [`reopen`], after someone lost the tables: they follow the journal and the snapshots and are made again.
pub(crate) fn reopen_without_tables(disk: &Arc<SimDisk>, seed: u64, witness: &Witness) -> Result<(), String> {
    match disk.remove(&Path::new(DATA).join("ledger/tables.redb")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.to_string()),
        _ => {}
    }
    reopen(disk, seed, witness).map(|_| ()).map_err(|error| format!("without its tables: {error}"))
}

/// Everything that must hold of a machine that goes on after a fault. Files that could not be removed may stay until
/// the next start.
pub(crate) fn promises_while_running(machine: &Machine, witness: &Witness) -> Result<(), String> {
    // What is in doubt stays so: the next start may find it, though it is not there now.
    promises_of_content(machine, &mut witness.clone())
}

/// Everything that must hold of a machine that has just started.
fn promises(machine: &Machine, witness: &mut Witness) -> Result<(), String> {
    promises_of_content(machine, witness)?;
    let known = machine.block_on(machine.store.uploads()).map_err(|error| error.to_string())?;
    let known: BTreeSet<String> = known.iter().map(|upload| upload.id.to_string()).collect();
    let stored = names(&machine.disk, &Path::new(DATA).join("store/uploads"));
    let leaked: Vec<_> = stored.iter().filter(|name| !known.contains(*name)).collect();
    if leaked.is_empty() { Ok(()) } else { Err(format!("nobody knows the uploads {leaked:?}")) }
}

fn promises_of_content(machine: &Machine, witness: &mut Witness) -> Result<(), String> {
    let view = machine.ledger.view().map_err(|error| format!("no view: {error}"))?;
    let found = find_facts(&view, witness).map_err(|error| format!("the ledger cannot be read: {error}"))?;
    witness.settle(&found)?;
    let counted = check_counts(&view, &found).map_err(|error| format!("the ledger cannot be read: {error}"));
    counted?.map_or(Ok(()), Err)?;
    check_referrers(&view, &found, witness)?;
    for (fact, value) in &found {
        machine.block_on(check_served(machine, fact, value, witness))?;
    }
    check_files(machine, &view)
}

/// What the ledger knows of all that was ever asked for, and of every tag besides.
fn find_facts(view: &View, witness: &Witness) -> Result<State, dockless_meta::LedgerError> {
    let mut found = State::new();
    for fact in witness.mentioned() {
        let value = match fact {
            Fact::Blob(repository, digest) => view.blob(repository, digest)?.map(|_| digest.clone()),
            Fact::Manifest(repository, digest) => {
                view.manifest_head(repository, digest)?.map(|_| digest.clone())
            }
            Fact::Tag(repository, tag) => view.tag(repository, tag)?,
        };
        found.extend(value.map(|value| (fact.clone(), value)));
    }
    for repository in view.repositories(None, PAGE)? {
        for (tag, digest) in view.tags(&repository, None, PAGE)? {
            found.insert(Fact::Tag(repository.clone(), tag), digest);
        }
    }
    Ok(found)
}

/// The totals are what can be counted, so nothing is there that no request named.
fn check_counts(view: &View, found: &State) -> Result<Option<String>, dockless_meta::LedgerError> {
    let (mut manifests, mut tags) = (0, 0);
    let (mut blobs, mut repositories) = (BTreeSet::new(), BTreeMap::<&RepositoryName, [u64; 3]>::new());
    for (fact, value) in found {
        match fact {
            Fact::Blob(repository, _) => {
                blobs.insert(value);
                repositories.entry(repository).or_default()[0] += 1;
            }
            Fact::Manifest(repository, _) => {
                manifests += 1;
                repositories.entry(repository).or_default()[1] += 1;
            }
            Fact::Tag(repository, _) => {
                tags += 1;
                repositories.entry(repository).or_default()[2] += 1;
            }
        }
    }
    let totals = view.totals()?;
    let counted = (repositories.len() as u64, blobs.len() as u64, manifests, tags);
    if (totals.repositories, totals.blobs, totals.manifests, totals.tags) != counted {
        return Ok(Some(format!("counted {counted:?}, the totals are {totals:?}")));
    }
    let doomed = view.doomed(None, PAGE)?.len() as u64;
    if totals.doomed != doomed {
        return Ok(Some(format!("{doomed} blobs are doomed, the totals are {totals:?}")));
    }
    for (repository, counted) in repositories {
        let usage = view.usage(repository)?;
        if [usage.blobs, usage.manifests, usage.tags] != counted {
            return Ok(Some(format!("counted {counted:?} in {repository}, its usage is {usage:?}")));
        }
    }
    Ok(None)
}

/// A manifest is listed as a referrer exactly while it is there.
fn check_referrers(view: &View, found: &State, witness: &Witness) -> Result<(), String> {
    for fact in witness.mentioned() {
        let Fact::Manifest(repository, digest) = fact else { continue };
        let Some(subject) = witness.subjects.get(digest) else { continue };
        let listed = view.referrers(repository, subject, None, PAGE).map_err(|error| error.to_string())?;
        let listed = listed.iter().any(|descriptor| descriptor.digest == *digest);
        if listed != found.contains_key(fact) {
            return Err(format!("{fact:?} is among the referrers: {listed}"));
        }
    }
    Ok(())
}

/// What the ledger knows is served, byte for byte.
async fn check_served(
    machine: &Machine,
    fact: &Fact,
    value: &Digest,
    witness: &Witness,
) -> Result<(), String> {
    let failed = |error: Error| format!("{fact:?} is not served: {error}");
    let bytes = match fact {
        Fact::Blob(repository, digest) => {
            match machine.registry.blob(&Asked::anonymous(repository), digest).await {
                Err(Error::BlobUnknown) if witness.damaged.contains(digest) => return Ok(()),
                content => read_all(content.map_err(failed)?).await?,
            }
        }
        Fact::Manifest(repository, digest) => {
            let reference = Reference::Digest(digest.clone());
            machine.registry.manifest(&Asked::anonymous(repository), &reference).await.map_err(failed)?.bytes
        }
        Fact::Tag(repository, tag) => {
            let manifest =
                machine.registry.manifest(&Asked::anonymous(repository), &Reference::Tag(tag.clone())).await;
            let manifest = manifest.map_err(failed)?;
            if manifest.digest != *value {
                return Err(format!("{fact:?} is served as {}", manifest.digest));
            }
            manifest.bytes
        }
    };
    if witness.contents.get(value) == Some(&bytes) {
        Ok(())
    } else {
        Err(format!("{fact:?} is served with other bytes"))
    }
}

async fn read_all(content: BlobContent) -> Result<Bytes, String> {
    let blob = match content.body {
        BlobBody::Cached(bytes) => return Ok(bytes),
        BlobBody::File(blob) => blob,
    };
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < blob.size {
        let part = blob
            .read(bytes.len() as u64, 1 << 16)
            .await
            .map_err(|error| format!("a blob breaks off: {error}"))?;
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

/// No blob file without a link or a place among the doomed.
fn check_files(machine: &Machine, view: &View) -> Result<(), String> {
    let doomed = view.doomed(None, PAGE).map_err(|error| error.to_string())?;
    let doomed: BTreeSet<Digest> = doomed.into_iter().map(|doomed| doomed.digest).collect();
    for digest in blob_files(&machine.disk) {
        let holders = view.blob_holders(&digest, None, 1).map_err(|error| error.to_string())?;
        if holders.is_empty() && !doomed.contains(&digest) {
            return Err(format!("the file of {digest} has no link and is not doomed"));
        }
    }
    Ok(())
}

fn blob_files(disk: &SimDisk) -> Vec<Digest> {
    let root = Path::new(DATA).join("store/blobs");
    let mut digests = Vec::new();
    for algorithm in names(disk, &root) {
        for shard in names(disk, &root.join(&algorithm)) {
            let files = names(disk, &root.join(&algorithm).join(shard));
            digests
                .extend(files.iter().filter_map(|hex| format!("{algorithm}:{hex}").parse::<Digest>().ok()));
        }
    }
    digests
}

/// The entries of a directory; none of one that is missing.
fn names(disk: &SimDisk, directory: &Path) -> Vec<String> {
    let entries = disk.list(directory).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect()
}

/// Every upload that is still known holds the first bytes of what was sent, and can be finished; one whose bytes
/// were lost with the power is unknown to the first who asks.
fn finish_uploads(machine: &Machine, mut witness: Witness) -> Result<Witness, String> {
    let uploads = machine.block_on(machine.store.uploads()).map_err(|error| error.to_string())?;
    for upload in uploads {
        let bytes = witness.uploading.get(&upload.repository).ok_or("an upload that nobody began")?.clone();
        let digest = Digest::sha256(&bytes);
        let fact = Fact::Blob(upload.repository.clone(), digest.clone());
        witness.contents.insert(digest.clone(), bytes.clone());
        let asked = witness.ask(vec![(fact, Some(digest.clone()))]);
        match machine.block_on(finish_upload(machine, &upload, &bytes, &digest)) {
            Ok(()) => witness.acknowledge(asked),
            Err(Error::BlobUploadUnknown) => witness.refuse(asked),
            Err(error) => {
                return Err(format!("the upload to {} cannot be finished: {error}", upload.repository));
            }
        }
    }
    Ok(witness)
}

async fn finish_upload(
    machine: &Machine,
    upload: &UploadStatus,
    bytes: &Bytes,
    digest: &Digest,
) -> Result<(), Error> {
    let (registry, caller) = (&machine.registry, Caller::anonymous());
    let mut held = upload.offset;
    let mut writer = match registry.append(&caller, &upload.repository, &upload.id, Some(held)).await {
        // What was written last was not durable.
        Err(Error::RangeInvalid { status }) if status.offset < held => {
            held = status.offset;
            registry.append(&caller, &upload.repository, &upload.id, Some(held)).await?
        }
        writer => writer?,
    };
    writer.write(bytes.slice(usize::try_from(held).unwrap()..)).await?;
    writer.close().await?;
    registry.finish(&caller, &upload.repository, &upload.id, digest).await.map(|_| ())
}
