//! `dockless du`: how much the repositories hold.

use clap::Args;
use serde::Serialize;

use super::NodeArgs;
use super::admin_client::{AdminClient, Repository, Totals, Usage};
use super::target::Target;
use crate::failure::Failure;
use crate::output::{self, Table};

/// `dockless du [REPOSITORY]`.
#[derive(Args)]
#[command(after_help = "\
A blob that several repositories hold counts in each of them, and once in the
total. Manifests count as well.")]
pub(crate) struct Du {
    /// Only this repository
    repository: Option<Target>,
    #[command(flatten)]
    node: NodeArgs,
}

/// What `--json` prints without a repository.
#[derive(Serialize)]
struct Answer<'a> {
    total: &'a Totals,
    repositories: &'a [Repository],
}

impl Du {
    /// Prints the usage, the largest repository first.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let repository = self.repository.as_ref().map(Target::whole).transpose()?;
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        if let Some(repository) = repository {
            let repository = client.usage(repository).await?;
            if self.node.json {
                return output::json(&repository);
            }
            return output::text(&one(&repository.usage));
        }
        let totals = client.totals().await?;
        let mut repositories = client.repositories("").await?;
        repositories.retain(|repository| repository.held);
        repositories.sort_by(|a, b| b.usage.bytes.cmp(&a.usage.bytes).then_with(|| a.name.cmp(&b.name)));
        if self.node.json {
            return output::json(&Answer { total: &totals, repositories: &repositories });
        }
        output::text(&all(&repositories, &totals))
    }
}

/// One repository for people.
fn one(usage: &Usage) -> String {
    format!(
        "{} in {}, {}, {}\n",
        output::size(usage.bytes),
        output::count(usage.blobs, "blob"),
        output::count(usage.manifests, "manifest"),
        output::count(usage.tags, "tag"),
    )
}

/// All repositories for people.
fn all(repositories: &[Repository], totals: &Totals) -> String {
    let mut table = Table::new(&[">SIZE", ">BLOBS", "REPOSITORY"]);
    for Repository { name, usage, .. } in repositories {
        table.row(vec![output::size(usage.bytes), usage.blobs.to_string(), name.to_string()]);
    }
    table.row(vec![output::size(totals.bytes), totals.blobs.to_string(), "(total, each once)".to_owned()]);
    table.render()
}
