//! The whole registry on a simulated disk that loses power, fails and fills up.
//!
//! What must hold after whatever happened: nothing acknowledged is missing, nothing served fails its digest, what
//! was not acknowledged is there as a whole or not at all, and every blob file without a link stands in `doomed`.
//! [`check`] says it in code, [`cuts`] and [`faults`] try every operation on the disk in turn, and [`mutations`]
//! shows that each sync and the order of the renames are needed: without it some cut breaks a promise.

mod check;
mod cuts;
mod faults;
mod long_upload;
mod machine;
mod mutations;
mod scenario;
mod witness;
