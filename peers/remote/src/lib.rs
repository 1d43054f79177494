//! Other places that hold images, as sources of the registry: the container engines of the machine.

mod engine;
mod layer;

pub use engine::{Engine, EngineAddress, EngineAddressError, EngineMetrics, EngineSettings, Share};
