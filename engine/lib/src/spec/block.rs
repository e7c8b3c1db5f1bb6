//! Limits of block devices: by path on the command line, by number in the configuration.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use ketch_runtime::spec::{
    LinuxBlockIo, LinuxThrottleDevice, LinuxThrottleDeviceBuilder, LinuxWeightDeviceBuilder,
};

use super::SpecError;
use crate::container::options::{BlockIo, BlockLimit};

/// A block device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    pub device: PathBuf,
    pub major: i64,
    pub minor: i64,
}

/// Looks up all devices that `block` names.
pub(super) fn read(block: &BlockIo) -> Result<Vec<Numbers>, SpecError> {
    let mut found: Vec<Numbers> = Vec::new();
    for (flag, limits) in block.by_device() {
        for BlockLimit { device, .. } in limits {
            let metadata = std::fs::metadata(device).map_err(|source| SpecError::BlockDevice {
                flag,
                path: device.clone(),
                source,
            })?;
            if !metadata.file_type().is_block_device() {
                return Err(SpecError::NotABlockDevice { flag, path: device.clone() });
            }
            found.push(Numbers {
                device: device.clone(),
                major: nix::sys::stat::major(metadata.rdev()) as i64,
                minor: nix::sys::stat::minor(metadata.rdev()) as i64,
            });
        }
    }
    Ok(found)
}

/// None when there is nothing to limit. `numbers` is of [`read`].
pub(super) fn limits(block: &BlockIo, numbers: &[Numbers]) -> Option<LinuxBlockIo> {
    if *block == BlockIo::default() {
        return None;
    }
    let number = |limit: &BlockLimit| {
        numbers.iter().find(|have| have.device == limit.device).map(|have| (have.major, have.minor))
    };
    let throttles = |limits: &[BlockLimit]| {
        let throttle = |limit: &BlockLimit| -> Option<LinuxThrottleDevice> {
            let (major, minor) = number(limit)?;
            LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(limit.value).build().ok()
        };
        Some(limits.iter().filter_map(throttle).collect::<Vec<_>>()).filter(|list| !list.is_empty())
    };
    let weights = block.weights.iter().filter_map(|limit| {
        let (major, minor) = number(limit)?;
        let weight = u16::try_from(limit.value).ok()?;
        LinuxWeightDeviceBuilder::default().major(major).minor(minor).weight(weight).build().ok()
    });
    let weights: Vec<_> = weights.collect();
    let mut io = LinuxBlockIo::default();
    io.set_weight(block.weight).set_weight_device(Some(weights).filter(|list| !list.is_empty()));
    io.set_throttle_read_bps_device(throttles(&block.read_bps));
    io.set_throttle_write_bps_device(throttles(&block.write_bps));
    io.set_throttle_read_iops_device(throttles(&block.read_iops));
    io.set_throttle_write_iops_device(throttles(&block.write_iops));
    Some(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_number() {
        let limit = |value| BlockLimit { device: "/dev/x".into(), value };
        let numbers = [Numbers { device: "/dev/x".into(), major: 8, minor: 1 }];
        let block = BlockIo {
            weight: Some(10),
            weights: vec![limit(20)],
            read_bps: vec![limit(1024)],
            write_iops: vec![limit(5)],
            ..BlockIo::default()
        };
        let expected = serde_json::json!({
            "weight": 10,
            "weightDevice": [{"major": 8, "minor": 1, "weight": 20}],
            "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 1024}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 1, "rate": 5}],
        });
        assert_eq!(serde_json::to_value(limits(&block, &numbers)).unwrap(), expected);
        assert_eq!(limits(&BlockIo::default(), &numbers), None);
        let missing = BlockIo {
            read_bps: vec![BlockLimit { device: "/dev/none".into(), value: 1 }],
            ..BlockIo::default()
        };
        assert!(read(&missing).unwrap_err().to_string().contains("--device-read-bps"));
        let no_block = BlockIo {
            weights: vec![BlockLimit { device: "/dev/null".into(), value: 1 }],
            ..BlockIo::default()
        };
        assert!(matches!(read(&no_block), Err(SpecError::NotABlockDevice { .. })));
    }
}
