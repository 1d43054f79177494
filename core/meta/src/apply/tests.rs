//! Random commands against a tiny model, on both kinds of tables; what the journal and a snapshot bring back.

mod model;

use std::path::Path;
use std::sync::Arc;

use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};
use dockless_runtime::Disk;
use dockless_runtime::simulation::SimDisk;
use model::Model;
use proptest::prelude::*;

use super::apply_batch;
use crate::command::{Command, Entry, PutManifest, TagCondition};
use crate::conformance::sample::{self, digest, repository, tag};
use crate::event::Applied;
use crate::record;
use crate::rows::meta;
use crate::snapshot;
use crate::tables::memory::MemoryTables;
use crate::tables::redb::RedbTables;
use crate::tables::{RANGE_ROWS_MAX, Row, Table, TableWrite, Tables};
use crate::view::View;

/// Few of each, so that commands meet.
pub(super) const REPOSITORIES: [&str; 3] = ["a", "a-b", "a/b"];
pub(super) const TAGS: [&str; 3] = ["v1", "v1.0", "v2"];
pub(super) const MANIFESTS: [&str; 4] = ["m0", "m1-longer", "m2", "m3"];
pub(super) const BLOBS: [&str; 3] = ["x", "y", "z"];

fn one_of(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(names)
}

fn reference() -> impl Strategy<Value = ReferenceFact> {
    let blob = (one_of(&BLOBS), 10..12_u64, prop::bool::weighted(0.2)).prop_map(|(name, size, foreign)| {
        ReferenceFact { digest: digest(name), kind: ReferenceKind::Blob, size, foreign }
    });
    let manifest = one_of(&MANIFESTS).prop_map(|name| ReferenceFact {
        digest: digest(name),
        kind: ReferenceKind::Manifest,
        size: 2,
        foreign: false,
    });
    prop_oneof![3 => blob, 1 => manifest]
}

