//! A registry with sources: what it answers of theirs, what it takes over, and what never gets out.

mod askings;
mod fixture;
mod front;
mod in_place;
mod lists;
mod pulls;
mod pushes;
mod races;
mod refusals;
mod retags;
mod secrets;
mod transfers;
