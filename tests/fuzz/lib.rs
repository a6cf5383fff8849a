//! The fuzz targets, and what they need of the test harness.
#![allow(dead_code, reason = "the harness has more than what is needed here")]

#[path = "../harness/sign.rs"]
pub mod sign;
pub mod targets;