fn put() -> impl Strategy<Value = Command> {
    let facts = (
        prop::collection::vec(reference(), 0..3),
        prop::option::weighted(0.3, one_of(&MANIFESTS)),
        any::<bool>(),
    );
    let condition = prop_oneof![
        6 => Just(None),
        1 => Just(Some(TagCondition::Absent)),
        1 => Just(Some(TagCondition::Exists)),
        1 => prop::collection::vec(one_of(&MANIFESTS), 0..3)
            .prop_map(|names| Some(TagCondition::MatchOneOf(names.into_iter().map(digest).collect()))),
    ];
    let tags = prop::collection::vec(one_of(&TAGS), 0..3);
    let media_type = prop::sample::select(vec!["m/a", "m/b"]);
    let place = (one_of(&REPOSITORIES), one_of(&MANIFESTS));
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (place, facts, tags, condition, media_type, flags).prop_map(
        |((name, bytes), (references, subject, annotated), tags, only_if, media_type, flags)| {
            let (immutable_tags, require_references) = flags;
            let annotations = annotated.then(|| ("k".to_owned(), "v".to_owned()));
            let facts = ManifestFacts {
                references,
                subject: subject.map(digest),
                artifact_type: annotated.then(|| "t/t".to_owned()),
                annotations: annotations.into_iter().collect(),
            };
            Command::PutManifest(PutManifest {
                media_type: media_type.to_owned(),
                facts,
                tags: tags.into_iter().map(tag).collect(),
                only_if,
                immutable_tags,
                require_references,
                ..sample::manifest(name, bytes)
            })
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let repo = || one_of(&REPOSITORIES);
    prop_oneof![
        6 => put(),
        2 => (repo(), one_of(&TAGS), one_of(&MANIFESTS), prop::bool::weighted(0.2)).prop_map(
            |(name, tag_name, bytes, immutable)| Command::SetTag {
                repository: repository(name),
                tag: tag(tag_name),
                digest: digest(bytes),
                immutable,
            }
        ),
        2 => (repo(), one_of(&TAGS)).prop_map(|(name, tag)| sample::delete_tag(name, tag)),
        3 => (repo(), one_of(&MANIFESTS)).prop_map(|(name, bytes)| sample::delete(name, bytes)),
        1 => one_of(&BLOBS).prop_map(|name| Command::ExpectBlob { digest: digest(name) }),
        1 => one_of(&BLOBS).prop_map(|name| Command::ForgetBlob { digest: digest(name) }),
        3 => (repo(), one_of(&BLOBS), 10..12_u64).prop_map(|(name, blob, size)| Command::LinkBlob {
            repository: repository(name),
            digest: digest(blob),
            size,
        }),
        2 => (repo(), repo(), one_of(&BLOBS)).prop_map(|(from, to, blob)| sample::mount(from, to, blob)),
        3 => (repo(), one_of(&BLOBS)).prop_map(|(name, blob)| sample::unlink(name, blob)),
    ]
}

fn entries(commands: Vec<Command>) -> Vec<Entry> {
    let numbered = (1..).zip(commands);
    numbered.map(|(index, command)| Entry { index, time_ms: 1_000 + index, command }).collect()
}

fn run(tables: &dyn Tables, entries: &[Entry]) -> Vec<Applied> {
    let mut applied = Vec::new();
    tables
        .write(&mut |tables| {
            applied = apply_batch(tables, entries)?;
            Ok(())
        })
        .unwrap();
    applied
}

fn view(tables: &dyn Tables) -> View {
    View::new(tables.read().unwrap()).unwrap()
}

fn redb() -> (Arc<SimDisk>, RedbTables) {
    let disk = SimDisk::new();
    let tables = RedbTables::open(&*disk, Path::new("/tables.redb"), 4 << 20).unwrap();
    (disk, tables)
}

/// Every row of every table.
fn dump(tables: &dyn Tables) -> Vec<(Table, Vec<Row>)> {
    let read = tables.read().unwrap();
    Table::ALL.map(|table| (table, read.range(table, b"", None, RANGE_ROWS_MAX).unwrap())).into()
}

/// As [`dump`], without what a snapshot leaves out.
fn dump_of_truth(tables: &dyn Tables) -> Vec<(Table, Vec<Row>)> {
    let mut dump = dump(tables);
    dump.retain(|(table, _)| *table != Table::Events);
    for (_, rows) in &mut dump {
        rows.retain(|row| row.key != meta::EVENTS_FROM && row.key != meta::FORMAT);
    }
    dump
}

#[test]
fn a_damaged_manifest_is_mended_by_pushing_it_anywhere() {
    let tables = MemoryTables::new();
    run(&tables, &entries(vec![sample::put("a", "one", &[]), sample::put("b", "two", &[])]));
    let contents = |tables: &dyn Tables| tables.read().unwrap().range(Table::Contents, b"", None, 9).unwrap();
    let whole = contents(&tables);
    for name in ["a", "b"] {
        let damage = |tables: &mut dyn TableWrite| tables.put(Table::Contents, &whole[0].key, b"damaged");
        tables.write(&mut |tables| damage(tables)).unwrap();
        assert_ne!(contents(&tables), whole);
        let again = ["one", "two"].map(|bytes| sample::put(name, bytes, &[]));
        run(&tables, &entries(again.into()));
        assert_eq!(contents(&tables), whole, "pushed to {name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Outcome by outcome, and then every answer of a view.
    #[test]
    fn commands_do_what_the_model_does(commands in prop::collection::vec(command(), 1..60)) {
        let tables = MemoryTables::new();
        let mut model = Model::default();
        for entry in entries(commands) {
            let applied = run(&tables, std::slice::from_ref(&entry));
            let expected = model.apply(entry.time_ms, &entry.command);
            prop_assert_eq!(&applied[0].outcome, &expected, "{:?}", entry.command);
        }
        model.check(&view(&tables));
    }

    /// A refused command leaves every row but the applied number as it was.
    #[test]
    fn a_refused_command_writes_nothing(commands in prop::collection::vec(command(), 1..40)) {
        let tables = MemoryTables::new();
        for entry in entries(commands) {
            let before = dump_of_truth(&tables);
            let applied = run(&tables, std::slice::from_ref(&entry));
            if applied[0].outcome.is_err() {
                let mut after = dump_of_truth(&tables);
                let meta_before = &before.iter().find(|(table, _)| *table == Table::Meta).unwrap().1;
                for (table, rows) in &mut after {
                    if *table == Table::Meta {
                        rows.clone_from(meta_before);
                    }
                }
                prop_assert_eq!(after, before);
            }
        }
    }

    /// Both kinds of tables hold the same bytes, however the commands are batched and whether they come from the
    /// caller or out of their records.
    #[test]
    fn replay_equals_the_live_state(commands in prop::collection::vec(command(), 1..60), batch in 1..20_usize) {
        let live = MemoryTables::new();
        let entries = entries(commands);
        let mut answers = Vec::new();
        for entry in &entries {
            answers.extend(run(&live, std::slice::from_ref(entry)));
        }
        let (_disk, replayed) = redb();
        let mut again = Vec::new();
        for batch in entries.chunks(batch) {
            let read: Vec<_> = batch
                .iter()
                .map(|entry| record::decode(entry.index, &record::encode(entry.time_ms, &entry.command)).unwrap())
                .collect();
            prop_assert_eq!(&read, batch);
            again.extend(run(&replayed, &read));
        }
        prop_assert_eq!(again, answers);
        prop_assert_eq!(dump(&replayed), dump(&live));
    }

    /// A snapshot brings back every row but the events.
    #[test]
    fn a_snapshot_equals_the_live_state(commands in prop::collection::vec(command(), 1..60)) {
        let live = MemoryTables::new();
        let entries = entries(commands);
        run(&live, &entries);
        let disk: Arc<dyn Disk> = SimDisk::new();
        let index = entries.len() as u64;
        snapshot::write(&disk, Path::new("/snapshots"), 5, &view(&live)).unwrap();
        let restored = MemoryTables::new();
        snapshot::load(&disk, Path::new("/snapshots"), index, &restored).unwrap();
        prop_assert_eq!(dump_of_truth(&restored), dump_of_truth(&live));
        prop_assert_eq!(view(&restored).index(), index);
    }

    /// When everything is deleted, nothing is left but the doomed and the totals.
    #[test]
    fn what_is_deleted_leaves_no_row(commands in prop::collection::vec(command(), 1..60)) {
        let tables = MemoryTables::new();
        let mut all = commands;
        for name in REPOSITORIES {
            all.extend(MANIFESTS.map(|bytes| sample::delete(name, bytes)));
            all.extend(BLOBS.map(|blob| sample::unlink(name, blob)));
        }
        all.extend(BLOBS.map(|name| Command::ForgetBlob { digest: digest(name) }));
        run(&tables, &entries(all));
        for (table, rows) in dump(&tables) {
            prop_assert!(rows.is_empty() || matches!(table, Table::Meta | Table::Events), "{:?}: {:?}", table, rows);
        }
        prop_assert_eq!(view(&tables).totals().unwrap(), crate::answer::Totals::default());
    }
}
