//! How results are shown: tables, Go templates, JSON, ages and sizes, all in podman's form.

mod age;
mod json;
mod moment;
mod size;
mod table;
mod template;

pub(crate) use age::{ago, go_time, human_duration_since, unix_seconds};
pub(crate) use json::pretty;
pub(crate) use moment::{Span, moment};
pub(crate) use size::human_size;
pub(crate) use table::table;
pub(crate) use template::Format;
