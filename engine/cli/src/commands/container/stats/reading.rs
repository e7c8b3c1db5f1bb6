//! One container's line of `stats`.

use std::time::{Duration, UNIX_EPOCH};

use ketch_engine::container::stats::{Interface, Sample};
use ketch_engine::container::top::go_duration;
use ketch_engine::state::containers::Record;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::output::{binary_size, decimal_size};

/// The fields of a template that have a heading in a table.
pub(super) const HEADING: &[(&str, &str)] = &[
    ("AVGCPU", "AVG CPU %"),
    ("AvgCPU", "AVG CPU"),
    ("BlockIO", "BLOCK IO"),
    ("BlockInput", "BLOCK INPUT"),
    ("BlockOutput", "BLOCK OUTPUT"),
    ("CPU", "CPU"),
    ("CPUNano", "CPU NANO"),
    ("CPUPerc", "CPU %"),
    ("CPUSystemNano", "CPU SYSTEM NANO"),
    ("ContainerID", "CONTAINER ID"),
    ("Duration", "DURATION"),
    ("ID", "ID"),
    ("MemLimit", "MEM LIMIT"),
    ("MemPerc", "MEM %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemUsageBytes", "MEM USAGE / LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET IO"),
    ("Network", "NETWORK"),
    ("PIDS", "PIDS"),
    ("PIDs", "PIDS"),
    ("PerCPU", "PER CPU"),
    ("SystemNano", "SYSTEM NANO"),
    ("Up", "UP"),
    ("UpTime", "CPU TIME"),
];

pub(crate) struct Reading {
    id: String,
    whole_id: String,
    name: String,
    sample: Sample,
    cpu: f64,
    average: f64,
}

/// All numbers, under the names and in the order that podman's templates have for them.
#[derive(Serialize)]
struct Raw<'a> {
    #[serde(rename = "AvgCPU")]
    average: f64,
    #[serde(rename = "ContainerID")]
    id: &'a str,
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "PerCPU")]
    per_cpu: Option<&'a [u64]>,
    #[serde(rename = "CPU")]
    cpu: f64,
    #[serde(rename = "CPUNano")]
    cpu_nano: u64,
    #[serde(rename = "CPUSystemNano")]
    cpu_system_nano: u64,
    #[serde(rename = "SystemNano")]
    system_nano: u64,
    #[serde(rename = "MemUsage")]
    memory: u64,
    #[serde(rename = "MemLimit")]
    memory_limit: u64,
    #[serde(rename = "MemPerc")]
    memory_percent: f64,
    #[serde(rename = "Network")]
    network: Option<Value>,
    #[serde(rename = "BlockInput")]
    block_input: u64,
    #[serde(rename = "BlockOutput")]
    block_output: u64,
    #[serde(rename = "PIDs")]
    pids: u64,
    #[serde(rename = "UpTime")]
    up_time: u64,
    #[serde(rename = "Duration")]
    duration: u64,
}

impl Reading {
    pub(crate) fn new(record: &Record, now: &Sample, before: Option<&Sample>, whole: bool) -> Reading {
        Reading {
            id: record.id.chars().take(if whole { record.id.len() } else { 12 }).collect(),
            whole_id: record.id.clone(),
            name: record.name.clone(),
            sample: now.clone(),
            cpu: now.cpu_percent(before),
            average: now.cpu_percent(None),
        }
    }

    /// The table's columns.
    pub(crate) fn cells(&self) -> [String; 10] {
        [
            self.id.clone(),
            self.name.clone(),
            percent(self.cpu),
            self.memory(decimal_size),
            percent(self.sample.memory_percent()),
            self.network(),
            self.block(),
            self.sample.pids.to_string(),
            self.cpu_time(),
            percent(self.average),
        ]
    }

    /// The row of `--format json`.
    pub(super) fn document(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Document {
            id: String,
            name: String,
            cpu_time: String,
            cpu_percent: String,
            avg_cpu: String,
            mem_usage: String,
            mem_percent: String,
            net_io: String,
            block_io: String,
            pids: String,
        }
        let [id, name, cpu_percent, mem_usage, mem_percent, net_io, block_io, pids, cpu_time, avg_cpu] =
            self.cells();
        Document { id, name, cpu_time, cpu_percent, avg_cpu, mem_usage, mem_percent, net_io, block_io, pids }
    }

