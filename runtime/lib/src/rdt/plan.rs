//! What is decided about `linux.intelRdt` before anything is done.

use crate::plan::Invalid;
use crate::spec::LinuxIntelRdt;

/// A container's class of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdt {
    pub class: Class,
    pub l3: Option<String>,
    pub bandwidth: Option<String>,
    /// Lines, to be written after the two above.
    pub schemata: Vec<String>,
    /// A monitoring group of the container's own.
    pub monitoring: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// The root of the file system.
    Default,
    /// `closID`, which other containers may share.
    Named(String),
    /// The container's own, with its id as name.
    Own,
}

const FIELD: &str = "linux.intelRdt";

pub(crate) fn plan(rdt: &LinuxIntelRdt) -> Result<Rdt, Invalid> {
    let class = match rdt.clos_id().as_deref() {
        None | Some("") => Class::Own,
        Some("/") => Class::Default,
        Some(name) => {
            let reserved = matches!(name, "." | ".." | "info" | "mon_groups" | "mon_data");
            if reserved || name.contains(['/', '\n', '\0']) {
                return Err(Invalid::new(FIELD, format!("closID {name:?} is no name of a class")));
            }
            Class::Named(name.to_owned())
        }
    };
    let schemata = rdt.schemata().clone().unwrap_or_default();
    for line in &schemata {
        if line.contains('\n') || !line.contains(':') {
            return Err(Invalid::new(FIELD, format!("schemata: {line:?} is no line of a schemata file")));
        }
    }
    Ok(Rdt {
        class,
        l3: schema("l3CacheSchema", rdt.l3_cache_schema().as_deref())?,
        bandwidth: schema("memBwSchema", rdt.mem_bw_schema().as_deref())?,
        schemata,
        monitoring: *rdt.enable_monitoring() == Some(true),
    })
}

/// `L3:0=7f0;1=1f` or `MB:0=20;1=70`. L3CODE and L3DATA are L3's two halves where it is split.
pub(super) fn schema(field: &str, schema: Option<&str>) -> Result<Option<String>, Invalid> {
    let Some(schema) = schema.filter(|schema| !schema.is_empty()) else { return Ok(None) };
    let kinds: &[&str] = if field == "memBwSchema" { &["MB:"] } else { &["L3:", "L3CODE:", "L3DATA:"] };
    if schema.contains('\n') || !kinds.iter().any(|kind| schema.starts_with(kind)) {
        return Err(Invalid::new(FIELD, format!("{field}: {schema:?} does not start with {}", kinds[0])));
    }
    Ok(Some(schema.to_owned()))
}

impl Rdt {
    /// Whether anything is to be written to a schemata file.
    pub(super) fn has_schemata(&self) -> bool {
        self.l3.is_some() || self.bandwidth.is_some() || !self.schemata.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rdt: &str) -> Result<Rdt, Invalid> {
        plan(&serde_json::from_str(rdt).expect("valid JSON"))
    }

    #[test]
    fn classes() {
        for (rdt, class, monitoring) in [
            ("{}", Class::Own, false),
            (r#"{"closID": "/", "enableMonitoring": true}"#, Class::Default, true),
            (r#"{"closID": "gold", "enableMonitoring": false}"#, Class::Named("gold".into()), false),
        ] {
            let plan = read(rdt).expect(rdt);
            assert_eq!((plan.class, plan.monitoring), (class, monitoring), "{rdt}");
        }
    }

    #[test]
    fn refused() {
        for (rdt, part) in [
            (r#"{"closID": ".."}"#, "no name of a class"),
            (r#"{"closID": "a/b"}"#, "no name of a class"),
            (r#"{"closID": "info"}"#, "no name of a class"),
            (r#"{"memBwSchema": "L3:0=1"}"#, "does not start with MB:"),
            (r#"{"memBwSchema": "MB:0=1\nL3:0=1"}"#, "does not start with"),
            (r#"{"l3CacheSchema": "MB:0=1"}"#, "does not start with L3:"),
            (r#"{"schemata": ["L3:0=1\n"]}"#, "no line of a schemata file"),
            (r#"{"schemata": ["none"]}"#, "no line of a schemata file"),
        ] {
            let error = read(rdt).expect_err(rdt).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
