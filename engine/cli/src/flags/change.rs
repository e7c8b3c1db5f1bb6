//! Limits for a container that is there already, or is made after another one: `update` and `clone`.

use ketch_engine::container::options::Limits;

use super::{limits, resources};

#[derive(Debug, Default, clap::Args)]
#[command(next_display_order = None)]
pub(crate) struct ChangeFlags {
    /// Weight of block I/O, 10 to 1000, relative to other containers'
    #[arg(long, value_name = "WEIGHT", value_parser = resources::weight)]
    blkio_weight: Option<u16>,
    /// The same for one device (DEVICE:WEIGHT)
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Period of --cpu-quota, in microseconds
    #[arg(long, value_name = "N")]
    cpu_period: Option<u64>,
    /// CPU time in each period, in microseconds
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// Period of --cpu-rt-runtime, in microseconds (cgroup v1)
    #[arg(long, value_name = "N")]
    cpu_rt_period: Option<u64>,
    /// Time of real-time scheduling in each period, in microseconds (cgroup v1)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpu_rt_runtime: Option<i64>,
    /// CPU shares, relative to those of other containers
    #[arg(long, short = 'c', value_name = "N")]
    cpu_shares: Option<u64>,
    /// Number of CPUs, such as 1.5; 0 for no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = limits::cpus)]
    cpus: Option<f64>,
    /// CPUs that may be used, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used, such as 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Limit reading from a device, in bytes a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_bps: Vec<String>,
    /// Limit writing to a device, in bytes a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_bps: Vec<String>,
    /// Memory limit (64m, 1g); 0 for none
    #[arg(long, short = 'm', value_name = "SIZE", value_parser = limits::size)]
    memory: Option<i64>,
    /// Memory that is kept when the host runs short
    #[arg(long, value_name = "SIZE", value_parser = limits::size)]
    memory_reservation: Option<i64>,
    /// Limit of memory and swap together; -1 for none
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = limits::swap)]
    memory_swap: Option<i64>,
    /// How willingly its memory is swapped out, 0 to 100; -1 for the host's (cgroup v1)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = resources::swappiness)]
    memory_swappiness: Option<i64>,
}

impl ChangeFlags {
    /// Puts those that were given in the place of what is there.
    pub(crate) fn apply(&self, limits: &mut Limits) -> anyhow::Result<()> {
        resources::check_quota(self.cpus, self.cpu_period, self.cpu_quota)?;
        if self.cpus.is_some() {
            (limits.cpus, limits.cpu_period, limits.cpu_quota) =
                (self.cpus.filter(|cpus| *cpus > 0.0), None, None);
        } else if self.cpu_period.is_some() || self.cpu_quota.is_some() {
            limits.cpus = None;
        }
        put(&mut limits.cpu_period, self.cpu_period);
        put(&mut limits.cpu_quota, self.cpu_quota);
        put(&mut limits.cpu_rt_period, self.cpu_rt_period);
        put(&mut limits.cpu_rt_runtime, self.cpu_rt_runtime);
        put(&mut limits.cpu_shares, self.cpu_shares);
        put(&mut limits.cpuset_cpus, self.cpuset_cpus.clone());
        put(&mut limits.cpuset_mems, self.cpuset_mems.clone());
        put(&mut limits.memory, self.memory);
        put(&mut limits.memory_reservation, self.memory_reservation);
        put(&mut limits.memory_swap, self.memory_swap);
        if let Some(swappiness) = self.memory_swappiness {
            limits.memory_swappiness = u64::try_from(swappiness).ok();
        }
        let block = &mut limits.block;
        put(&mut block.weight, self.blkio_weight);
        let weights = self.blkio_weight_device.iter().map(|text| resources::device_weight(text));
        resources::put_all(&mut block.weights, weights.collect::<Result<_, _>>()?);
        resources::put_all(&mut block.read_bps, resources::byte_rates(&self.device_read_bps)?);
        resources::put_all(&mut block.write_bps, resources::byte_rates(&self.device_write_bps)?);
        limits::check_memory(limits)
    }
}

fn put<T>(place: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *place = given;
    }
}
