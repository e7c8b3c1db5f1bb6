//! How results are shown: tables, Go templates, JSON, ages and sizes, all in podman's form.

mod age;
mod confirm;
mod json;
mod moment;
mod size;
mod table;
mod template;

pub(crate) use age::{ago, go_moment, go_time, human_duration_since, unix_seconds};
pub(crate) use confirm::confirm;
pub(crate) use json::pretty;
pub(crate) use moment::{Span, length, moment, past};
pub(crate) use size::{binary_size, decimal_size, human_size};
pub(crate) use table::table;
pub(crate) use template::Format;
