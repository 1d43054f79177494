//! Logs: lines on standard error, as text or JSON, at a level that can change while the node runs.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};

use crate::config::settings::{Log, LogFormat, LogLevel};

/// The target of the lines that tell of requests.
const ACCESS: &str = "access";

/// Changes what is logged.
pub(crate) struct LogHandle(reload::Handle<Targets, Registry>);

impl LogHandle {
    /// Logs as `settings` say from now on; the form of the lines stays.
    pub(crate) fn set(&self, settings: &Log) {
        // Fails only when the subscriber is gone, and then there is nothing to change.
        let _ = self.0.reload(filter(settings));
    }
}

/// Starts to log. A second start in one process (in tests) keeps the first.
pub(crate) fn start(settings: &Log) -> LogHandle {
    let (filter, handle) = reload::Layer::new(filter(settings));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let _ = match settings.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init(),
        LogFormat::Text => registry.with(lines).try_init(),
    };
    LogHandle(handle)
}

/// Which lines pass.
fn filter(settings: &Log) -> Targets {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let targets = Targets::new().with_default(level);
    if settings.access { targets } else { targets.with_target(ACCESS, LevelFilter::OFF) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn request_lines_can_be_left_out() {
        let mut settings = Log::default();
        assert!(filter(&settings).would_enable(ACCESS, &Level::INFO));
        settings.access = false;
        assert!(!filter(&settings).would_enable(ACCESS, &Level::ERROR));
        assert!(filter(&settings).would_enable("dockless_api", &Level::INFO));
        settings.level = LogLevel::Warn;
        assert!(!filter(&settings).would_enable("dockless_api", &Level::INFO));
    }
}
