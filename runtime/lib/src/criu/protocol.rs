//! CRIU's RPC messages, as far as they are used: one protobuf message a packet (CRIU's `images/rpc.proto`).

/// What is asked for, `criu_req_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Empty = 0,
    Dump = 1,
    Restore = 2,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
    SinglePreDump = 13,
}

/// What becomes of the cgroups: criu(8), `--manage-cgroups`; `criu_cg_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum CgroupMode {
    Ignore = 0,
    Soft = 3,
    Full = 4,
    Strict = 5,
}

/// How packets are kept from connections while nobody is there to receive them: criu(8), `--network-lock`;
/// `criu_network_lock_method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum NetworkLock {
    Iptables = 1,
    Nftables = 2,
    Skip = 3,
}

/// `criu_req`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Request {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub kind: i32,
    #[prost(message, optional, boxed, tag = "2")]
    pub options: Option<Box<Options>>,
    #[prost(bool, optional, tag = "3")]
    pub notify_success: Option<bool>,
    /// CRIU stays for another request.
    #[prost(bool, optional, tag = "4")]
    pub keep_open: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub features: Option<Features>,
}

/// `criu_opts`. Descriptors are numbers of the asking process, but those of `inherit_fd`, which are CRIU's own.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Options {
    #[prost(int32, required, tag = "1")]
    pub images_dir_fd: i32,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub ext_unix_sk: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub evasive_devices: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub log_level: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub page_server: Option<PageServer>,
    #[prost(bool, optional, tag = "12")]
    pub notify_scripts: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub root: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub parent_img: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub track_mem: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub auto_dedup: Option<bool>,
    #[prost(int32, optional, tag = "17")]
    pub work_dir_fd: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub link_remap: Option<bool>,
    #[prost(message, repeated, tag = "23")]
    pub ext_mnt: Vec<Pair>,
    #[prost(message, repeated, tag = "25")]
    pub cg_root: Vec<CgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub rst_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    pub inherit_fd: Vec<InheritFd>,
    #[prost(bool, optional, tag = "30")]
    pub ext_masters: Option<bool>,
    #[prost(enumeration = "CgroupMode", optional, tag = "34")]
    pub manage_cgroups_mode: Option<i32>,
    #[prost(string, repeated, tag = "37")]
    pub external: Vec<String>,
    #[prost(uint32, optional, tag = "38")]
    pub empty_ns: Option<u32>,
    #[prost(message, repeated, tag = "39")]
    pub join_ns: Vec<JoinNamespace>,
    #[prost(string, optional, tag = "44")]
    pub freeze_cgroup: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub lazy_pages: Option<bool>,
    #[prost(int32, optional, tag = "49")]
    pub status_fd: Option<i32>,
    #[prost(bool, optional, tag = "50")]
    pub orphan_pts_master: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub config_file: Option<String>,
    #[prost(bool, optional, tag = "52")]
    pub tcp_close: Option<bool>,
    #[prost(string, optional, tag = "53")]
    pub lsm_profile: Option<String>,
    #[prost(string, optional, tag = "60")]
    pub cgroup_yard: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub lsm_mount_context: Option<String>,
    #[prost(enumeration = "NetworkLock", optional, tag = "64")]
    pub network_lock: Option<i32>,
}

/// `criu_page_server_info`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PageServer {
    #[prost(string, optional, tag = "1")]
    pub address: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub port: Option<i32>,
}

/// `ext_mount_map`. A dump maps a mount point to a name, a restore the name to what is to be mounted.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Pair {
    #[prost(string, required, tag = "1")]
    pub key: String,
    #[prost(string, required, tag = "2")]
    pub value: String,
}

/// `cgroup_root`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CgroupRoot {
    #[prost(string, optional, tag = "1")]
    pub controller: Option<String>,
    #[prost(string, required, tag = "2")]
    pub path: String,
}

/// `inherit_fd`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InheritFd {
    #[prost(string, required, tag = "1")]
    pub key: String,
    #[prost(int32, required, tag = "2")]
    pub fd: i32,
}

/// `join_namespace`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct JoinNamespace {
    #[prost(string, required, tag = "1")]
    pub kind: String,
    #[prost(string, required, tag = "2")]
    pub file: String,
}

/// `criu_features`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Features {
    #[prost(bool, optional, tag = "1")]
    pub mem_track: Option<bool>,
}

/// `criu_resp`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Response {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub kind: i32,
    #[prost(bool, required, tag = "2")]
    pub success: bool,
    #[prost(message, optional, tag = "4")]
    pub restore: Option<Restored>,
    #[prost(message, optional, tag = "5")]
    pub notify: Option<Notification>,
    #[prost(int32, optional, tag = "7")]
    pub errno: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub features: Option<Features>,
    #[prost(string, optional, tag = "9")]
    pub message: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub version: Option<Version>,
}

/// `criu_restore_resp`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Restored {
    #[prost(int32, required, tag = "1")]
    pub pid: i32,
}

/// `criu_notify`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Notification {
    #[prost(string, optional, tag = "1")]
    pub script: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
}

/// `criu_version`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Version {
    #[prost(int32, required, tag = "1")]
    pub major: i32,
    #[prost(int32, required, tag = "2")]
    pub minor: i32,
    #[prost(int32, optional, tag = "5")]
    pub sublevel: Option<i32>,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// The bytes that protoc's own encoder makes of `type: DUMP, opts { images_dir_fd: 5, pid: 7 }`.
    #[test]
    fn as_on_the_wire() {
        let request = Request {
            kind: Kind::Dump as i32,
            options: Some(Box::new(Options { images_dir_fd: 5, pid: Some(7), ..Options::default() })),
            ..Request::default()
        };
        assert_eq!(request.encode_to_vec(), [0x08, 1, 0x12, 4, 0x08, 5, 0x10, 7]);
    }

    /// Fields that are not known are passed over.
    #[test]
    fn a_newer_answer_is_understood() {
        let bytes = [0x08, 2, 0x10, 1, 0x22, 2, 0x08, 42, 0x78, 9];
        let response = Response::decode(&bytes[..]).expect("a response");
        assert_eq!(response.restore.expect("restored").pid, 42);
    }
}