    /// `{{json .}}`
    pub(super) fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.raw())
    }

    /// What a template sees: texts where podman has methods, numbers elsewhere.
    pub(super) fn fields(&self) -> Value {
        let mut fields = match serde_json::to_value(self.raw()) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let texts = json!({
            "AVGCPU": percent(self.average),
            "BlockIO": self.block(),
            "CPUPerc": percent(self.cpu),
            "Duration": self.sample.cpu,
            "ID": self.id,
            "MemPerc": percent(self.sample.memory_percent()),
            "MemUsage": self.memory(decimal_size),
            "MemUsageBytes": self.memory(binary_size),
            "NetIO": self.network(),
            "PIDS": self.sample.pids.to_string(),
            "Up": self.cpu_time(),
            "UpTime": self.cpu_time(),
        });
        if let Value::Object(texts) = texts {
            fields.extend(texts);
        }
        Value::Object(fields)
    }

    fn raw(&self) -> Raw<'_> {
        let sample = &self.sample;
        let interface = |one: &Interface| {
            json!({
                "RxBytes": one.received_bytes,
                "RxDropped": one.received_dropped,
                "RxErrors": one.received_errors,
                "RxPackets": one.received_packets,
                "TxBytes": one.sent_bytes,
                "TxDropped": one.sent_dropped,
                "TxErrors": one.sent_errors,
                "TxPackets": one.sent_packets,
            })
        };
        let network: Map<String, Value> =
            sample.network.iter().map(|(name, one)| (name.clone(), interface(one))).collect();
        let since_1970 = sample.taken.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Raw {
            average: self.average,
            id: &self.whole_id,
            name: &self.name,
            per_cpu: Some(&*sample.per_cpu).filter(|list| !list.is_empty()),
            cpu: self.cpu,
            cpu_nano: sample.cpu,
            cpu_system_nano: sample.system,
            system_nano: u64::try_from(since_1970).unwrap_or(u64::MAX),
            memory: sample.memory,
            memory_limit: sample.memory_limit,
            memory_percent: sample.memory_percent(),
            network: Some(Value::Object(network)).filter(|_| !sample.network.is_empty()),
            block_input: sample.block_input,
            block_output: sample.block_output,
            pids: sample.pids,
            up_time: sample.cpu,
            duration: sample.cpu,
        }
    }

    pub(crate) fn memory(&self, size: fn(u64) -> String) -> String {
        format!("{} / {}", size(self.sample.memory), size(self.sample.memory_limit))
    }

    fn network(&self) -> String {
        let sum = |of: fn(&Interface) -> u64| decimal_size(self.sample.network.values().map(of).sum());
        format!("{} / {}", sum(|one| one.received_bytes), sum(|one| one.sent_bytes))
    }

    fn block(&self) -> String {
        format!("{} / {}", decimal_size(self.sample.block_input), decimal_size(self.sample.block_output))
    }

    fn cpu_time(&self) -> String {
        go_duration(Duration::from_nanos(self.sample.cpu))
    }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        let started = UNIX_EPOCH + Duration::from_secs(1_795_541_721);
        let eth0 = Interface { received_bytes: 636, sent_bytes: 222, ..Interface::default() };
        let sample = Sample {
            taken: started + Duration::from_secs(2),
            started: Some(started),
            cpu: 48_779_555,
            system: 1,
            per_cpu: vec![83_265, 48_696_290],
            memory: 32_821_248,
            memory_limit: 25_276_502_016,
            network: [("eth0".to_owned(), eth0)].into(),
            block_input: 0,
            block_output: 1_234_567,
            pids: 1,
        };
        let record = Record { id: "0ece7f677c4f06fa".into(), name: "q".into(), ..Record::default() };
        Reading::new(&record, &sample, None, false)
    }

    #[test]
    fn cells_as_podman_shows_them() {
        let expected = [
            "0ece7f677c4f",
            "q",
            "2.44%",
            "32.82MB / 25.28GB",
            "0.13%",
            "636B / 222B",
            "0B / 1.235MB",
            "1",
            "48.779555ms",
            "2.44%",
        ];
        assert_eq!(reading().cells(), expected);
        assert_eq!(reading().memory(binary_size), "31.3MiB / 23.54GiB");
    }

    #[test]
    fn one_that_does_not_run() {
        let mut reading = reading();
        reading.sample = Sample::nothing();
        (reading.cpu, reading.average) = (reading.sample.cpu_percent(None), 0.0);
        let expected =
            ["0ece7f677c4f", "q", "0.00%", "0B / 0B", "0.00%", "0B / 0B", "0B / 0B", "0", "0s", "0.00%"];
        assert_eq!(reading.cells(), expected);
    }

    #[test]
    fn every_field_of_a_template_has_a_heading() {
        let fields = reading().fields();
        let names: Vec<&String> = fields.as_object().expect("an object").keys().collect();
        for name in &names {
            assert!(HEADING.iter().any(|(known, _)| known == name), "{name}");
        }
        assert_eq!(names.len(), HEADING.len());
    }
}
