//! Other places that hold images, as sources of the registry: the container engines of the machine.

mod engine;
pub mod fuzz;
mod layer;

pub use engine::{
    Engine, EngineAddress, EngineAddressError, EngineMetrics, EngineSettings, Load, LoadError, LoadManifest,
    Share,
};
