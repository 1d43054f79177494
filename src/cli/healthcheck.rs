//! `dockless healthcheck`: an exit code that says whether the node works, for container engines and scripts.

use clap::Args;
use http::StatusCode;
use serde::Serialize;

use super::NodeArgs;
use super::admin_client::AdminClient;
use crate::failure::Failure;
use crate::output;

/// `dockless healthcheck [--ready]`.
#[derive(Args)]
#[command(after_help = "In a Dockerfile: HEALTHCHECK CMD [\"dockless\", \"healthcheck\"]")]
pub(crate) struct Healthcheck {
    /// Ask whether it can take requests, all of them, rather than whether it lives
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    node: NodeArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    healthy: bool,
    answer: String,
}

impl Healthcheck {
    /// Asks the node.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let path = if self.ready { "/readyz" } else { "/healthz" };
        let (status, answer) = client.probe(path).await?;
        let answer = answer.trim().to_owned();
        let healthy = status == StatusCode::OK;
        if self.node.json {
            output::json(&Answer { healthy, answer: answer.clone() })?;
        }
        match (healthy, self.node.json) {
            (true, true) => Ok(()),
            (true, false) => output::line(if self.ready { "ready" } else { "healthy" }),
            (false, _) => Err(Failure::failed(format!("the node answers {}: {answer}", status.as_u16()))),
        }
    }
}
