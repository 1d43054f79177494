//! `dockless ls`: the repositories of a node.

use clap::Args;
use serde::Serialize;

use super::NodeArgs;
use super::admin_client::{AdminClient, Repository};
use crate::failure::Failure;
use crate::output::{self, Table};

/// `dockless ls [PREFIX]`.
#[derive(Args)]
pub(crate) struct Ls {
    /// Only repositories whose name begins with this
    prefix: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    repositories: &'a [Repository],
}

impl Ls {
    /// Prints the list.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let repositories = client.repositories(self.prefix.as_deref().unwrap_or_default()).await?;
        if self.node.json {
            return output::json(&Answer { repositories: &repositories });
        }
        if repositories.is_empty() {
            output::note(
                "no repositories yet; push one, for example with `docker push 127.0.0.1:5000/you/app:1`",
            );
            return Ok(());
        }
        output::text(&table(&repositories).render())
    }
}

/// The list for people.
fn table(repositories: &[Repository]) -> Table {
    let mut table = Table::new(&["REPOSITORY", ">TAGS", ">MANIFESTS", ">BLOBS", ">SIZE"]);
    for repository in repositories {
        let Repository { name, held, usage } = repository;
        let [tags, manifests, blobs] =
            [usage.tags, usage.manifests, usage.blobs].map(|count| count.to_string());
        let row = if *held {
            vec![name.to_string(), tags, manifests, blobs, output::size(usage.bytes)]
        } else {
            vec![name.to_string(), "-".into(), "-".into(), "-".into(), "in an engine".into()]
        };
        table.row(row);
    }
    table
}
